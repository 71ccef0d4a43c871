"""A generator that copies its training set wins on Frechet distance, and is caught here."""

import math

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from gengan import metrics
from gengan.metrics import copying

RNG = np.random.default_rng(0)


def distances(x, y):
  return np.sqrt(np.square(x[:, None] - y[None]).sum(axis=-1))


def mixture(rows, rng=RNG):
  """A dense and a wide mode."""
  wide = np.arange(rows)[:, None] % 3 == 0
  return np.where(wide, 8 + 2 * rng.normal(size=(rows, 6)), 0.2 * rng.normal(size=(rows, 6)))


def authenticity_by_loops(train, generated):
  authentic = 0
  for g in generated:
    nearest = min(range(len(train)), key=lambda i: np.linalg.norm(train[i] - g))
    spacing = min(np.linalg.norm(train[nearest] - train[j]) for j in range(len(train)) if j != nearest)
    authentic += spacing < np.linalg.norm(train[nearest] - g)
  return authentic / len(generated)


def test_authenticity_reads_the_spacing_of_the_nearest_training_sample():
  """Where the sets are equally large, the index of a generated sample fits as well, but gives another number."""
  rng = np.random.default_rng(1)
  train, generated = mixture(225, rng), rng.permutation(mixture(225, rng))
  result = copying.authenticity(train, generated)
  assert type(result) is float
  assert result == pytest.approx(authenticity_by_loops(train, generated))
  across = distances(train, generated)
  within = distances(train, train) + np.diag(np.full(225, np.inf))
  wrong_index = np.mean(within.min(axis=1)[across.argmin(axis=1)] < across.min(axis=1))
  assert abs(wrong_index - result) > 0.03


def test_authenticity_by_hand():
  train = np.array([[0.0], [1.0], [10.0]])  # spacings 1, 1 and 9
  assert copying.authenticity(train, np.array([[-2.0], [0.4], [3.0], [18.9], [19.1], [2.0]])) == 3 / 6
  assert copying.authenticity(train, train) == 0
  assert copying.authenticity(np.repeat(train, 2, axis=0), train) == 0  # 0 < 0 is false
  assert copying.authenticity(np.repeat(train, 2, axis=0), train + 0.1) == 1


def test_z_is_the_mann_whitney_statistic():
  train, test, generated = RNG.normal(size=(90, 4)), RNG.normal(size=(40, 4)), 0.9 * RNG.normal(size=(70, 4))
  to_test, to_generated = distances(test, train).min(axis=1), distances(generated, train).min(axis=1)
  u = mannwhitneyu(to_generated, to_test, alternative='less').statistic
  assert u == np.sum(to_generated[:, None] > to_test)
  expected = (u - (40 * 70 / 2 - 0.5)) / math.sqrt(40 * 70 * (40 + 70 + 1) / 12)
  result = copying.data_copying(train, test, generated, cells=1)
  assert type(result['z']) is float
  assert result['z'] == pytest.approx(expected, rel=1e-12)
  assert result['c_t'] == pytest.approx(expected, rel=1e-12)
  assert result['cells'] == [result['z']]


def test_ties_count_half():
  train = np.array([[0.0, 0.0], [9.0, 9.0]])
  test = generated = np.array([[0.0, 1.0], [1.0, 0.0]])
  z = copying.data_copying(train, test, generated, cells=1)['z']
  assert z == pytest.approx(0.5 / math.sqrt(2 * 2 * 5 / 12))  # only the continuity correction is left


def test_z_has_mean_zero_and_variance_one_for_fresh_samples():
  values = []
  for _ in range(200):
    train, test, generated = np.split(RNG.normal(size=(200, 3)), [100, 150])
    values.append(copying.data_copying(train, test, generated, cells=1)['z'])
  assert np.mean(values) == pytest.approx(0, abs=0.35)
  assert np.std(values) == pytest.approx(1, abs=0.35)  # somewhat more than 1: distances share the training set


def test_copies_in_one_cell_are_seen_there():
  """Two modes: the generator copies in one and is too far off in the other, which hides it from the global Z."""
  centres = np.array([[0.0] * 5, [30.0] * 5])
  modes = lambda rows: centres[np.arange(rows) % 2] + RNG.normal(size=(rows, 5))
  train, test, fresh = modes(400), modes(400), modes(400)
  generated = np.where(np.arange(400)[:, None] % 2 == 0, train + 0.01 * RNG.normal(size=(400, 5)), fresh)
  generated[1::2] += RNG.normal(size=(200, 5))
  result = copying.data_copying(train, test, generated, cells=2)
  copied, far = sorted(result['cells'])
  assert copied < -10
  assert far > 5
  assert result['c_t'] == pytest.approx((copied + far) / 2)
  # A cell without generated samples does not count.
  result = copying.data_copying(train, test, generated[::2], cells=2)
  assert sum(math.isnan(z) for z in result['cells']) == 1
  assert result['c_t'] == pytest.approx(copied)


