"""Nearest neighbours are exact: against loops, with copies, with ties, far from the origin and in either precision."""

import tracemalloc

import numpy as np
import pytest

from gengan.metrics import neighbours

RNG = np.random.default_rng(0)


def all_distances(x, y):
  differences = x[:, None].astype(np.float64) - y[None].astype(np.float64)
  largest = np.abs(differences).max() or 1.0  # whose square may underflow
  return largest * np.sqrt(np.square(differences / largest).sum(axis=-1))


def cases():
  grid = RNG.integers(0, 3, size=(60, 3)).astype(np.float64)  # full of copies and of ties
  normal = RNG.normal(size=(60, 40))
  return {
    'normal': (normal, RNG.normal(size=(45, 40))),
    'float32': (normal.astype(np.float32), RNG.normal(size=(45, 40)).astype(np.float32)),
    'mixed': (normal.astype(np.float32), RNG.normal(size=(45, 40))),
    'line': (RNG.normal(size=(60, 1)), RNG.normal(size=(45, 1))),
    'grid': (grid, grid[:45]),
    'mixed, far away': ((normal + 1e6).astype(np.float32), RNG.normal(size=(45, 40)) + 1e6),
    'far away, mixed': (normal + 1e6, (RNG.normal(size=(45, 40)) + 1e6).astype(np.float32)),
    'far away': (normal + 1e6, normal[:45] + 1e6 + 1e-3),
    'tiny': (1e-25 * normal, 1e-25 * normal[::-1][:45]),
    'denormal float32': ((1e-41 * normal).astype(np.float32), (1e-41 * RNG.normal(size=(45, 40))).astype(np.float32)),
    'least float32': (grid.astype(np.float32) * np.float32(1e-45), grid[:45].astype(np.float32) * np.float32(1e-45)),
    'squares underflow': (1e-200 * normal, 1e-200 * RNG.normal(size=(45, 40))),
    'denormal': (1e-310 * normal, 1e-310 * RNG.normal(size=(45, 40))),
    'huge': (1e25 * normal, 1e25 * normal[::-1][:45]),
    'copies': (normal, normal[5:50]),
    'constant': (np.full((60, 4), 0.1), np.full((45, 4), 0.1)),
    'outlier': (np.concatenate([normal[:59], 1e9 * normal[59:]]), normal[:45] * (1 + 1e-9)),
  }


CASES = cases()


@pytest.fixture(params=[7, 100, 2**24], ids=lambda block: f'block{block}')
def block(request, monkeypatch):
  monkeypatch.setattr(neighbours, 'BLOCK', request.param)
  monkeypatch.setattr(neighbours, 'GATHERED', request.param)


@pytest.mark.parametrize('name', CASES)
@pytest.mark.parametrize('k', [1, 4, 45])
def test_nearest_neighbours_equal_a_full_sort(block, name, k):
  x, y = CASES[name]
  distances = all_distances(x, y)
  found, lengths = neighbours.nearest_neighbours(x, y, k)
  assert found.shape == lengths.shape == (60, k)
  assert found.dtype == np.int64
  assert lengths.dtype == np.float64
  np.testing.assert_allclose(lengths, np.sort(distances, axis=1)[:, :k], rtol=1e-12)
  np.testing.assert_allclose(np.take_along_axis(distances, found, axis=1), lengths, rtol=1e-12)
  assert all(len(set(row)) == k for row in found)
  if name in ('grid', 'constant', 'least float32'):  # whose distances have no rounding errors to tell them apart
    np.testing.assert_array_equal(found, np.argsort(distances, axis=1, kind='stable')[:, :k])


@pytest.mark.parametrize('name', CASES)
def test_nearest_others_leave_out_the_row_itself_and_not_its_copies(block, name):
  x, _ = CASES[name]
  distances = all_distances(x, x)
  np.fill_diagonal(distances, np.inf)
  found, lengths = neighbours.nearest_others(x, 5)
  assert not (found == np.arange(60)[:, None]).any()
  np.testing.assert_allclose(lengths, np.sort(distances, axis=1)[:, :5], rtol=1e-12)


def test_copies_are_at_distance_zero_and_ties_are_bitwise_equal():
  x = RNG.normal(size=(50, 300)) * 100
  found, lengths = neighbours.nearest_neighbours(x[::-1], x)
  assert (lengths == 0).all()
  np.testing.assert_array_equal(found[:, 0], np.arange(50)[::-1])
  # d(a, b) is the same number from either side, from whatever block, and from a copy of the set in another precision.
  whole = neighbours.nearest_neighbours(x, x, 50)
  matrix = np.empty((50, 50))
  np.put_along_axis(matrix, whole[0], whole[1], axis=1)
  assert (matrix == matrix.T).all()
  single = x.astype(np.float32)
  one, two = neighbours.nearest_others(single, 3), neighbours.nearest_others(single.astype(np.float64), 3)
  assert (one[1] == two[1]).all()


