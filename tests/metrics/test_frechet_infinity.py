"""Fréchet distance of endless samples."""

import numpy as np
import pytest

from gengan import metrics

RNG = np.random.default_rng(0)

pytestmark = pytest.mark.filterwarnings('ignore::gengan.metrics.checks.FewSamplesWarning')


def test_infinitely_many_samples():
  """The bias in 1/N is what is taken away: few samples of the same distribution then come out at nearly zero."""
  rng = np.random.default_rng(3)
  real = metrics.moments(rng.normal(size=(40_000, 60)))
  fake = rng.normal(size=(4000, 60))
  finite = metrics.frechet_distance_of_moments(real, metrics.moments(fake))
  infinite = metrics.frechet_distance_infinity(real, fake)
  assert type(infinite) is float
  assert abs(infinite) < 0.3 * finite
  assert infinite == metrics.frechet_distance_infinity(real, fake, seed=0)
  shifted = metrics.frechet_distance_infinity(real, fake + 1, sizes=5, smallest=1000)
  assert shifted == pytest.approx(60, rel=0.02)


def test_refuses_too_few_samples_and_other_features():
  x = RNG.normal(size=(5, 6))
  with pytest.raises(ValueError, match='rows are too few for subsets of 15 sizes'):
    metrics.frechet_distance_infinity(metrics.moments(x), x)
  with pytest.raises(ValueError, match='real has 6 dimensions and fake 5'):
    metrics.frechet_distance_infinity(metrics.moments(x), x[:, 1:])


def test_the_real_side_of_the_extrapolation_is_checked_too():
  x = RNG.normal(size=(300, 5))
  moments = metrics.moments(x)
  for real, message in (
    (x, 'real must be Moments, not ndarray'),
    (moments._replace(mean=np.full(5, np.nan)), 'NaN'),
    (moments._replace(mean=moments.mean[:, None]), 'the mean of real'),
  ):
    with pytest.raises(ValueError, match=message):
      metrics.frechet_distance_infinity(real, x)
