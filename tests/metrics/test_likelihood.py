"""Likelihood metrics: on a model whose likelihood is known, and by hand."""

import math

import numpy as np
import pytest

from gengan.metrics import likelihood

RNG = np.random.default_rng(0)


def log_normal(x, mean, variance):
  return -0.5 * ((x - mean) ** 2 / variance + np.log(2 * np.pi * variance))


def log_weights(samples, x, scale):
  """p(z) = N(0, 1), p(x | z) = N(z, 1), so p(x) = N(0, 2); q(z | x) is its posterior N(x / 2, 1 / 2), stretched."""
  z = x / 2 + np.sqrt(scale / 2) * RNG.normal(size=(samples, len(x)))
  return log_normal(x, z, 1) + log_normal(z, 0, 1) - log_normal(z, x / 2, scale / 2)


def test_the_bound_is_tight_for_the_true_posterior_and_rises_with_samples_otherwise():
  x = RNG.normal(size=200) * np.sqrt(2)
  truth = log_normal(x, 0, 2).mean()
  assert np.mean(likelihood.importance_weighted_bounds(log_weights(1, x, 1.0))) == pytest.approx(truth, rel=1e-9)
  bounds = [np.mean(likelihood.importance_weighted_bounds(log_weights(samples, x, 3.0))) for samples in (1, 5, 5000)]
  assert bounds[0] < bounds[1] < bounds[2]
  assert bounds[2] == pytest.approx(truth, abs=0.01)


def test_the_bound_is_a_log_of_means_that_does_not_overflow():
  weights = RNG.normal(size=(7, 5))
  bounds = likelihood.importance_weighted_bounds(weights)
  assert bounds.dtype == np.float64
  np.testing.assert_allclose(bounds, np.log(np.exp(weights).mean(axis=0)))
  shifted = likelihood.importance_weighted_bounds(weights.astype(np.float32) - 1e4)
  np.testing.assert_allclose(shifted, likelihood.importance_weighted_bounds(weights) - 1e4, rtol=1e-6)
  weights[2, 1] = -np.inf  # a sample that the model rules out
  assert np.isfinite(likelihood.importance_weighted_bounds(weights)).all()
  for bad in (np.nan, np.inf):
    weights[3, 3] = bad
    with pytest.raises(ValueError, match='NaN or infinite'):
      likelihood.importance_weighted_bounds(weights)
  with pytest.raises(ValueError, match='NaN or infinite'):
    likelihood.importance_weighted_bounds(np.full((2, 2), -np.inf))
  with pytest.raises(ValueError, match=r'\[K, N\]'):
    likelihood.importance_weighted_bounds(weights[0])


def test_bits_per_dimension():
  assert likelihood.bits_per_dimension(-8 * 48 * math.log(2), (4, 4, 3)) == pytest.approx(8)  # uniform over bytes
  with pytest.raises(ValueError, match='nan'):
    likelihood.bits_per_dimension(math.nan, (4, 4, 3))
  with pytest.raises(ValueError, match='of no image'):
    likelihood.bits_per_dimension(-1.0, ())


def test_active_units():
  means = RNG.normal(size=(4000, 5)) * [1, 0.2, 0.09, 0, 1e-3] + [0, 3, 9, 5, -1]
  assert likelihood.active_units(means) == 2
  assert likelihood.active_units(means, threshold=0.005) == 3
  with pytest.raises(ValueError, match='1 rows are too few'):
    likelihood.active_units(means[:1])


def test_reconstruction_error():
  images = np.full((2, 3, 3, 1), -1.0)
  assert likelihood.reconstruction_error(images, -images) == 4.0
  assert likelihood.reconstruction_error(images, images) == 0.0
  with pytest.raises(ValueError, match='same shape'):
    likelihood.reconstruction_error(images, images[:1])
  with pytest.raises(ValueError, match='reconstructions holds values that are NaN'):
    likelihood.reconstruction_error(images, images * np.nan)


def test_what_is_no_number_is_refused():
  for bad in (np.array([[1 + 5j, 2]]), np.array([['1', '2']])):
    with pytest.raises(ValueError, match='log_weights must hold real numbers'):
      likelihood.importance_weighted_bounds(bad)
  for shape in ((math.inf,), (2.5,), (0, 3)):
    with pytest.raises(ValueError, match='shape'):
      likelihood.bits_per_dimension(-3.0, shape)
  with pytest.raises(ValueError, match='threshold is nan'):
    likelihood.active_units(RNG.normal(size=(5, 2)), threshold=math.nan)
