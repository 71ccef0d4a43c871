"""Fréchet distance between Gaussians fitted to features (FID, FD-DINOv2, ...)."""

import warnings

import numpy as np
from scipy.linalg import lapack

from gengan.metrics import checks
from gengan.metrics.family import Family, Images, Inputs, Meaning, Scores, name_on
from gengan.metrics.moments import CHUNK, Moments, moments_of_batches

ENOUGH = 2048  # samples, below which published distances are not comparable whatever the features
BIASED = (  # Chong and Forsyth 2020: the bias is a term in 1/N, whose factor depends on the model
  'a Fréchet distance of fewer is biased upwards, by more for one model than for another; compare it only with one of '
  'as many images'
)
EPS = float(np.finfo(np.float64).eps)
ROUNDING = 1024  # relative rounding errors in the eigenvalues of a covariance, at least; where D > 1024, D


def frechet_distance(mu1: np.ndarray, sigma1: np.ndarray, mu2: np.ndarray, sigma2: np.ndarray) -> float:
  """|mu1 - mu2|^2 + Tr(S1 + S2 - 2 (S1 S2)^(1/2)) (Dowson and Landau 1982, eq. 4; Heusel et al. 2017, eq. 6).

  With S1 = A A^T and S2 = B B^T, the trace of the root is the sum of the singular values of A^T B. So no root of a
  matrix is formed, singular covariances need no special case, and small eigenvalues keep their accuracy.

  Args:
    mu1: [D] mean of one set.
    sigma1: [D, D] its covariance. Eigenvalues that rounding has made negative count as 0: those down to
      -max(D, 1024) eps times the largest one, with eps that of float32 if the array has that type, else of float64.
    mu2: [D] mean of the other.
    sigma2: [D, D].

  Returns:
    The squared distance, in squared units of the features. Rounding may leave a tiny negative number, which is
    reported as it is.

  Raises:
    ValueError: a covariance that is not symmetric or has eigenvalues farther below 0 than rounding explains.

  Examples:
    >>> frechet_distance([0.0], [[1.0]], [3.0], [[4.0]])  # 3^2 + (2 - 1)^2
    10.0
  """
  mu1, mu2 = checked_mean(mu1, 'mu1'), checked_mean(mu2, 'mu2')
  if mu1.shape != mu2.shape:
    raise ValueError(f'mu1 has {len(mu1)} dimensions and mu2 {len(mu2)}; they must be the same')
  factor1, factor2 = checked_factor(sigma1, len(mu1), 'sigma1'), checked_factor(sigma2, len(mu2), 'sigma2')
  return distance_of_factors(mu1, factor1, mu2, factor2)


def frechet_distance_of_moments(x: Moments, y: Moments) -> float:
  """`frechet_distance` of two sets from their moments; warns where they are too few for their dimensions."""
  for each in (x, y):
    warn_of_few(each.count, len(each.mean))
  return frechet_distance(x.mean, x.covariance, y.mean, y.covariance)


def frechet_distance_of_features(x: np.ndarray, y: np.ndarray) -> float:
  """`frechet_distance` of two sets of features, [N, D] and [M, D], N and M at least 2.

  Warns:
    FewSamplesWarning: fewer than 2,048 samples or than dimensions. The estimate is biased upwards by a term in 1/N
      (Chong and Forsyth 2020), so compare only distances of equally many samples, or `frechet_distance_infinity`.
  """
  x, y = checks.pair(x, y, ('x', 'y'), at_least=2)
  for each in (x, y):
    warn_of_few(*each.shape)
  return distance_of_factors(*mean_and_factor(x, 'x'), *mean_and_factor(y, 'y'))


