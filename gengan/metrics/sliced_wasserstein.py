"""Sliced Wasserstein distance: optimal transport along many directions, which needs no covariance."""

from collections.abc import Iterator

import numpy as np

from gengan.metrics import checks
from gengan.metrics.family import Family, Images, Inputs, Meaning, Scores

DIRECTIONS = 1000
TOGETHER = 64  # directions at a time
ENOUGH = 1000


def sliced_wasserstein_distance(x: np.ndarray, y: np.ndarray, *, directions: int = DIRECTIONS, seed: int = 0) -> float:
  """D times the mean over directions u of the sphere of W_2^2(u.x, u.y) (Bonneel et al. 2015, section 3.1).

  W_2^2 on a line is the integral of the squared difference of the quantile functions, here exact for any two numbers of
  samples. The factor D makes it a distance in the units of the Fréchet one: sets that differ by a shift m have |m|^2 in
  either. It is the distance that MIND (Berthet et al. 2026, arXiv 2605.06797) takes on Inception features, but not its
  published number, whose constants are its own.

  Args:
    x: [N, D] features.
    y: [M, D] features.
    directions: how many; they are the same for every pair of sets.
    seed: of the directions.

  Returns:
    At least 0, and above 0 for two sets of one distribution: the bias falls as 1/N + 1/M.

  Examples:
    >>> x = np.random.default_rng(0).normal(size=(100, 2))
    >>> round(sliced_wasserstein_distance(x, x + [3.0, 4.0]), 0)
    25.0
  """
  x, y = checks.pair(x, y, ('x', 'y'))
  directions = checks.count(directions, 'directions')
  places, weights = _steps(len(x), len(y))
  total = 0.0
  for some in _directions(x.shape[1], directions, seed):
    first, second = (np.sort(side.astype(np.float64) @ some.T, axis=0) for side in (x, y))
    total += (weights @ np.square(first[places[0]] - second[places[1]])).sum()
  return float(total * x.shape[1] / directions)


def _directions(dimensions: int, count: int, seed: int) -> Iterator[np.ndarray]:
  """Unit vectors [n, D], uniform on the sphere."""
  rng = np.random.default_rng(checks.seed(seed))
  for start in range(0, count, TOGETHER):
    vectors = rng.normal(size=(min(TOGETHER, count - start), dimensions))
    yield vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _steps(first: int, second: int) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
  """Where both quantile functions are constant: which sorted samples they have there, and the length of each step."""
  ends = np.union1d(np.arange(1, first + 1) * second, np.arange(1, second + 1) * first)  # in units of 1 / (N M)
  starts = np.concatenate([[0], ends[:-1]])
  return (starts // second, starts // first), np.diff(ends, prepend=0) / (first * second)


def scores(inputs: Inputs) -> Scores:
  """`swd_<network>`: all rows of either side, along the same directions for every set."""
  value = sliced_wasserstein_distance(inputs.real.rows, inputs.generated.rows)
  return Scores({f'swd_{inputs.network.name}': value}, setting=f'swd: {DIRECTIONS:,} directions')


FAMILY = Family(
  scores,
  {
    'swd_': Meaning('lower', 'sliced Wasserstein distance: optimal transport along lines, in squared units; 0 is equal')
  },
  images=Images(enough=ENOUGH, few='two sets of one distribution are apart by as much as their noise'),
  reference=True,
)
