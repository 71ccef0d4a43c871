"""Vendi score: how many different samples there are in effect."""

import math

import numpy as np

from gengan.evaluators import checks

ROWS = 4096  # in float64 at a time


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
    ValueError: another shape, values that are not finite, a row of zeros, or a negative order.
  """
  if not q >= 0:
    raise ValueError(f'q is {q}; it must be at least 0')
  x = checks.features(x, 'x')
  # The non-zero eigenvalues of X X^T [N, N] and of X^T X [D, D] are the same.
  gram = _outer_products(x) if len(x) > x.shape[1] else _inner_products(x)
  eigenvalues = np.linalg.eigvalsh(gram / len(x))
  eigenvalues = eigenvalues[eigenvalues > len(eigenvalues) * np.finfo(np.float64).eps]
  if q == 1:
    return float(np.exp(-np.sum(eigenvalues * np.log(eigenvalues))))
  if math.isinf(q):
    return float(1 / eigenvalues.max())
  return float(np.sum(eigenvalues**q) ** (1 / (1 - q)))


def _inner_products(x: np.ndarray) -> np.ndarray:
  rows = _normalised(x)
  return rows @ rows.T


def _outer_products(x: np.ndarray) -> np.ndarray:
  total = np.zeros((x.shape[1], x.shape[1]))
  for start in range(0, len(x), ROWS):
    rows = _normalised(x[start : start + ROWS])
    total += rows.T @ rows
  return total


def _normalised(x: np.ndarray) -> np.ndarray:
  x = x.astype(np.float64)
  largest = np.abs(x).max(axis=1, keepdims=True)
  if not largest.all():
    raise ValueError('x holds a row of zeros, which has no direction')
  x /= largest  # so that no square underflows
  x /= np.sqrt(np.einsum('nd,nd->n', x, x))[:, None]
  return x
