"""What a decoder's output means: against sums over all images, and against samples."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from gengan import likelihoods

RNG = np.random.default_rng(0)
LEVELS = np.float32(np.arange(256) / 127.5 - 1.0)  # every grey level in [-1, 1]
IMAGES = np.float32(RNG.integers(0, 256, (3, 2, 2, 1)) / 127.5 - 1)

gaussian_log_likelihood = jax.jit(likelihoods.gaussian_log_likelihood)
logistic_log_likelihood = jax.jit(likelihoods.discretized_logistic_log_likelihood)
mixture_mean = jax.jit(likelihoods.discretized_logistic_mixture_mean, static_argnums=1)
mixture_log_likelihood = jax.jit(likelihoods.discretized_logistic_mixture_log_likelihood)


def sigmoid(x):
  return 1.0 / (1.0 + np.exp(-x))


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
    ('poisson', {}, r"likelihood is 'poisson'.*bernoulli.*discretized_logistic_mixture"),
    ('gaussian', {'sigma': -0.1}, r'sigma is -0\.1'),
    ('discretized_logistic_mixture', {'mixtures': 0}, r'mixtures is 0'),
  ],
)
def test_unknown_settings_are_refused(name, options, message):
  with pytest.raises(ValueError, match=message):
    likelihoods.make(name, 1, **options)


def test_gaussian_kl_against_integration():
  mean, logvar = np.array([0.7, -1.5]), np.array([0.4, -1.2])
  z = np.linspace(-15, 15, 200_001)
  expected = 0.0
  for m, lv in zip(mean, logvar, strict=True):
    q = scipy.stats.norm(m, np.exp(lv / 2))
    expected += np.trapezoid(q.pdf(z) * (q.logpdf(z) - scipy.stats.norm.logpdf(z)), z)
  np.testing.assert_allclose(
    likelihoods.gaussian_kl(np.float32(mean[None]), np.float32(logvar[None])), [expected], rtol=1e-5
  )
  np.testing.assert_array_equal(likelihoods.gaussian_kl(jnp.zeros((3, 4)), jnp.zeros((3, 4))), np.zeros(3))


def test_bernoulli_and_gaussian_against_scipy():
  logits, x = RNG.normal(0, 3, (2, 3, 3, 1)), RNG.integers(0, 2, (2, 3, 3, 1))
  expected = scipy.stats.bernoulli.logpmf(x, sigmoid(logits)).sum((1, 2, 3))
  np.testing.assert_allclose(jax.jit(likelihoods.bernoulli_log_likelihood)(logits, x), expected, rtol=1e-5)

  mean, logvar, x = (np.float32(RNG.normal(size=(2, 3, 3, 2))) for _ in range(3))
  expected = scipy.stats.norm.logpdf(x, mean, np.exp(logvar / 2)).sum((1, 2, 3))
  np.testing.assert_allclose(gaussian_log_likelihood(mean, x, logvar=logvar), expected, rtol=1e-5)
  fixed = scipy.stats.norm.logpdf(x, mean, 0.5).sum((1, 2, 3))
  np.testing.assert_allclose(gaussian_log_likelihood(mean, x, logvar=2 * np.log(0.5)), fixed, rtol=1e-5)


def logistic_bin(level, mean, log_scale):
  """P(level) from scipy's logistic distribution: the mass between the edges of its bin."""
  centre, half = level / 127.5 - 1.0, 1 / 255
  low = centre - half if level > 0 else -np.inf
  high = centre + half if level < 255 else np.inf
  if centre > mean:  # far out on this side two values of the distribution function differ by less than their rounding
    low, high, mean = -high, -low, -mean
  return np.diff(scipy.stats.logistic.cdf([low, high], mean, np.exp(log_scale)))[0]


@pytest.mark.parametrize(('mean', 'log_scale'), [(0.2, -2.0), (-1.3, -1.0), (0.99, -4.0), (0.0, 1.0)])
def test_discretized_logistic_against_scipy_and_sums_to_one(mean, log_scale):
  images = LEVELS[:, None, None, None]
  log_probs = logistic_log_likelihood(np.full(images.shape, mean), images, log_scale=np.float32(log_scale))
  expected = np.array([logistic_bin(level, mean, log_scale) for level in range(256)])
  np.testing.assert_allclose(np.exp(log_probs), expected, rtol=2e-3, atol=1e-7)
  np.testing.assert_allclose(np.exp(np.float64(log_probs)).sum(), 1.0, rtol=1e-5)


def test_discretized_logistic_sums_over_an_image():
  images = LEVELS[RNG.integers(0, 256, (2, 2, 3, 3))]
  mean, log_scale = RNG.normal(0, 0.5, images.shape), RNG.normal(-2, 0.5, images.shape)
  levels = np.round((np.asarray(images) + 1) * 127.5).astype(int)
  terms = [np.log(logistic_bin(*v)) for v in zip(levels.flat, mean.flat, log_scale.flat, strict=True)]
  expected = np.reshape(terms, images.shape).sum((1, 2, 3))
  log_probs = logistic_log_likelihood(mean, images, log_scale=log_scale)
  np.testing.assert_allclose(log_probs, expected, rtol=1e-4)


