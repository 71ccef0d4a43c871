"""The sliced Wasserstein distance against optimal assignments and closed forms."""

import itertools

import numpy as np
import pytest

from gengan.metrics import sliced_wasserstein_distance

RNG = np.random.default_rng(0)


def by_assignment(x, y):
  """W_2^2 of as many points on a line, by trying every assignment."""
  return min(np.mean((x - y[list(order)]) ** 2) for order in itertools.permutations(range(len(y))))


def test_on_a_line_it_is_the_best_assignment():
  x, y = RNG.normal(size=(6, 1)), 2 * RNG.normal(size=(6, 1)) + 1
  expected = by_assignment(x[:, 0], y[:, 0])
  assert sliced_wasserstein_distance(x, y, directions=3) == pytest.approx(expected)


@pytest.mark.parametrize(('first', 'second'), [(2, 3), (4, 6), (1, 5)])
def test_sets_of_different_sizes_are_split_into_equal_parts(first, second):
  x, y = RNG.normal(size=(first, 1)), RNG.normal(size=(second, 1))
  parts = np.lcm(first, second)
  repeated = [np.sort(side.repeat(parts // len(side))) for side in (x[:, 0], y[:, 0])]
  expected = np.mean((repeated[0] - repeated[1]) ** 2)
  assert sliced_wasserstein_distance(x, y, directions=1) == pytest.approx(expected)


def test_along_every_direction_it_is_the_mean_over_them():
  x, y = RNG.normal(size=(7, 3)), RNG.normal(size=(5, 3))
  alone = sliced_wasserstein_distance(x, y, directions=200)
  assert sliced_wasserstein_distance(x, y, directions=200) == alone
  assert sliced_wasserstein_distance(y, x, directions=200) == pytest.approx(alone)
  assert sliced_wasserstein_distance(x, y, directions=200, seed=1) != alone
  assert sliced_wasserstein_distance(x, y[RNG.permutation(5)], directions=200) == pytest.approx(alone)


def test_a_shift_counts_as_in_the_frechet_distance_and_so_does_a_scale():
  x = RNG.normal(size=(4000, 4))
  assert sliced_wasserstein_distance(x, x) == 0
  shift = np.array([1.0, -2.0, 0.5, 0.0])
  assert sliced_wasserstein_distance(x, x + shift, directions=4000) == pytest.approx(shift @ shift, rel=0.05)
  assert sliced_wasserstein_distance(x, 3 * x) == pytest.approx(4 * 4, rel=0.1)  # D (3 - 1)^2


@pytest.mark.parametrize(
  ('x', 'y', 'settings', 'message'),
  [
    (np.zeros((3, 2)), np.zeros((3, 4)), {}, 'dimensions'),
    (np.zeros((3, 2)), np.full((3, 2), np.nan), {}, 'NaN or infinite'),
    (np.zeros((3, 2)), np.zeros((3, 2)), {'directions': 0}, 'directions is 0'),
    (np.zeros((3, 2)), np.zeros((3, 2)), {'seed': -1}, 'seed is -1'),
  ],
)
def test_what_it_refuses(x, y, settings, message):
  with pytest.raises(ValueError, match=message):
    sliced_wasserstein_distance(x, y, **settings)
