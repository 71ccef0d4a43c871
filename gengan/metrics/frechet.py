"""Frechet distance between Gaussians fitted to features (FID, FD-DINOv2, ...), and the moments that it needs."""

import warnings
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from scipy.linalg import lapack

from gengan.metrics import checks

ENOUGH = 2048  # samples, below which published distances are not comparable whatever the features
CHUNK = 1024  # rows that moments are taken of at a time
EPS = float(np.finfo(np.float64).eps)
ROUNDING = 1024  # relative rounding errors in the eigenvalues of a covariance, at least; where D > 1024, D


class Moments(NamedTuple):
  """Mean and scatter of a set of features, in float64; sets are joined by `merge`, in any order.

  Attributes:
    count: N.
    mean: [D].
    scatter: [D, D], sum over the samples of (x - mean)(x - mean)^T.
  """

  count: int
  mean: np.ndarray
  scatter: np.ndarray

  @property
  def covariance(self) -> np.ndarray:
    """[D, D], the unbiased estimate (divided by N - 1)."""
    if self.count < 2:
      raise ValueError(f'{self.count} samples are too few for a covariance, at least 2 are needed')
    return self.scatter / (self.count - 1)


def moments(features: np.ndarray) -> Moments:
  """Moments of one array of features [N, D], N >= 1.

  Raises:
    ValueError: another shape, or values that are not finite.
  """
  features = checks.features(features, 'features').astype(np.float64)
  mean = features.mean(axis=0)
  features -= mean
  return Moments(len(features), mean, features.T @ features)


def merge(first: Moments, second: Moments) -> Moments:
  """Moments of two sets together, from those of each (Chan, Golub and LeVeque 1983).

  Raises:
    ValueError: features of different dimensions.
  """
  if first.mean.shape != second.mean.shape:
    raise ValueError(f'moments of {len(first.mean)} and of {len(second.mean)} dimensions cannot be merged')
  count = first.count + second.count
  shift = second.mean - first.mean
  scatter = first.scatter + second.scatter
  scatter += np.outer(shift * (first.count * second.count / count), shift)
  return Moments(count, first.mean + shift * (second.count / count), scatter)


