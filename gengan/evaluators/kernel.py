"""Kernel distance (KID): the maximum mean discrepancy of features under a cubic kernel."""

import numpy as np

from gengan.evaluators import checks

TILE = 2048  # rows and columns of the kernel matrix that are held at a time
SUBSETS, SUBSET_SIZE = 100, 1000  # of the published protocol


def kernel_distance(
  x: np.ndarray, y: np.ndarray, *, subsets: int | None = None, subset_size: int | None = None, seed: int = 0
) -> float:
  """Unbiased estimate of MMD^2 with k(x, y) = (x.y / D + 1)^3 (Binkowski et al. 2018).

  mean_{i != j} k(x_i, x_j) + mean_{i != j} k(y_i, y_j) - 2 mean_{i, j} k(x_i, y_j), eq. 3 of Gretton et al. 2012.

  Args:
    x: [N, D] features, N >= 2.
    y: [M, D] features; N and M may differ.
    subsets: None: over all rows, the estimate of least variance, in tiles. Otherwise the mean over so many random
      subsets, as publications have it (100 subsets of 1,000).
    subset_size: rows of x and of y in each; by default 1,000, or all where there are fewer.
    seed: of the subsets.

  Returns:
    In units of the kernel, which has none; negative values happen, the expectation is 0 for equal distributions.
    Often printed times 1,000.

  Raises:
    ValueError: shapes that do not fit, values that are not finite, or subsets larger than the sets.
  """
  if subsets is None and subset_size is None:
    x, y = checks.pair(x, y, ('x', 'y'), at_least=2)
    return _discrepancy(x, y)
  return kernel_distance_of_subsets(
    x, y, subsets=SUBSETS if subsets is None else subsets, subset_size=subset_size, seed=seed
  )[0]


def kernel_distance_of_subsets(
  x: np.ndarray, y: np.ndarray, *, subsets: int = SUBSETS, subset_size: int | None = None, seed: int = 0
) -> tuple[float, float]:
  """Mean and standard deviation of `kernel_distance` over random subsets, drawn without replacement."""
  x, y = checks.pair(x, y, ('x', 'y'), at_least=2)
  checks.count(subsets, 'subsets')
  fewest = min(len(x), len(y))
  size = checks.count(min(SUBSET_SIZE, fewest) if subset_size is None else subset_size, 'subset_size', at_least=2)
  if size > fewest:
    raise ValueError(f'subset_size is {size}, but there are {fewest} samples')
  rng = np.random.default_rng(seed)
  values = [
    _discrepancy(
      x[rng.choice(len(x), size, replace=False, shuffle=False)],
      y[rng.choice(len(y), size, replace=False, shuffle=False)],
    )
    for _ in range(subsets)
  ]
  return float(np.mean(values)), float(np.std(values))


def _discrepancy(x: np.ndarray, y: np.ndarray) -> float:
  across = sum(_kernel(a, b).sum() for a in _tiles(x) for b in _tiles(y)) / (len(x) * len(y))
  return float(_mean_of_pairs(x) + _mean_of_pairs(y) - 2 * across)


def _mean_of_pairs(x: np.ndarray) -> float:
  """Mean of k(x_i, x_j) over i != j: the tiles below the diagonal are those above it, transposed."""
  total = 0.0
  for start in range(0, len(x), TILE):
    rows = x[start : start + TILE].astype(np.float64)
    own = _kernel(rows, rows)
    total += own.sum() - np.trace(own)
    total += 2 * sum(_kernel(rows, columns).sum() for columns in _tiles(x[start + TILE :]))
  return total / (len(x) * (len(x) - 1))


def _tiles(x: np.ndarray):
  for start in range(0, len(x), TILE):
    yield x[start : start + TILE].astype(np.float64)


def _kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
  values = x @ y.T  # half the work where x is y
  values /= x.shape[1]
  values += 1
  square = values * values
  square *= values
  return square