def naive_mixture(parameters, levels, channels):
  """One pixel in float64: sum_k pi_k prod_c P(level_c; k), with PixelCNN++'s order of numbers and colour terms."""
  mixtures = len(parameters) // (10 if channels == 3 else 3)
  weights = scipy.special.softmax(parameters[:mixtures])
  rest = parameters[mixtures:].reshape(channels, -1)
  x = levels / 127.5 - 1.0
  total = 0.0
  for k in range(mixtures):
    means = rest[:, k].copy()
    log_scales = rest[:, mixtures + k]
    if channels == 3:
      coefficients = np.tanh(rest[:, 2 * mixtures + k])
      means[1] += coefficients[0] * x[0]
      means[2] += coefficients[1] * x[0] + coefficients[2] * x[1]
    total += weights[k] * np.prod([logistic_bin(v, m, s) for v, m, s in zip(levels, means, log_scales, strict=True)])
  return np.log(total)


@pytest.mark.parametrize('channels', [1, 3])
def test_logistic_mixture_against_a_naive_loop(channels):
  parameters = RNG.normal(0, 0.7, (2, 2, 2, likelihoods.logistic_mixture_size(4, channels)))
  levels = RNG.integers(0, 256, (2, 2, 2, channels))
  levels[0, 0, 0], levels[0, 1, 0] = 0, 255
  expected = [
    sum(naive_mixture(p, v, channels) for p, v in zip(p2.reshape(4, -1), v2.reshape(4, -1), strict=True))
    for p2, v2 in zip(parameters, levels, strict=True)
  ]
  log_probs = mixture_log_likelihood(parameters, LEVELS[levels])
  np.testing.assert_allclose(log_probs, expected, rtol=1e-4)


def test_logistic_mixture_sums_to_one_over_the_levels_of_a_channel():
  parameters = np.float32(RNG.normal(0, 0.7, (1, 1, 1, 15)))
  images = LEVELS[:, None, None, None]
  log_probs = mixture_log_likelihood(np.tile(parameters, (256, 1, 1, 1)), images)
  np.testing.assert_allclose(np.exp(np.float64(log_probs)).sum(), 1.0, rtol=1e-5)
  # With narrow logistics well inside the range, the mean image is the mean of the distribution.
  narrow = np.concatenate([parameters[..., :5], 0.5 * parameters[..., 5:10], np.full((1, 1, 1, 5), -4.0)], -1)
  probs = np.exp(mixture_log_likelihood(np.tile(np.float32(narrow), (256, 1, 1, 1)), images))
  mean = mixture_mean(narrow, 1)
  np.testing.assert_allclose(mean.ravel(), [np.sum(probs * LEVELS)], atol=2e-3)


def test_mean_of_a_colour_mixture_carries_red_over_to_green_and_blue():
  parameters = np.zeros((1, 1, 1, 10))  # one mixture: logit, then (mean, log scale, coefficient) for each colour
  parameters[..., 1::3], parameters[..., 3::3] = [0.5, 0.1, -0.2], np.arctanh([0.4, -0.5, 0.5])
  red, green = 0.5, 0.1 + 0.4 * 0.5
  expected = [red, green, -0.2 - 0.5 * red + 0.5 * green]
  np.testing.assert_allclose(mixture_mean(parameters, 3).ravel(), expected, rtol=1e-5)


def test_gradients_are_finite_far_from_the_data():
  extremes = [LEVELS[[0, 128, 255]], [-1e4, 0.0, 1e4], [-60.0, -7.0, 0.0, 20.0]]
  images, mean, log_scale = (np.float32(x).reshape(-1, 1, 1, 1) for x in np.meshgrid(*extremes))
  objective = lambda m, s: logistic_log_likelihood(m, images, log_scale=s).sum()
  value, gradients = jax.jit(jax.value_and_grad(objective, argnums=(0, 1)))(mean, log_scale)
  assert np.isfinite(value) and all(np.isfinite(g).all() for g in gradients)

  parameters = np.tile(np.float32([1e4, -1e4, 1e3, -1e3, -60.0, 20.0]), (len(images), 1, 1, 1))
  gradient = jax.jit(jax.grad(lambda p: mixture_log_likelihood(p, images).sum()))(parameters)
  assert np.isfinite(gradient).all()

  logits, targets = np.float32([[1e4, -1e4]]), np.float32([[0.0, 1.0]])
  value, gradient = jax.value_and_grad(lambda x: likelihoods.bernoulli_log_likelihood(x, targets).sum())(logits)
  np.testing.assert_allclose(value, -2e4)
  np.testing.assert_allclose(gradient, targets - [[1.0, 0.0]])


def test_shapes_that_fit_no_mixture_are_refused():
  with pytest.raises(ValueError, match='1 or 3 channels, not 2'):
    likelihoods.discretized_logistic_mixture_log_likelihood(jnp.zeros((1, 2, 2, 30)), jnp.zeros((1, 2, 2, 2)))
  with pytest.raises(ValueError, match='31 numbers a pixel'):
    likelihoods.discretized_logistic_mixture_log_likelihood(jnp.zeros((1, 2, 2, 31)), jnp.zeros((1, 2, 2, 3)))