def moments_of_batches(batches: Iterable[np.ndarray]) -> Moments:
  """Moments of features that come in batches [B, D] of any sizes, of which about a thousand rows are held at a time.

  Raises:
    ValueError: no batch at all, batches of different dimensions, or values that are not finite.
  """
  total, waiting, rows = None, [], 0

  def drained():
    dimensions = {batch.shape[1] for batch in waiting}
    if len(dimensions) > 1:
      raise ValueError(f'batches of features of different dimensions: {sorted(dimensions)}')
    part = moments(np.concatenate(waiting))
    return part if total is None else merge(total, part)

  for batch in batches:
    waiting.append(checks.features(batch, 'features', at_least=0))
    rows += len(waiting[-1])
    if rows >= CHUNK:
      total, waiting, rows = drained(), [], 0
  if rows:
    total = drained()
  if total is None:
    raise ValueError('no features to take moments of')
  return total


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
    ValueError: shapes that do not fit, values that are not finite, or a covariance that is not symmetric or has
      eigenvalues farther below 0 than rounding explains.
  """
  mu1, mu2 = _checked_mean(mu1, 'mu1'), _checked_mean(mu2, 'mu2')
  if mu1.shape != mu2.shape:
    raise ValueError(f'mu1 has {len(mu1)} dimensions and mu2 {len(mu2)}; they must be the same')
  factor1, factor2 = _checked_factor(sigma1, len(mu1), 'sigma1'), _checked_factor(sigma2, len(mu2), 'sigma2')
  return _distance(mu1, factor1, mu2, factor2)


def frechet_distance_of_moments(x: Moments, y: Moments) -> float:
  """`frechet_distance` of two sets from their moments; warns where they are too few for their dimensions."""
  for each in (x, y):
    _warn_of_few(each.count, len(each.mean))
  return frechet_distance(x.mean, x.covariance, y.mean, y.covariance)


def frechet_distance_of_features(x: np.ndarray, y: np.ndarray) -> float:
  """`frechet_distance` of two sets of features, [N, D] and [M, D], N and M at least 2.

  Raises:
    ValueError: shapes that do not fit, or values that are not finite.

  Warns:
    FewSamplesWarning: fewer than 2,048 samples or than dimensions. The estimate is biased upwards by a term in 1/N
      (Chong and Forsyth 2020), so compare only distances of equally many samples, or `frechet_distance_infinity`.
  """
  x, y = checks.pair(x, y, ('x', 'y'), at_least=2)
  for each in (x, y):
    _warn_of_few(*each.shape)
  return _distance(*_mean_and_factor(x, 'x'), *_mean_and_factor(y, 'y'))


def frechet_distance_infinity(
  real: Moments, fake: np.ndarray, *, sizes: int = 15, smallest: int | None = None, seed: int = 0
) -> float:
  """Distance that infinitely many generated samples would have (Chong and Forsyth 2020).

  Distances of random subsets of N generated samples, at `sizes` numbers N evenly spaced from `smallest` to all, are
  fitted by a line in 1/N; its value at 1/N = 0 is returned. The bias from the number of real samples remains.

  Args:
    real: moments of the real features.
    fake: [M, D] generated features.
    sizes: how many subsets, 2 or more.
    smallest: samples in the smallest; by default a tenth (5,000 of 50,000 in the paper).
    seed: of the choice of subsets.

  Raises:
    ValueError: shapes that do not fit, values that are not finite, or too few samples for so many sizes.
  """
  if not isinstance(real, Moments):
    raise ValueError(f'real must be Moments, not {type(real).__name__}; metrics.moments makes them from features')
  real_mean = _checked_mean(real.mean, 'the mean of real')
  fake = checks.features(fake, 'fake', at_least=2)
  if fake.shape[1] != len(real_mean):
    raise ValueError(f'real has {len(real_mean)} dimensions and fake {fake.shape[1]}; they must be the same')
  sizes = checks.count(sizes, 'sizes', at_least=2)
  smallest = checks.count(max(2, len(fake) // 10) if smallest is None else smallest, 'smallest', at_least=2)
  if len(fake) < smallest + sizes - 1:
    raise ValueError(f'fake: {len(fake)} rows are too few for subsets of {sizes} sizes from {smallest}')
  _warn_of_few(real.count, len(real.mean))
  _warn_of_few(smallest, fake.shape[1])
  rng = np.random.default_rng(checks.seed(seed))
  real_factor = _checked_factor(real.covariance, len(real.mean), 'real')
  numbers = np.linspace(smallest, len(fake), sizes).astype(int)
  distances = [
    _distance(real_mean, real_factor, *_mean_and_factor(rng.permutation(fake)[:number], 'fake')) for number in numbers
  ]
  return float(np.polynomial.Polynomial.fit(1 / numbers, distances, 1)(0.0))


def intra_class_frechet_distance(
  real: np.ndarray, real_labels: np.ndarray, fake: np.ndarray, fake_labels: np.ndarray
) -> tuple[float, dict[int, float]]:
  """`frechet_distance` within every class, and the mean over the classes (Miyato and Koyama 2018, section 4.1).

  Args:
    real: [N, D] features.
    real_labels: [N] whole numbers; two samples or more of every class.
    fake: [M, D] features of samples that were asked for by label.
    fake_labels: [M], of the same classes.

  Returns:
    The unweighted mean and the distance by class.

  Raises:
    ValueError: shapes that do not fit, values that are not finite, or a class that one of the sets lacks.

  Warns:
    FewSamplesWarning: once, for the smallest class.
  """
  real, fake = checks.pair(real, fake, ('real', 'fake'), at_least=2)
  real_labels = checks.labels(real_labels, len(real), 'real_labels')
  fake_labels = checks.labels(fake_labels, len(fake), 'fake_labels')
  classes = np.union1d(real_labels, fake_labels)
  given = {'real': real_labels, 'fake': fake_labels}
  counts = {(name, label): np.count_nonzero(given[name] == label) for name in given for label in classes}
  for (name, label), rows in counts.items():
    if rows < 2:
      raise ValueError(f'{name}: class {label} has {rows} samples, at least 2 are needed')
  _warn_of_few(min(counts.values()), real.shape[1])
  by_class = {
    int(label): _distance(
      *_mean_and_factor(real[real_labels == label], 'real'), *_mean_and_factor(fake[fake_labels == label], 'fake')
    )
    for label in classes
  }
  return float(np.mean(list(by_class.values()))), by_class


def _distance(mean1: np.ndarray, factor1: np.ndarray, mean2: np.ndarray, factor2: np.ndarray) -> float:
  """From means [D] and factors [D, R] of the covariances F F^T."""
  traces = np.vdot(factor1, factor1) + np.vdot(factor2, factor2)
  root = np.linalg.svd(factor1.T @ factor2, compute_uv=False).sum() if factor1.size and factor2.size else 0.0
  return float(np.sum((mean1 - mean2) ** 2) + traces - 2 * root)


def _mean_and_factor(features: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
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


def _checked_mean(mean: np.ndarray, name: str) -> np.ndarray:
  mean = checks.finite(mean, name).astype(np.float64)
  if mean.ndim != 1 or not mean.size:
    raise ValueError(f'{name} must be a mean [D], not {list(mean.shape)}')
  return mean


def _checked_factor(covariance: np.ndarray, dimensions: int, name: str) -> np.ndarray:
  """`_factor` of what a caller calls a covariance."""
  covariance = checks.finite(covariance, name)
  eps, covariance = np.finfo(covariance.dtype).eps, covariance.astype(np.float64)
  if covariance.shape != (dimensions, dimensions):
    raise ValueError(f'{name} must be a covariance [{dimensions}, {dimensions}], not {list(covariance.shape)}')
  if np.abs(covariance - covariance.T).max() > 1e-5 * np.abs(covariance).max():
    raise ValueError(f'{name} is not symmetric')
  return _factor((covariance + covariance.T) / 2, name, float(eps))


def _warn_of_few(count: int, dimensions: int) -> None:
  if count < ENOUGH or count <= dimensions:
    warnings.warn(
      f'{count} samples of {dimensions} dimensions: a Frechet distance of fewer than {max(ENOUGH, dimensions + 1)} '
      'is dominated by their number',
      checks.FewSamplesWarning,
      stacklevel=3,
    )