def test_where_no_cell_has_enough_generated_samples_only_the_whole_is_judged():
  train, test, generated = RNG.normal(size=(3, 60, 4))
  enough = copying.data_copying(train, test, generated, cells=1, least=60)
  assert enough['c_t'] == enough['z']
  few = copying.data_copying(train, test, generated, cells=1, least=61)
  assert few['z'] == enough['z'] and 'c_t' not in few
  assert len(few['cells']) == 1 and math.isnan(few['cells'][0])
  few = copying.data_copying(train, test, generated[:3])
  assert math.isfinite(few['z']) and 'c_t' not in few
  # Nor does a cell count where no test sample lies.
  apart = copying.data_copying(np.concatenate([train, train + 99]), test, generated + 99, cells=2)
  assert 'c_t' not in apart


def test_distance_to_closest_record():
  train, holdout, generated = RNG.normal(size=(300, 4)), RNG.normal(size=(100, 4)), RNG.normal(size=(250, 4))
  result = copying.distance_to_closest_record(train, holdout, generated)
  to_train, to_holdout = distances(generated, train[::3]).min(axis=1), distances(generated, holdout).min(axis=1)
  assert result == pytest.approx(
    {
      'share_closer_to_train': np.mean(to_train < to_holdout),
      'median_to_train': np.median(to_train),
      'median_to_holdout': np.median(to_holdout),
      'median_holdout_to_train': np.median(distances(holdout, train[::3]).min(axis=1)),
    }
  )
  assert all(type(value) is float for value in result.values())
  assert result['share_closer_to_train'] == pytest.approx(0.5, abs=0.12)
  assert copying.distance_to_closest_record(train, train, generated)['share_closer_to_train'] == 0.5


@pytest.mark.filterwarnings('ignore::gengan.metrics.checks.FewSamplesWarning')
def test_a_generator_that_copies_wins_on_frechet_distance_and_is_caught():
  train, test, honest = mixture(900).reshape(3, 300, 6)
  copies = RNG.permutation(train) + 1e-3 * RNG.normal(size=(300, 6))
  frechet = lambda samples: metrics.frechet_distance_of_features(train, samples)
  assert frechet(copies) < frechet(honest) / 2

  assert metrics.authenticity(train, copies) < 0.05 < 0.4 < metrics.authenticity(train, honest)
  caught, cleared = (metrics.data_copying(train, test, samples) for samples in (copies, honest))
  assert caught['z'] < -15
  assert caught['c_t'] < -5
  assert abs(cleared['z']) < 3
  caught, cleared = (metrics.distance_to_closest_record(train, test, samples) for samples in (copies, honest))
  assert caught['share_closer_to_train'] > 0.99
  assert caught['median_to_train'] < 0.1 * caught['median_holdout_to_train']
  assert cleared['share_closer_to_train'] == pytest.approx(0.5, abs=0.1)
  found, lengths = metrics.nearest_neighbours(copies[:3], train)
  assert (lengths < 0.01).all()
  assert found.shape == (3, 1)


def test_refuses():
  x = RNG.normal(size=(30, 3))
  with pytest.raises(ValueError, match='train: 1 rows are too few'):
    copying.authenticity(x[:1], x)
  with pytest.raises(ValueError, match='generated: 0 rows are too few'):
    copying.authenticity(x, x[:0])
  with pytest.raises(ValueError, match='train has 3 dimensions and generated 2'):
    copying.data_copying(x, x, x[:, :2])
  with pytest.raises(ValueError, match='test: 0 rows'):
    copying.data_copying(x, x[:0], x)
  with pytest.raises(ValueError, match='generated holds values that are NaN'):
    copying.distance_to_closest_record(x, x, x * np.nan)
  with pytest.raises(ValueError, match='cells is 3, but'):
    copying.data_copying(np.repeat(x[:2], 9, axis=0), x, x)
  with pytest.raises(ValueError, match='least is inf'):
    copying.data_copying(x, x, x, least=math.inf)
  with pytest.raises(ValueError, match='cells is 0'):
    copying.data_copying(x, x, x, cells=0)


def test_cells_are_the_same_in_every_unit_and_mixture_of_types():
  islands = 20 * np.arange(3)  # far apart, so that rounding moves no row from one cell to another
  sets = [RNG.normal(size=(rows, 7)) + islands[np.arange(rows) % 3, None] for rows in (300, 120, 150)]
  sets = [each.astype(np.float32) for each in sets]

  def scores(*sets):
    found = copying.data_copying(*sets)
    return [found['z'], found['c_t'], *sorted(found['cells'])]

  expected = scores(*sets)
  for power in (80, -130):
    scale = np.float64(2.0**power)
    assert scores(*(scale * each for each in sets)) == pytest.approx(expected, rel=1e-9)
    assert scores(*((scale * each).astype(np.float32) for each in sets)) == pytest.approx(expected, rel=1e-9)
  train, test, generated = sets
  assert scores(train, test.astype(np.float64), generated) == pytest.approx(expected, rel=1e-9)
