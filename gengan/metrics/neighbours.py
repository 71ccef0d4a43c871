"""Exact nearest neighbours and balls, in blocks: found by a matrix product, decided by the distances themselves.

|x|^2 + |y|^2 - 2 x.y is fast, but its rounding errors make copies distant and break ties either way, and whether a
sample is a copy is what these metrics ask. So the product, in float32, only rules out pairs by a margin above its error
bound; the few pairs within it are decided by sum (x - y)^2 in float64, which is the same number for the same two rows.
"""

import hashlib
import math
from collections.abc import Callable
from typing import NamedTuple, TypeVar

import numpy as np

from gengan.metrics import checks

BLOCK = 2**24  # pairs at a time: 64 MiB in float32
CACHED = 128  # rows at a time of what is done row by row
COLUMNS = 4096  # of a row that are added up at a time
GATHERED = 2**20  # values of the pairs whose distances are computed at a time: they fit the cache
LEAST = float(np.finfo(np.float64).smallest_normal)  # scale, whose inverse is finite
VAGUE = 1 / 32  # share of the pairs in a block, above which deciding them costs more than a product in float64

Result = TypeVar('Result')


class Hits(NamedTuple):
  """How often samples lie in balls around others, see `balls`."""

  x_balls_at_y: np.ndarray  # [M] how many balls around rows of x each row of y lies in
  y_in_x_balls: np.ndarray  # [N] how many rows of y lie in the ball around each row of x
  y_balls_at_x: np.ndarray  # [N] how many balls around rows of y each row of x lies in


def nearest_neighbours(queries: np.ndarray, references: np.ndarray, k: int = 1) -> tuple[np.ndarray, np.ndarray]:
  """The k references nearest to every query, in Euclidean distance.

  Args:
    queries: [N, D].
    references: [M, D], M >= k.
    k: how many.

  Returns:
    Indices into the references, int64 [N, k], and distances, float64 [N, k], nearest first; of equally near ones, the
    lower index. Distances are exact to rounding: that of a copy is 0.
  """
  queries, references = checks.pair(queries, references, ('queries', 'references'))
  k = checks.count(k, 'k', at_most=len(references))
  return _search(queries, references, k, skip_self=False)


def nearest_others(x: np.ndarray, k: int = 1) -> tuple[np.ndarray, np.ndarray]:
  """`nearest_neighbours` of every row among the other rows of the same array: [N, k], for k < N.

  A duplicate of a row is another row, at distance 0.
  """
  x = checks.features(x, 'x')
  k = checks.count(k, 'k')
  if k >= len(x):
    raise ValueError(f'k is {k}, but every one of {len(x)} samples has {len(x) - 1} others')
  return _search(x, x, k, skip_self=True)


def balls(x: np.ndarray, y: np.ndarray, x_radii: np.ndarray, y_radii: np.ndarray, *, closed: bool = False) -> Hits:
  """Which samples of one set lie in the balls around samples of the other.

  Args:
    x: [N, D].
    y: [M, D].
    x_radii: [N] radii of balls around the rows of x, as distances that this module found: ties are then exact.
    y_radii: [M].
    closed: whether a ball holds its surface: distance <= radius instead of distance < radius.
  """
  x, y = checks.pair(x, y, ('x', 'y'))
  compare = np.less_equal if closed else np.less
  hits = Hits(np.zeros(len(y), np.int64), np.zeros(len(x), np.int64), np.zeros(len(x), np.int64))
  exact = _exact_distances(x, y)

  def within(block: _Block, radii: np.ndarray):
    limits = np.square(radii / block.scale)
    surely = block.squares < (limits - block.slack).astype(block.squares.dtype)
    vague = surely ^ (block.squares <= (limits + block.slack).astype(block.squares.dtype))
    if block.thrifty and np.count_nonzero(vague) > VAGUE * vague.size:
      return None
    i, j = np.nonzero(vague)
    surely[i, j] = compare(exact(i + block.rows.start, j, block.scale), np.broadcast_to(radii, vague.shape)[i, j])
    return surely

  def work(block: _Block):
    in_x_balls = within(block, x_radii[block.rows, None])
    in_y_balls = None if in_x_balls is None else within(block, y_radii[None])
    if in_y_balls is None:
      return None
    hits.x_balls_at_y[:] += np.count_nonzero(in_x_balls, axis=0)
    hits.y_in_x_balls[block.rows] = np.count_nonzero(in_x_balls, axis=1)
    hits.y_balls_at_x[block.rows] = np.count_nonzero(in_y_balls, axis=1)
    return hits

  _over_blocks(x, y, work)
  return hits


def _search(x: np.ndarray, y: np.ndarray, k: int, *, skip_self: bool) -> tuple[np.ndarray, np.ndarray]:
  exact = _exact_distances(x, y)

  def work(block: _Block):
    rows, squares = block.rows, block.squares
    if skip_self:
      squares[np.arange(len(squares)), np.arange(rows.start, rows.stop)] = np.inf
    # The k-th smallest; the smallest alone is found several times faster.
    kth = squares.min(axis=1, keepdims=True) if k == 1 else np.partition(squares, k - 1, axis=1)[:, k - 1 : k]
    candidates = squares <= kth + 2 * block.slack
    if block.thrifty and np.count_nonzero(candidates) > max(VAGUE * candidates.size, 2 * k * len(candidates)):
      return None
    i, j = np.nonzero(candidates)
    distances = exact(i + rows.start, j, block.scale)
    order = np.lexsort((distances, i))  # stable, and j ascends within a row
    first = np.searchsorted(i, np.arange(len(squares)))
    chosen = order[first[:, None] + np.arange(k)]
    return j[chosen], distances[chosen]

  indices, distances = zip(*_over_blocks(x, y, work), strict=True)
  return np.concatenate(indices), np.concatenate(distances)


