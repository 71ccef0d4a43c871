"""What a decoder's output means: against sums over all images, and against samples."""

import jax
import numpy as np
import pytest
import scipy.stats

from gengan import likelihoods, losses

RNG = np.random.default_rng(0)
IMAGES = np.float32(RNG.integers(0, 256, (3, 2, 2, 1)) / 127.5 - 1)


def test_bernoulli_reads_minus_one_as_black():
  likelihood = likelihoods.bernoulli(1)
  logits = np.float32(RNG.normal(size=(1, 1, 2, 1)))
  images = np.float32([[a, b] for a in (-1, 1) for b in (-1, 1)]).reshape(4, 1, 2, 1)
  probs = np.exp(likelihood.log_prob(np.tile(logits, (4, 1, 1, 1)), images))
  np.testing.assert_allclose(probs.sum(), 1.0, rtol=1e-5)
  expected = np.tensordot(probs, images, 1)  # the mean image, summed over the four possible ones
  np.testing.assert_allclose(likelihood.mean(logits)[0], expected, atol=1e-5)


def test_gaussian_with_a_given_and_with_a_learned_sigma():
  mean = np.float32(RNG.normal(size=IMAGES.shape))
  given = likelihoods.gaussian(1, sigma=0.3)
  expected = scipy.stats.norm.logpdf(IMAGES, mean, 0.3).sum((1, 2, 3))
  np.testing.assert_allclose(given.log_prob(mean, IMAGES), expected, rtol=1e-5)

  learned = likelihoods.gaussian(1)
  log_sigma = np.full_like(mean, -0.5)
  parameters = np.concatenate([mean, log_sigma], axis=-1)
  sigma = np.exp(-6 + np.log1p(np.exp(5.5)))  # the soft bound is hardly felt
  expected = scipy.stats.norm.logpdf(IMAGES, mean, sigma).sum((1, 2, 3))
  np.testing.assert_allclose(learned.log_prob(parameters, IMAGES), expected, rtol=1e-5)
  np.testing.assert_array_equal(learned.mean(parameters), np.clip(mean, -1, 1))
  certain = np.concatenate([IMAGES, np.full_like(mean, -1e4)], axis=-1)
  np.testing.assert_allclose(learned.log_prob(certain, IMAGES), 4 * (6 - np.log(2 * np.pi) / 2), rtol=1e-5)


def test_discretized_logistic_takes_means_first_and_log_scales_second():
  likelihood = likelihoods.discretized_logistic(1)
  parameters = np.float32(RNG.normal(size=(3, 2, 2, 2)))
  expected = likelihoods.discretized_logistic_log_likelihood(parameters[..., :1], IMAGES, log_scale=parameters[..., 1:])
  np.testing.assert_allclose(likelihood.log_prob(parameters, IMAGES), expected, rtol=1e-6)
  np.testing.assert_array_equal(likelihood.mean(parameters), np.clip(parameters[..., :1], -1, 1))


@pytest.mark.parametrize('channels', [1, 3])
@pytest.mark.parametrize('name', likelihoods.LIKELIHOODS)
def test_every_likelihood_gives_images_and_one_finite_number_an_image(name, channels):
  likelihood = likelihoods.make(name, channels, mixtures=4)
  parameters = np.float32(5 * RNG.normal(size=(2, 3, 3, likelihood.parameters_per_pixel)))
  images = np.float32(RNG.integers(0, 2, (2, 3, 3, channels)) * 2 - 1)
  log_prob = jax.jit(likelihood.log_prob)(parameters, images)
  mean = jax.jit(likelihood.mean)(parameters)
  assert log_prob.shape == (2,) and np.isfinite(log_prob).all()
  assert mean.shape == images.shape and np.abs(mean).max() <= 1
  assert likelihood.discrete == (name != 'gaussian')
  if likelihood.discrete:
    assert (log_prob <= 0).all()


@pytest.mark.parametrize(
  ('name', 'options', 'message'),
  [
    ('poisson', {}, r"config\.model\.likelihood is 'poisson'.*bernoulli.*discretized_logistic_mixture"),
    ('gaussian', {'sigma': -0.1}, r'config\.model\.sigma is -0\.1'),
    ('discretized_logistic_mixture', {'mixtures': 0}, r'config\.model\.mixtures is 0'),
  ],
)
def test_unknown_settings_are_refused(name, options, message):
  with pytest.raises(ValueError, match=message):
    likelihoods.make(name, 1, **options)
