"""Precision, recall, density and coverage: against the definitions over full matrices, and what they must notice."""

import numpy as np
import pytest

from gengan.metrics import manifold

RNG = np.random.default_rng(0)


def by_definition(real, fake, k, closed=False):
  distance = lambda x, y: np.sqrt(np.square(x[:, None] - y[None]).sum(axis=-1))
  real_radii, fake_radii = (np.sort(distance(each, each), axis=1)[:, k] for each in (real, fake))  # 0 is itself
  across = distance(real, fake)
  compare = np.less_equal if closed else np.less
  in_real, in_fake = compare(across, real_radii[:, None]), compare(across, fake_radii)
  return {
    'precision': in_real.any(axis=0).mean(),
    'recall': in_fake.any(axis=1).mean(),
    'density': in_real.sum(axis=0).mean() / k,
    'coverage': in_real.any(axis=1).mean(),
  }


@pytest.mark.parametrize('k', [1, 3, 5, 20])
@pytest.mark.parametrize('dimensions', [1, 2, 30])
def test_equal_their_definitions(k, dimensions):
  real, fake = RNG.normal(size=(80, dimensions)), RNG.normal(size=(60, dimensions)) * 0.8 + 0.2
  result = manifold.precision_recall_density_coverage(real, fake, k=k)
  assert all(type(value) is float for value in result.values())
  assert result == pytest.approx(by_definition(real, fake, k), rel=1e-12)
  expected = by_definition(real, fake, k, closed=True)
  assert manifold.precision_recall(real, fake, k=k) == pytest.approx(
    {'precision': expected['precision'], 'recall': expected['recall']}, rel=1e-12
  )


def by_loops(real, fake, k, closed):
  """One pair of samples at a time, from squared distances of whole numbers, which are exact."""
  square = lambda a, b: sum((int(p) - int(q)) ** 2 for p, q in zip(a, b, strict=True))
  inside = lambda distance, radius: distance <= radius if closed else distance < radius

  def radii(points):
    others = lambda i: sorted(square(points[i], points[j]) for j in range(len(points)) if j != i)
    return [others(i)[k - 1] for i in range(len(points))]

  real_radii, fake_radii = radii(real), radii(fake)
  precision = recall = density = coverage = 0
  for f in fake:
    balls = sum(inside(square(r, f), radius) for r, radius in zip(real, real_radii, strict=True))
    precision += balls > 0
    density += balls
  for r, radius in zip(real, real_radii, strict=True):
    recall += any(inside(square(r, f), fake_radius) for f, fake_radius in zip(fake, fake_radii, strict=True))
    coverage += any(inside(square(r, f), radius) for f in fake)
  return {
    'precision': precision / len(fake),
    'recall': recall / len(real),
    'density': density / len(fake) / k,
    'coverage': coverage / len(real),
  }


def draw(rows, *, dimensions=3, below=3, seed=0):
  return np.random.default_rng(seed).integers(0, below, size=(rows, dimensions))


DISTINCT = np.unique(draw(200, below=9, seed=1), axis=0)
WHOLE_NUMBERS = {
  'ties': (draw(40), draw(30, seed=1)),
  'ties on a line': (draw(40, dimensions=1, below=12), draw(30, dimensions=1, below=12, seed=1)),
  'duplicates': (np.repeat(DISTINCT[:9], 4, axis=0), np.repeat(DISTINCT[5:12], 5, axis=0)),
  'duplicates of a few': (np.concatenate([DISTINCT[:20], DISTINCT[:5]]), np.repeat(DISTINCT[18:25], 2, axis=0)),
  'the same set': (DISTINCT[:40], DISTINCT[:40][::-1]),
  'one point': (np.ones((6, 3)), np.ones((7, 3))),
  'one point each': (np.ones((6, 3)), np.zeros((7, 3))),
  'apart': (draw(20), draw(30, seed=1) + 50),
  'few real': (DISTINCT[:5], draw(120, below=9, seed=2)),
  'few generated': (draw(120, below=9, seed=2), DISTINCT[:5]),
  'fewest': (DISTINCT[:5], DISTINCT[3:8]),
}


@pytest.mark.parametrize('name', WHOLE_NUMBERS)
@pytest.mark.parametrize('k', [1, 3, 4])
@pytest.mark.parametrize(
  ('dtype', 'scale', 'shift'),
  [
    pytest.param(np.float64, 1, 0, id='plain'),
    pytest.param(np.float32, 1, 2**20, id='far away'),
    pytest.param(np.float32, 2.0**90, 0, id='huge'),
    pytest.param(np.float32, 2.0**-149, 0, id='denormal float32'),
    pytest.param(np.float64, 2.0**-1000, 0, id='squares underflow'),
  ],
)
def test_ties_duplicates_and_tiny_sets_equal_a_loop(name, k, dtype, scale, shift):
  real, fake = WHOLE_NUMBERS[name]
  features = [((each + shift) * scale).astype(dtype) for each in (real, fake)]
  assert manifold.precision_recall_density_coverage(*features, k=k) == by_loops(real, fake, k, closed=False)
  expected = by_loops(real, fake, k, closed=True)
  assert manifold.precision_recall(*features, k=k) == {name: expected[name] for name in ('precision', 'recall')}


