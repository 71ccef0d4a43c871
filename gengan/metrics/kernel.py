"""Kernel distance (KID): the maximum mean discrepancy of features under a cubic kernel."""

import functools
from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import numpy as np

from gengan.metrics import checks, neighbours
from gengan.metrics.family import Family, Images, Inputs, Meaning, Scores, name_on

TILE = 1024  # rows and columns of the kernel matrix that are held at a time
LARGE = 2**36  # pairs times dimensions, from which on the rounding of products in float32 averages out...
LARGE_SUBSETS = 2**30  # ...likewise of random subsets, which vary by far more than that
MANY = 256  # ...where so many dimensions share the variance (by their participation ratio)
LOOKED_AT = 1024  # rows, for that ratio
SUBSETS, SUBSET_SIZE = 100, 1000  # of the published protocol

_Powers = tuple[np.ndarray, np.ndarray, np.ndarray]  # see `_sums_of_powers`


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
    subset_size: rows of x and of y in each, at most all; by default 1,000, or all where there are fewer.
    seed: of the subsets.

  Returns:
    In units of the kernel, which has none; negative values happen, the expectation is 0 for equal distributions.
    Often printed times 1,000. All is in float64, but for the products of float32 features in random subsets and in sets
    as large as 6,000 rows of 2,048 dimensions: centred, in float32, they leave an error of about 1e-10 (relative to
    features of variance 1), six digits of any distance that is not next to 0.

  Examples:
    >>> round(kernel_distance([[0.0], [2.0]], [[1.0], [1.0]]), 6)  # 1 + 8 - 2 (1 + 27) / 2
    -19.0
  """
  if subsets is None and subset_size is None:
    x, y = checks.pair(x, y, ('x', 'y'), at_least=2)
    pair = _pair(x, y, rows=min(len(x), len(y)), large=LARGE)
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
  rng = np.random.default_rng(checks.seed(seed))
  pair = _pair(x, y, rows=size, large=LARGE_SUBSETS if size < fewest else LARGE)
  some = lambda side: _moved(side, pair, rng.choice(len(side.rows), size, replace=False, shuffle=False))
  values = [_discrepancy(some(pair.x), some(pair.y)) for _ in range(subsets)]
  return float(np.mean(values)), float(np.std(values))


class _Side(NamedTuple):
  """One of two sets, with x' = x - centre.

  The root of the kernel is M + u with M = 1 + |centre|^2 / D and u = q + d_i + e_j, where q = x'_i.y'_j / D and
  d = x'.centre / D. What is linear in q needs no pairs; what is quadratic and cubic is small and wants all pairs.
  """

  rows: np.ndarray  # [N, D] x until `_moved`, then x' / scale in the precision of the products
  along: np.ndarray  # [N] d
  squares: np.ndarray  # [N] |x'|^2 / D
  gamma: float  # scale^2 / D, so that q is gamma times the product of two moved rows
  bulk: float  # M


class _Pair(NamedTuple):
  """Two sets in one frame, and the precision of their products."""

  x: _Side
  y: _Side
  frame: neighbours.Frame
  dtype: type


def _pair(x: np.ndarray, y: np.ndarray, *, rows: int, large: int) -> _Pair:
  """Both sets, prepared for products of so many rows each, in float32 from `large` values on."""
  dimensions = x.shape[1]
  averages_out = rows**2 * dimensions >= large and min(map(_participation, (x, y))) >= MANY
  dtype = np.result_type(x, y) if averages_out else np.float64
  frame = neighbours.frame(x, y)
  centre = frame.centre.astype(np.float64)
  bulk = 1 + centre @ centre / dimensions

  def side(rows):
    along, squares = np.empty(len(rows)), np.empty(len(rows))
    for part in _tiles(rows, neighbours.CACHED):
      shifted = frame.scale * neighbours.move(rows[part], frame, dtype).astype(np.float64)
      along[part] = shifted @ centre / dimensions
      squares[part] = np.einsum('nd,nd->n', shifted, shifted) / dimensions
    return _Side(rows, along, squares, frame.scale**2 / dimensions, bulk)

  return _Pair(side(x), side(y), frame, dtype)


def _moved(side: _Side, pair: _Pair, chosen: np.ndarray | slice = slice(None)) -> _Side:
  """Some rows of a side, moved into the frame."""
  rows = side.rows[chosen]
  rows = rows.astype(pair.dtype, copy=isinstance(chosen, slice))  # an index array has made a copy
  neighbours.move(rows, pair.frame, pair.dtype, out=rows)
  return side._replace(rows=rows, along=side.along[chosen], squares=side.squares[chosen])


def _participation(x: np.ndarray) -> float:
  """(sum of variances)^2 / sum of their squares: D where all dimensions vary alike, 1 where one varies alone."""
  variances = x[:LOOKED_AT].var(axis=0, dtype=np.float64)
  return variances.sum() ** 2 / max(np.square(variances).sum(), np.finfo(np.float64).tiny)


def _discrepancy(x: _Side, y: _Side) -> float:
  across = sum(
    _quadratic_and_cubic(_powers(x.rows[i], y.rows[j]), x, i, y, j) for i in _tiles(x.rows) for j in _tiles(y.rows)
  )
  n, m = len(x.rows), len(y.rows)
  pairs = _within(x) / (n * (n - 1)) + _within(y) / (m * (m - 1)) - 2 * across / (n * m)
  return float(pairs + _linear(x, y))


def _within(x: _Side) -> float:
  """What is quadratic and cubic in q, over i != j: what is below the diagonal is what is above it, transposed."""
  total, tiles = 0.0, list(_tiles(x.rows))
  for number, i in enumerate(tiles):
    middle = i.start + (i.stop - i.start) // 2
    first, second = slice(i.start, middle), slice(middle, i.stop)
    *own, across = _powers_within(x.rows[i])
    for half, powers in zip((first, second), own, strict=True):
      total += _quadratic_and_cubic(powers, x, half, x, half)
    total += 2 * _quadratic_and_cubic(across, x, first, x, second)
    for j in tiles[number + 1 :]:
      total += 2 * _quadratic_and_cubic(_powers(x.rows[i], x.rows[j]), x, i, x, j)
  return total


def _linear(x: _Side, y: _Side) -> float:
  """What is left of the discrepancy: that of 3 (M + d + e)^2 q + (M + d + e)^3.

  With L[f] = mean_{i != j} f(x_i, x_j) + mean_{i != j} f(y_i, y_j) - 2 mean_{i, j} f(x_i, y_j), L[M^3] and L[d + e] are
  0 and never computed: where M is large, they would drown the rest.
  """
  n, m, bulk = len(x.rows), len(y.rows), x.bulk
  s, t = (_sums(side) for side in (x, y))
  a, b = ([(side.along**p).sum() for p in range(4)] for side in (x, y))

  def over_pairs(within, across):
    return within(x, s, a) / (n * (n - 1)) + within(y, t, b) / (m * (m - 1)) - 2 * across / (n * m)

  q = over_pairs(lambda side, s, a: side.gamma * (s[0] @ s[0]) - side.squares.sum(), x.gamma * (s[0] @ t[0]))
  q_sum = over_pairs(
    lambda side, s, a: 2 * (side.gamma * (s[0] @ s[1]) - side.squares @ side.along),
    x.gamma * (s[1] @ t[0] + s[0] @ t[1]),
  )
  q_sum_squared = over_pairs(
    lambda side, s, a: 2 * side.gamma * (s[0] @ s[2] + s[1] @ s[1]) - 4 * (side.squares @ side.along**2),
    x.gamma * (s[2] @ t[0] + 2 * (s[1] @ t[1]) + s[0] @ t[2]),
  )
  sum_squared = 2 * over_pairs(lambda side, s, a: a[1] ** 2 - a[2], a[1] * b[1])
  sum_cubed = over_pairs(lambda side, s, a: 6 * (a[2] * a[1] - a[3]), 3 * (a[2] * b[1] + a[1] * b[2]))
  return 3 * (bulk**2 * q + 2 * bulk * q_sum + q_sum_squared + bulk * sum_squared) + sum_cubed


def _sums(side: _Side) -> np.ndarray:
  """[3, D] sums over the rows of d^p times the moved row for p = 0, 1, 2."""
  weights = np.stack([np.ones_like(side.along), side.along, side.along**2]).astype(side.rows.dtype)
  return _weighted_sums(weights, side.rows).astype(np.float64)


def _quadratic_and_cubic(powers: _Powers, x: _Side, i: slice, y: _Side, j: slice) -> float:
  """Sum over the pairs of two tiles of 3 q^2 (M + d + e) + q^3, for q = gamma times the products of their rows."""
  cubes, by_row, by_column = (sums.astype(np.float64) for sums in powers)
  weighted = (x.along[i] + x.bulk / 2) @ by_row + (y.along[j] + y.bulk / 2) @ by_column
  return x.gamma**3 * cubes.sum() + 3 * x.gamma**2 * weighted


def _by_xla(function: Callable) -> Callable:
  """Has XLA do it where all operands are float32: on a CPU, its products are half as quick again as NumPy's."""
  compiled = jax.jit(function)

  @functools.wraps(function)
  def wrapper(*operands: np.ndarray):
    if any(operand.dtype != np.float32 for operand in operands):
      return function(*operands)
    with jax.default_matmul_precision('highest'):  # an accelerator would round to fewer bits
      return jax.tree.map(np.asarray, compiled(*operands))

  return wrapper