@pytest.mark.parametrize('name', CASES)
@pytest.mark.parametrize('dtype', [np.float32, np.float64])
def test_centring_loses_nothing_to_the_scale(name, dtype):
  x, y = CASES[name]
  frame = neighbours.frame(x, y)
  assert np.frexp(frame.scale)[0] == 0.5  # a power of two
  for original in (x, y):
    result = neighbours.move(original, frame, dtype)
    assert result.dtype == dtype
    in_place = original.astype(np.result_type(original, dtype))
    neighbours.move(in_place, frame, in_place.dtype, out=in_place)
    assert (in_place.astype(dtype) == result).all()
    assert np.square(result.astype(np.float64)).sum(axis=1).max() <= 1 + 1e-6
    expected = original.astype(np.float64) - frame.centre.astype(np.float64)
    error = np.abs(result.astype(np.float64) * frame.scale - expected)
    tolerance = np.finfo(dtype).eps * np.abs(expected) + frame.scale * np.finfo(dtype).smallest_subnormal
    assert (error <= tolerance).all()


def test_rows_are_remembered_by_less_than_their_bytes():
  x = RNG.normal(size=(300, 2048)).astype(np.float32)
  x[200:] = x[:100]
  first = {}
  tracemalloc.start()
  try:
    numbers = neighbours._originals(x, first)
    held, _ = tracemalloc.get_traced_memory()
  finally:
    tracemalloc.stop()
  assert held < x.nbytes / 10
  np.testing.assert_array_equal(numbers, [*range(200), *range(100)])
  np.testing.assert_array_equal(neighbours._originals(np.asfortranarray(x[::-1]), first), numbers[::-1])


@pytest.mark.parametrize('name', CASES)
@pytest.mark.parametrize('closed', [False, True])
def test_balls_equal_the_full_matrix(block, name, closed):
  x, y = CASES[name]
  # Radii that are distances between the two sets where these hold copies of each other: ties with the surface.
  x_radii, y_radii = (neighbours.nearest_others(each, 3)[1][:, -1] for each in (x, y))
  hits = neighbours.balls(x, y, x_radii, y_radii, closed=closed)
  everything = neighbours.nearest_neighbours(x, y, len(y))
  distances = np.empty((60, 45))
  np.put_along_axis(distances, *everything, axis=1)
  compare = np.less_equal if closed else np.less
  in_x, in_y = compare(distances, x_radii[:, None]), compare(distances, y_radii)
  np.testing.assert_array_equal(hits.x_balls_at_y, in_x.sum(axis=0))
  np.testing.assert_array_equal(hits.y_in_x_balls, in_x.sum(axis=1))
  np.testing.assert_array_equal(hits.y_balls_at_x, in_y.sum(axis=1))


def test_refuses():
  x = RNG.normal(size=(5, 3))
  with pytest.raises(ValueError, match='k is 6; it must be a whole number from 1 to 5'):
    neighbours.nearest_neighbours(x, x, 6)
  with pytest.raises(ValueError, match='k is 0'):
    neighbours.nearest_neighbours(x, x, 0)
  for search in (lambda k: neighbours.nearest_neighbours(x, x, k), lambda k: neighbours.nearest_others(x, k)):
    with pytest.raises(ValueError, match='k is None; it must be a whole number'):
      search(None)
    assert search(2.0)[0].shape == (5, 2)
  with pytest.raises(ValueError, match='k is 5, but every one of 5 samples has 4 others'):
    neighbours.nearest_others(x, 5)
  with pytest.raises(ValueError, match='queries has 3 dimensions and references 2'):
    neighbours.nearest_neighbours(x, x[:, :2])
  with pytest.raises(ValueError, match='references: 0 rows are too few'):
    neighbours.nearest_neighbours(x, x[:0])
  with pytest.raises(ValueError, match='x holds values beyond'):
    neighbours.nearest_others(x * 1e40)


def test_a_distance_is_the_same_number_alone_and_among_others():
  for dimensions in (8192, 10_000):
    v = RNG.normal(size=dimensions)
    alone = neighbours.nearest_neighbours(v[None], np.stack([-v, 0 * v]), 2)[1]
    among = neighbours.nearest_neighbours(np.stack([v, 0.5 * v, -3 * v]), np.stack([-v, 0 * v]), 2)[1]
    np.testing.assert_array_equal(among[0], alone[0])
