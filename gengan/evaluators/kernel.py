"""Kernel distance (KID): the maximum mean discrepancy of features under a cubic kernel."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from gengan.evaluators import checks, neighbours

TILE = 2048  # rows and columns of the kernel matrix that are held at a time
LARGE = 2**30  # pairs times dimensions, from which on the rounding of products in float32 averages out...
MANY = 256  # ...where so many dimensions share the variance (by their participation ratio)
LOOKED_AT = 1024  # rows, for that ratio
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
    Often printed times 1,000. Large sets of float32 features are multiplied in float32, centred, where
    that keeps six digits (tested down to 256 dimensions that share the variance); all else is in float64.

  Raises:
    ValueError: shapes that do not fit, values that are not finite, or subsets larger than the sets.
  """
  if subsets is None and subset_size is None:
    pair = _pair(*checks.pair(x, y, ('x', 'y'), at_least=2))
    return _discrepancy(_moved(pair.x, pair), _moved(pair.y, pair))
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
  pair = _pair(x, y, rows=size)
  some = lambda side: _moved(side, pair, rng.choice(len(side.rows), size, replace=False, shuffle=False))
  values = [_discrepancy(some(pair.x), some(pair.y)) for _ in range(subsets)]
  return float(np.mean(values)), float(np.std(values))


class _Side(NamedTuple):
  """One of two sets, with x' = x - centre and a = x'.centre / D + (1 + |centre|^2 / D) / 2.

  The root of the kernel is then q + a_i + b_j with q = x'_i.y'_j / D. Of its cube, what is quadratic and cubic in q is
  small and wants all pairs; what is linear in q needs no pairs.

  Attributes:
    rows: [N, D] x until `_moved`, then x' / scale in the precision of the products.
    offset: [N] a.
    middle: about the mean of a.
    squares: [N] |x'|^2 / D.
    gamma: scale^2 / D, so that q is gamma times the product of two moved rows.
  """

  rows: np.ndarray
  offset: np.ndarray
  middle: float
  squares: np.ndarray
  gamma: float


class _Pair(NamedTuple):
  """Two sets in one frame, and the precision of their products."""

  x: _Side
  y: _Side
  frame: neighbours.Frame
  dtype: type


def _pair(x: np.ndarray, y: np.ndarray, *, rows: int | None = None) -> _Pair:
  """Both sets, prepared for products of so many rows each (None: all)."""
  rows, dimensions = rows or min(len(x), len(y)), x.shape[1]
  averages_out = rows**2 * dimensions >= LARGE and min(map(_participation, (x, y))) >= MANY
  dtype = np.result_type(x, y) if averages_out else np.float64
  frame = neighbours.frame(x, y)
  centre = frame.centre.astype(np.float64)
  constant = (1 + centre @ centre / dimensions) / 2

  def side(rows):
    offset, squares = np.empty(len(rows)), np.empty(len(rows))
    for part in _tiles(rows, neighbours.CACHED):
      shifted = frame.scale * neighbours.move(rows[part], frame, dtype).astype(np.float64)
      offset[part] = shifted @ centre / dimensions + constant
      squares[part] = np.einsum('nd,nd->n', shifted, shifted) / dimensions
    return _Side(rows, offset, offset.mean(), squares, frame.scale**2 / dimensions)

  return _Pair(side(x), side(y), frame, dtype)


def _moved(side: _Side, pair: _Pair, chosen: np.ndarray | slice = slice(None)) -> _Side:
  """Some rows of a side, moved into the frame."""
  rows = side.rows[chosen]
  rows = rows.astype(pair.dtype, copy=isinstance(chosen, slice))  # an index array has made a copy
  neighbours.move(rows, pair.frame, pair.dtype, out=rows)
  return side._replace(rows=rows, offset=side.offset[chosen], squares=side.squares[chosen])


def _participation(x: np.ndarray) -> float:
  """(sum of variances)^2 / sum of their squares: D where all dimensions vary alike, 1 where one varies alone."""
  variances = x[:LOOKED_AT].var(axis=0, dtype=np.float64)
  return variances.sum() ** 2 / max(np.square(variances).sum(), np.finfo(np.float64).tiny)


def _discrepancy(x: _Side, y: _Side) -> float:
  x_sums, y_sums = _sums(x), _sums(y)
  across = _linear(x, y, x_sums, y_sums)
  for i in _tiles(x.rows):
    for j in _tiles(y.rows):
      across += _quadratic_and_cubic(x.rows[i] @ y.rows[j].T, x.offset[i], y.offset[j], x.gamma)
  return float(_mean_of_pairs(x, x_sums) + _mean_of_pairs(y, y_sums) - 2 * across / (len(x.rows) * len(y.rows)))


def _mean_of_pairs(x: _Side, sums: np.ndarray) -> float:
  """Mean of k(x_i, x_j) over i != j: the tiles below the diagonal are those above it, transposed."""
  total = _linear(x, x, sums, sums) - 12 * x.squares @ x.offset**2 - 8 * (x.offset**3).sum()
  tiles = list(_tiles(x.rows))
  for number, i in enumerate(tiles):
    products = x.rows[i] @ x.rows[i].T  # of an array with itself: half the work
    np.fill_diagonal(products, 0)
    total += _quadratic_and_cubic(products, x.offset[i], x.offset[i], x.gamma)
    for j in tiles[number + 1 :]:
      total += 2 * _quadratic_and_cubic(x.rows[i] @ x.rows[j].T, x.offset[i], x.offset[j], x.gamma)
  return total / (len(x.rows) * (len(x.rows) - 1))


def _sums(side: _Side) -> np.ndarray:
  """[3, D] sums over the rows of d^p times the moved row for p = 0, 1, 2, where d is what a exceeds the middle by."""
  exceeds = side.offset - side.middle
  weights = np.stack([np.ones_like(exceeds), exceeds, exceeds**2]).astype(side.rows.dtype)
  return (weights @ side.rows).astype(np.float64)


def _linear(x: _Side, y: _Side, x_sums: np.ndarray, y_sums: np.ndarray) -> float:
  """Sum over all pairs of 3 q (a + b)^2 + (a + b)^3, with a + b = m + d + e around the sum of both middles."""
  m = x.middle + y.middle
  (s0, s1, s2), (t0, t1, t2) = x_sums, y_sums
  products = m**2 * (s0 @ t0) + 2 * m * (s1 @ t0 + s0 @ t1) + s2 @ t0 + 2 * s1 @ t1 + s0 @ t2
  a, b = ([(side.offset**p).sum() for p in range(4)] for side in (x, y))
  return 3 * x.gamma * products + a[3] * b[0] + 3 * a[2] * b[1] + 3 * a[1] * b[2] + a[0] * b[3]


def _quadratic_and_cubic(products: np.ndarray, a: np.ndarray, b: np.ndarray, gamma: float) -> float:
  """Sum over all pairs of 3 q^2 (a + b) + q^3, for q = gamma times the products."""
  squares = np.square(products)
  ones = lambda size: np.ones(size, squares.dtype)
  cubes = np.einsum('ij,ij->i', squares, products).sum(dtype=np.float64)
  weighted = a @ (squares @ ones(len(b))).astype(np.float64) + b @ (ones(len(a)) @ squares).astype(np.float64)
  return gamma**3 * cubes + 3 * gamma**2 * weighted


def _tiles(x: np.ndarray, size: int = TILE) -> Iterator[slice]:
  for start in range(0, len(x), size):
    yield slice(start, min(start + size, len(x)))