@pytest.mark.parametrize('rows', [2, 3])
def test_sets_of_two_and_three(rows):
  real, fake = draw(rows, below=9), draw(2, below=9, seed=3)
  assert manifold.precision_recall_density_coverage(real, fake, k=1) == by_loops(real, fake, 1, closed=False)


@pytest.mark.parametrize('dtype', [np.float32, np.float64])
def test_the_smallest_numbers_are_judged_like_others(dtype):
  """Denormal features give what the same features give when they are multiplied until they are not."""
  tiny, factor = (1e-41, 2.0**130) if dtype == np.float32 else (1e-310, 2.0**1020)
  real, fake = ((tiny * (RNG.normal(size=(80, 6)) + shift)).astype(dtype) for shift in (0, 0.3))
  magnified = [each.astype(np.float64) * factor for each in (real, fake)]
  for k in (3, 5):
    expected = by_definition(*magnified, k)
    assert 0.5 < expected['density'] < 2
    assert manifold.precision_recall_density_coverage(real, fake, k=k) == pytest.approx(expected, rel=1e-12)


def test_the_surface_of_a_ball_counts_where_it_is_closed():
  real, fake = np.array([[0.0], [1.0], [3.0]]), np.array([[-1.0], [5.0], [9.0]])
  # k = 1: balls [-1, 1], [0, 2], [1, 5] around real samples, [-7, 5], [1, 9], [5, 13] around generated ones.
  assert manifold.precision_recall(real, fake, k=1) == {'precision': pytest.approx(2 / 3), 'recall': 1.0}
  result = manifold.precision_recall_density_coverage(real, fake, k=1)
  assert result == {'precision': 0.0, 'recall': 1.0, 'density': 0.0, 'coverage': 0.0}


@pytest.mark.parametrize('dtype', [np.float32, np.float64])
def test_a_perfect_copy(dtype):
  """Each open ball holds its centre and k - 1 others, so the density of a copy is exactly 1."""
  real = (RNG.normal(size=(200, 64)) + 50).astype(dtype)
  result = manifold.precision_recall_density_coverage(real, RNG.permutation(real))
  assert result == {'precision': 1.0, 'recall': 1.0, 'density': 1.0, 'coverage': 1.0}


def test_duplicates_shrink_balls_to_nothing():
  real = np.repeat(RNG.normal(size=(10, 8)), 6, axis=0)
  open_balls = manifold.precision_recall_density_coverage(real, real, k=5)
  assert open_balls == {'precision': 0.0, 'recall': 0.0, 'density': 0.0, 'coverage': 0.0}
  assert manifold.precision_recall(real, real, k=5) == {'precision': 1.0, 'recall': 1.0}
  assert manifold.precision_recall_density_coverage(real, real, k=6)['coverage'] == 1.0


def test_fresh_samples_a_lost_mode_and_an_outlier():
  modes = 10 * np.eye(16)[RNG.integers(0, 8, 1200)] + RNG.normal(size=(1200, 16))
  real, fake = modes[:600], modes[600:]
  honest = manifold.precision_recall_density_coverage(real, fake)
  assert honest['density'] == pytest.approx(1, abs=0.15)
  assert honest['coverage'] == pytest.approx(1 - 1 / 2**5, abs=0.03)  # the expectation of equally many samples
  kept = fake[fake[:, :4].max(axis=1) > 5]
  lost = manifold.precision_recall_density_coverage(real, kept)
  assert lost['coverage'] < 0.65 * honest['coverage']
  assert lost['recall'] < 0.65 * honest['recall']
  assert lost['precision'] > 0.9 * honest['precision']
  # One real outlier gives precision a huge ball, density only one of many (Naeem et al. 2020, figure 3).
  noise = 30 + RNG.normal(size=(300, 16))
  with_outlier = manifold.precision_recall_density_coverage(np.concatenate([real, [[30] * 16]]), noise)
  assert with_outlier['precision'] == 1.0
  assert with_outlier['density'] < 0.25


def test_the_published_example_of_prdc():
  """1,000 normal samples each of 1,000 dimensions: about 0.5, 0.5, 1 and 0.97 at k = 5, whatever the seed."""
  real, fake = np.random.default_rng(1).normal(size=(2, 1000, 1000)).astype(np.float32)
  result = manifold.precision_recall_density_coverage(real, fake)
  assert result['precision'] == pytest.approx(result['recall'], abs=0.1)
  assert result['density'] == pytest.approx(1, abs=0.1)
  assert result['coverage'] == pytest.approx(1 - 1 / 2**5, abs=0.03)


def test_equals_the_package():
  prdc = pytest.importorskip('prdc')
  real, fake = RNG.normal(size=(400, 50)), RNG.normal(size=(300, 50))
  expected = prdc.compute_prdc(real, fake, 5)
  assert manifold.precision_recall_density_coverage(real, fake) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize('metric', [manifold.precision_recall, manifold.precision_recall_density_coverage])
def test_refuses(metric):
  x = RNG.normal(size=(6, 3))
  with pytest.raises(ValueError, match='fake: 5 rows are too few, at least 6 are needed'):
    metric(x, x[:5], k=5)
  with pytest.raises(ValueError, match='real has 3 dimensions and fake 2'):
    metric(x, x[:, :2], k=1)
  with pytest.raises(ValueError, match='real holds values that are NaN'):
    metric(np.where(x > 1, np.nan, x) * [1, 1, np.nan], x, k=1)
  with pytest.raises(ValueError, match='k is 0'):
    metric(x, x, k=0)