@_by_xla
def _powers(x, y):
  """`_sums_of_powers` of the products of two sets of rows."""
  return _sums_of_powers(x @ y.T)


@_by_xla
def _powers_within(x):
  """The same for the two halves of a set, each with itself but no row with itself, and for the one with the other."""
  first, second = x[: len(x) // 2], x[len(x) // 2 :]
  own = [_sums_of_powers((half @ half.T) * (1 - np.eye(len(half), dtype=x.dtype))) for half in (first, second)]
  return *own, _sums_of_powers(first @ second.T)


def _sums_of_powers(products):
  """[N, M] -> sums of q^3 by row [N], of q^2 by row [N] and by column [M]."""
  squares = products * products
  return (squares * products).sum(axis=1), squares.sum(axis=1), squares.sum(axis=0)


@_by_xla
def _weighted_sums(weights, rows):
  return weights @ rows


def _tiles(x: np.ndarray, size: int = TILE) -> Iterator[slice]:
  for start in range(0, len(x), size):
    yield slice(start, min(start + size, len(x)))


def scores(inputs: Inputs) -> Scores:
  """`kid` or `kd_<network>`: mean over 100 subsets of 1,000; all rows at once where there are fewer."""
  x, y = inputs.real.rows, inputs.generated.rows
  enough = min(len(x), len(y)) >= SUBSET_SIZE
  subsets = {'subsets': SUBSETS, 'subset_size': SUBSET_SIZE} if enough else {}
  return Scores({name_on(inputs.network, 'kid', 'kd'): kernel_distance(x, y, **subsets, seed=inputs.seed)})


FAMILY = Family(
  scores,
  {
    'kid': Meaning('lower', 'kernel distance on the Inception network of FID'),
    'clean_kid': Meaning('lower', 'the same with the resizer of clean-fid'),
    'kd_': Meaning('lower', 'kernel distance: squared maximum mean discrepancy, cubic kernel; 0 is equal'),
  },
  images=Images(
    enough=SUBSET_SIZE, few='a kernel distance of fewer has no bias, but its noise hides small differences'
  ),
  reference=True,
)