class Frame(NamedTuple):
  """Where two sets of features lie, and in which units no row is longer than 1, see `frame`."""

  centre: np.ndarray  # [D], about the mean of the second set
  scale: float  # a power of two, so that dividing by it rounds nothing


class _Block(NamedTuple):
  """Some rows of x against all of y, in lengths divided by `scale`."""

  rows: slice
  squares: np.ndarray  # [rows, M] squared distances, to within
  slack: np.ndarray  # [rows, 1]
  scale: float
  thrifty: bool  # work may return None instead of a result where this leaves too much undecided


def frame(x: np.ndarray, y: np.ndarray) -> Frame:
  """The frame for two sets of features, [N, D] and [M, D], in which their products lose little to rounding."""
  # In the coarser type of the two, so that the same centre is taken from both.
  centre = y.mean(axis=0, dtype=np.float64).astype(min(x.dtype, y.dtype))
  extremes = [np.abs(f(each, axis=0) - centre).max() for each in ((x,) if x is y else (x, y)) for f in (np.min, np.max)]
  spread = float(max(extremes)) * math.sqrt(x.shape[1])
  return Frame(centre, max(2.0 ** math.ceil(math.log2(spread)), LEAST) if spread else 1.0)


def move(rows: np.ndarray, frame: Frame, dtype: type, *, out: np.ndarray | None = None) -> np.ndarray:
  """(rows - centre) / scale, [N, D] in that dtype; `out` may be the rows themselves."""
  out = np.empty(rows.shape, dtype) if out is None else out
  exact = np.result_type(rows, dtype)
  overflows = 1 / frame.scale > float(np.finfo(exact).max)  # then it is multiplied, more slowly, in float64
  for start in range(0, len(rows), CACHED):
    part = slice(start, start + CACHED)
    moved = np.subtract(rows[part], frame.centre, dtype=exact)
    np.multiply(moved, 1 / frame.scale, out=out[part], dtype=np.float64 if overflows else exact, casting='same_kind')
  return out


def _over_blocks(x: np.ndarray, y: np.ndarray, work: Callable[[_Block], Result | None]) -> list[Result]:
  """Results of work on every block, in float32; from the first one on that this leaves too vague, in float64."""
  block, results = _blocks(x, y, np.float32), []
  step = max(1, BLOCK // len(y))
  for start in range(0, len(x), step):
    rows = slice(start, min(start + step, len(x)))
    result = work(block(rows))
    if result is None:
      block = _blocks(x, y, np.float64)
      result = work(block(rows))
    results.append(result)
  return results


def _blocks(x: np.ndarray, y: np.ndarray, dtype: type) -> Callable[[slice], _Block]:
  """From rows of x to their block, whose squares come out of a product in one frame with little error."""
  common = frame(x, y)
  y = move(y, common, dtype)
  y_squares = np.einsum('nd,nd->n', y, y)

  def block(rows: slice) -> _Block:
    part = move(x[rows], common, dtype)
    part_squares = np.einsum('nd,nd->n', part, part)
    part *= -2
    squares = part @ y.T
    squares += part_squares[:, None]
    squares += y_squares
    # |fl(x.y) - x.y| <= D eps / 2 |x||y| and |x||y| <= (|x|^2 + |y|^2) / 2, twice; some eps more are for rounding the
    # rows and the sums. Where values are that small, every product may lose the smallest normal number besides.
    limits = np.finfo(dtype)
    slack = limits.eps * (x.shape[1] / 2 + 16) * (part_squares + y_squares.max())
    slack += limits.smallest_normal * 4 * (x.shape[1] + 16)
    return _Block(rows, squares, slack[:, None].astype(dtype), common.scale, dtype == np.float32)

  return block


def _exact_distances(x: np.ndarray, y: np.ndarray) -> Callable[[np.ndarray, np.ndarray, float], np.ndarray]:
  """The function `(i, j, scale) -> |x_i - y_j|`, [P] each, which is the same for every scale that is a power of two.

  Copies are known by their bytes: a collapsed set has many.
  """
  first = {}
  x_originals = _originals(x, first)
  y_originals = x_originals if x is y else _originals(y, first)

  def distances(i: np.ndarray, j: np.ndarray, scale: float) -> np.ndarray:
    found = np.zeros(len(i))
    others = np.flatnonzero(x_originals[i] != y_originals[j])
    step = max(1, GATHERED // x.shape[1])
    for start in range(0, len(others), step):
      some = others[start : start + step]
      difference = x[i[some]].astype(np.float64)
      difference -= y[j[some]]
      difference *= 1 / scale  # so that no square underflows
      # In parts, because NumPy adds up a longer row in another order alone than among others.
      parts = (difference[:, start : start + COLUMNS] for start in range(0, x.shape[1], COLUMNS))
      found[some] = scale * np.sqrt(sum(np.einsum('nd,nd->n', part, part) for part in parts))
    return found

  return distances


def _originals(x: np.ndarray, first: dict[bytes, int]) -> np.ndarray:
  """[N] a number for each row, the same for equal rows; `first` remembers those given out.

  It knows rows by digests of 128 bits, of which two in a billion rows are the same with a probability of 1e-21.
  """
  digests = (hashlib.blake2b(row.tobytes(), digest_size=16).digest() for row in x)
  return np.array([first.setdefault(digest, len(first)) for digest in digests], np.int64)
