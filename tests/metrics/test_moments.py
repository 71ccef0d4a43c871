"""Mean and covariance, batch by batch."""

import numpy as np
import pytest

from gengan import metrics

RNG = np.random.default_rng(0)


def features(rows, dimensions=6, shift=0.0):
  return RNG.normal(size=(rows, dimensions)) @ RNG.normal(size=(dimensions, dimensions)) + shift


@pytest.mark.parametrize('offset', [0.0, 1e4])
def test_moments_are_the_same_however_the_samples_are_cut(offset):
  x = features(2500, shift=offset)
  cuts = np.split(x, [0, 1, 2, 700, 701, 2400])
  merged = metrics.merge(metrics.moments_of_batches(cuts[:4]), metrics.moments_of_batches(iter(cuts[4:])))
  for result in (merged, metrics.moments_of_batches(cuts), metrics.moments(x)):
    assert result.count == 2500
    np.testing.assert_allclose(result.mean, x.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(result.covariance, np.cov(x, rowvar=False), rtol=1e-9)


def test_refuses_what_are_no_features():
  x = features(5)
  with pytest.raises(ValueError, match=r'features \[N, D\], one row a sample, not \[5, 6, 1\]'):
    metrics.moments(x[..., None])
  with pytest.raises(ValueError, match='no features'):
    metrics.moments_of_batches([x[:0]])
  with pytest.raises(ValueError, match='different dimensions'):
    metrics.moments_of_batches([x, x[:, 1:]])
  with pytest.raises(ValueError, match='cannot be merged'):
    metrics.merge(metrics.moments(x), metrics.moments(x[:, 1:]))
  with pytest.raises(ValueError, match='1 samples are too few for a covariance'):
    _ = metrics.moments(x[:1]).covariance