def distance_of_factors(mean1: np.ndarray, factor1: np.ndarray, mean2: np.ndarray, factor2: np.ndarray) -> float:
  """From means [D] and factors [D, R] of the covariances F F^T."""
  traces = np.vdot(factor1, factor1) + np.vdot(factor2, factor2)
  root = np.linalg.svd(factor1.T @ factor2, compute_uv=False).sum() if factor1.size and factor2.size else 0.0
  return float(np.sum((mean1 - mean2) ** 2) + traces - 2 * root)


def mean_and_factor(features: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
  """Mean [D] and factor of the covariance; the centred samples are one, and the smaller one where N < D."""
  if len(features) > features.shape[1]:
    whole = moments_of_batches(features[start : start + CHUNK] for start in range(0, len(features), CHUNK))
    return whole.mean, _factor(whole.covariance, name)
  features = features.astype(np.float64)
  mean = features.mean(axis=0)
  return mean, (features - mean).T / np.sqrt(len(features) - 1)


def _factor(covariance: np.ndarray, name: str, eps: float = EPS) -> np.ndarray:
  """F [D, R] with F F^T = covariance, R at most D: by Cholesky with pivots, which ends where rounding errors are left.

  What is left over of a covariance in coarser numbers, with rounding errors of their size, may be more than that. Then
  the eigenvalues decide, and are the factor.
  """
  factor, pivots, rank, _ = lapack.dpstrf(covariance, lower=1)
  factor = np.tril(factor)[:, :rank]
  factor = factor[np.argsort(pivots)]
  if rank == len(covariance):
    return factor
  errors = max(ROUNDING, len(covariance))
  if np.linalg.norm(covariance - factor @ factor.T) <= errors * EPS * np.diag(covariance).max():
    return factor
  values, vectors = np.linalg.eigh(covariance)
  if values[0] < -errors * eps * values[-1]:
    raise ValueError(f'{name} has negative eigenvalues ({values[0]:.3g} to {values[-1]:.3g}); it is no covariance')
  positive = values > 0
  return vectors[:, positive] * np.sqrt(values[positive])


def checked_mean(mean: np.ndarray, name: str) -> np.ndarray:
  mean = checks.finite(mean, name).astype(np.float64)
  if mean.ndim != 1 or not mean.size:
    raise ValueError(f'{name} must be a mean [D], not {list(mean.shape)}')
  return mean


def checked_factor(covariance: np.ndarray, dimensions: int, name: str) -> np.ndarray:
  """`_factor` of what a caller calls a covariance."""
  covariance = checks.finite(covariance, name)
  eps, covariance = np.finfo(covariance.dtype).eps, covariance.astype(np.float64)
  if covariance.shape != (dimensions, dimensions):
    raise ValueError(f'{name} must be a covariance [{dimensions}, {dimensions}], not {list(covariance.shape)}')
  if np.abs(covariance - covariance.T).max() > 1e-5 * np.abs(covariance).max():
    raise ValueError(f'{name} is not symmetric')
  return _factor((covariance + covariance.T) / 2, name, float(eps))


def warn_of_few(count: int, dimensions: int) -> None:
  if count < ENOUGH or count <= dimensions:
    warnings.warn(
      f'{count} samples of {dimensions} dimensions: a Frechet distance of fewer than {max(ENOUGH, dimensions + 1)} '
      'is dominated by their number',
      checks.FewSamplesWarning,
      stacklevel=3,
    )


def scores(inputs: Inputs) -> Scores:
  """`fid` for the published Inception network and resizer, `fd_<network>` for any other: never one for the other."""
  distance = frechet_distance_of_moments(inputs.real.moments, inputs.generated.moments)
  return Scores({name_on(inputs.network, 'fid', 'fd'): distance})


FAMILY = Family(
  scores,
  {
    'fid': Meaning('lower', 'Fréchet distance on the Inception network of FID'),
    'clean_fid': Meaning('lower', 'the same with the resizer of clean-fid'),
    'fd_': Meaning('lower', 'Fréchet distance of features; not FID'),
  },
  images=Images('all', enough=ENOUGH, few=BIASED),
  reference=True,
)
