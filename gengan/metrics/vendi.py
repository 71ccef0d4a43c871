"""Vendi score: how many different samples there are in effect."""

import math
import numbers

import numpy as np

from gengan.metrics import checks
from gengan.metrics.family import Family, Images, Inputs, Meaning, Scores

ROWS = 4096  # in float64 at a time
SCORED = 2000  # samples, at most
ENOUGH = 500


def vendi_score(x: np.ndarray, *, q: float = 1.0) -> float:
  """exp of the entropy of the eigenvalues of K / N, K_ij = cos(x_i, x_j) (Friedman and Dieng 2023, definition 3.1).

  It needs no real samples and says nothing about quality: compare it with the score of as many real samples.

  Args:
    x: [N, D] features, no row of zeros.
    q: order of the Rényi entropy log(sum_i lambda_i^q) / (1 - q) (Pasarkar and Dieng 2024): 1 is Shannon's,
      smaller ones weigh rare kinds more, `math.inf` gives 1 / max_i lambda_i.

  Returns:
    From 1, where all point the same way, to min(N, D), where as many are orthogonal.

  Raises:
    ValueError: a row of zeros.

  Examples:
    >>> round(vendi_score([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), 3)  # exp of the entropy of (2/3, 1/3)
    1.89
  """
  if not isinstance(q, numbers.Real) or not q >= 0:
    raise ValueError(f'q is {q}; it must be at least 0')
  x = checks.features(x, 'x')
  # The non-zero eigenvalues of X X^T [N, N] and of X^T X [D, D] are the same.
  if len(x) > x.shape[1]:
    parts = (_normalised(x[start : start + ROWS]) for start in range(0, len(x), ROWS))
    gram = sum(rows.T @ rows for rows in parts)
  else:
    rows = _normalised(x)
    gram = rows @ rows.T
  eigenvalues = np.linalg.eigvalsh(gram / len(x))
  eigenvalues = eigenvalues[eigenvalues > len(eigenvalues) * np.finfo(np.float64).eps]
  return float(np.exp(_entropy(eigenvalues / eigenvalues.sum(), q)))


def _entropy(shares: np.ndarray, q: float) -> float:
  """Rényi entropy of order q of positive shares whose sum is 1, in nats."""
  logs = np.log(shares)
  if q == 1:
    return -shares @ logs
  if math.isinf(q):
    return -logs.max()
  if abs(q - 1) < 0.5:
    # sum p^q is so near to 1 that its rounding error, divided by 1 - q, would be all that is left. It exceeds 1 by
    # sum p (p^(q - 1) - 1), whose terms have one sign and keep their digits.
    return np.log1p(shares @ np.expm1((q - 1) * logs)) / (1 - q)
  largest = logs.max()  # apart from the rest, whose powers would underflow together
  return q / (1 - q) * largest + np.log(np.exp(q * (logs - largest)).sum()) / (1 - q)


def _normalised(x: np.ndarray) -> np.ndarray:
  x = x.astype(np.float64)
  largest = np.abs(x).max(axis=1, keepdims=True)
  if not largest.all():
    raise ValueError('x holds a row of zeros, which has no direction')
  x /= largest  # so that no square underflows
  x /= np.sqrt(np.einsum('nd,nd->n', x, x))[:, None]
  return x


def scores(inputs: Inputs) -> Scores:
  """`vendi_ratio_<network>`: the score of 2,000 samples over that of as many real images."""
  real, generated = inputs.real.rows, inputs.generated.rows
  rows = min(SCORED, len(real), len(generated))
  return Scores({f'vendi_ratio_{inputs.network.name}': vendi_score(generated[:rows]) / vendi_score(real[:rows])})


FAMILY = Family(
  scores,
  {'vendi_ratio_': Meaning('1', 'effective number of different samples, over that of as many real images')},
  images=Images(enough=ENOUGH, few='a kind of image that is rare may be in neither set, so its loss does not show'),
  reference=True,
)
