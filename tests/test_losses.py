"""Losses against the papers' formulas in float64 numpy and against scipy's distributions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats

from gengan import losses

RNG = np.random.default_rng(0)
REAL, FAKE = RNG.normal(0.5, 2.0, 12), RNG.normal(-0.5, 2.0, 12)
LEVELS = np.float32(np.arange(256) / 127.5 - 1.0)  # every grey level in [-1, 1]

gaussian_log_likelihood = jax.jit(likelihoods.gaussian_log_likelihood)
logistic_log_likelihood = jax.jit(likelihoods.discretized_logistic_log_likelihood)
mixture_mean = jax.jit(likelihoods.discretized_logistic_mixture_mean, static_argnums=1)
mixture_log_likelihood = jax.jit(likelihoods.discretized_logistic_mixture_log_likelihood)


def sigmoid(x):
  return 1.0 / (1.0 + np.exp(-x))


def papers(c_real, c_fake):
  """(discriminator, generator) as the papers write them, with D = sigmoid(C)."""
  log, mean = np.log, np.mean
  d_real, d_fake = sigmoid(c_real), sigmoid(c_fake)
  value = mean(log(d_real)) + mean(log(1 - d_fake))
  relative = lambda a, b: -mean(log(sigmoid(a - b)))
  average = lambda a, b: -mean(log(sigmoid(a - mean(b)))) - mean(log(1 - sigmoid(b - mean(a))))
  return {
    'minimax': (-value, mean(log(1 - d_fake))),
    'non_saturating': (-value, -mean(log(d_fake))),
    'least_squares': (mean((c_real - 1) ** 2) / 2 + mean(c_fake**2) / 2, mean((c_fake - 1) ** 2) / 2),
    'hinge': (-mean(np.minimum(0, c_real - 1)) - mean(np.minimum(0, -c_fake - 1)), -mean(c_fake)),
    'wasserstein': (mean(c_fake) - mean(c_real), -mean(c_fake)),
    'relativistic': (relative(c_real, c_fake), relative(c_fake, c_real)),
    'relativistic_average': (average(c_real, c_fake), average(c_fake, c_real)),
  }


@pytest.mark.parametrize('name', losses.GAN_LOSSES)
def test_gan_losses_are_the_papers(name):
  loss = losses.GanLoss(*map(jax.jit, losses.gan_loss(name)))
  discriminator, generator = papers(REAL, FAKE)[name]
  np.testing.assert_allclose(loss.discriminator(REAL, FAKE), discriminator, rtol=1e-5)
  np.testing.assert_allclose(loss.generator(REAL, FAKE), generator, rtol=1e-5)


@pytest.mark.parametrize('name', losses.GAN_LOSSES)
def test_gan_losses_and_gradients_are_finite_for_huge_logits(name):
  real, fake = jnp.array([1e4, -1e4, 0.0]), jnp.array([-1e4, 1e4, 1e4])
  for player in losses.gan_loss(name):
    value, gradients = jax.jit(jax.value_and_grad(player, argnums=(0, 1)))(real, fake)
    assert np.isfinite(value) and all(np.isfinite(g).all() for g in gradients)
    assert any(np.any(np.asarray(g) != 0) for g in gradients)


def test_value_of_the_minimax_game_at_its_equilibrium_is_minus_log_four():
  zeros = jnp.zeros(5)
  np.testing.assert_allclose(-losses.minimax.discriminator(zeros, zeros), -np.log(4.0), rtol=1e-6)


def test_minimax_generator_has_its_gradient_where_d_is_fooled_and_non_saturating_where_it_is_not():
  slope = lambda loss, logit: float(jax.grad(loss.generator, argnums=1)(np.zeros(1), np.float32([logit]))[0])
  assert abs(slope(losses.minimax, -8.0)) < 1e-3 < 0.9 < abs(slope(losses.non_saturating, -8.0))


@pytest.mark.parametrize('name', ['relativistic', 'relativistic_average', 'wasserstein'])
def test_only_differences_of_logits_count(name):
  loss = losses.gan_loss(name)
  np.testing.assert_allclose(
    loss.discriminator(REAL + 3.0, FAKE + 3.0), loss.discriminator(REAL, FAKE), rtol=1e-5, atol=1e-6
  )


def test_unknown_loss_names_the_field_and_the_choices():
  with pytest.raises(ValueError, match=r"config\.loss.*'wgan'.*minimax.*wasserstein"):
    losses.gan_loss('wgan')


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
