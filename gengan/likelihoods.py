"""Likelihoods: how a decoder's output is read as a distribution over images in [-1, 1], and all densities.

Log likelihoods are in nats, summed over everything but the batch axis: [N].
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.nn import softplus

from gengan.core import ArgumentError

LOG_SCALE_MIN = -7.0  # of a discretised logistic, with images in [-1, 1] (Salimans et al. 2017)
LEVELS = 256
LOG_SIGMA_MIN = -6.0  # of a learned Gaussian: below about one grey level the density has no bound


class Likelihood(NamedTuple):
  """A distribution over images, given what the decoder puts out: [N, H, W, parameters_per_pixel]."""

  log_prob: Callable[[jax.Array, jax.Array], jax.Array]  # (parameters, images [N, H, W, C]) -> [N] nats
  mean: Callable[[jax.Array], jax.Array]  # parameters -> [N, H, W, C] in [-1, 1]
  parameters_per_pixel: int  # channels that the decoder must put out
  discrete: bool  # whether `log_prob` is of a probability, which can be given in bits per dimension, not a density


def bernoulli(channels: int) -> Likelihood:
  """Black (-1) or white (1); grey images give a negative cross-entropy, which is no likelihood."""
  return Likelihood(
    log_prob=lambda logits, images: bernoulli_log_likelihood(logits, 0.5 * (images + 1.0)),
    mean=lambda logits: 2.0 * jax.nn.sigmoid(logits) - 1.0,
    parameters_per_pixel=channels,
    discrete=True,
  )


def gaussian(channels: int, *, sigma: float = 0.0) -> Likelihood:
  """A normal density around the decoder's image.

  Args:
    channels: of the images.
    sigma: standard deviation in units of the images, which span 2; 0: the decoder gives one for every pixel and
      channel, softly bounded below at e^-6 (Rybkin et al. 2021, section 3.3).
  """
  if sigma:
    log_prob = lambda mean, images: gaussian_log_likelihood(mean, images, logvar=2.0 * math.log(sigma))
    return Likelihood(log_prob, lambda mean: jnp.clip(mean, -1.0, 1.0), channels, discrete=False)

  def log_prob(parameters, images):
    mean, log_sigma = jnp.split(parameters, 2, axis=-1)
    logvar = 2.0 * (LOG_SIGMA_MIN + softplus(log_sigma - LOG_SIGMA_MIN))
    return gaussian_log_likelihood(mean, images, logvar=logvar)

  return Likelihood(log_prob, _clipped_first_half, 2 * channels, discrete=False)


def discretized_logistic(channels: int) -> Likelihood:
  """One of 256 grey levels from a logistic for every pixel and channel, with a learned scale."""

  def log_prob(parameters, images):
    mean, log_scale = jnp.split(parameters, 2, axis=-1)
    return discretized_logistic_log_likelihood(mean, images, log_scale=log_scale)

  return Likelihood(log_prob, _clipped_first_half, 2 * channels, discrete=True)


def discretized_logistic_mixture(channels: int, *, mixtures: int = 10) -> Likelihood:
  """One of 256 grey levels from a mixture of logistics for every pixel; 1 or 3 channels."""
  return Likelihood(
    discretized_logistic_mixture_log_likelihood,
    lambda parameters: discretized_logistic_mixture_mean(parameters, channels),
    logistic_mixture_size(mixtures, channels),
    discrete=True,
  )


LIKELIHOODS = ('bernoulli', 'gaussian', 'discretized_logistic', 'discretized_logistic_mixture')


def make(name: str, channels: int, *, sigma: float = 0.0, mixtures: int = 10) -> Likelihood:
  """The likelihood of that name.

  Args:
    name: one of LIKELIHOODS.
    channels: of the images.
    sigma: of 'gaussian'; the others do not read it.
    mixtures: of 'discretized_logistic_mixture'; the others do not read it.

  Raises:
    ArgumentError: an unknown name, or a value out of range.
  """
  if name not in LIKELIHOODS:
    raise ArgumentError('likelihood', name, f'one of {", ".join(LIKELIHOODS)}')
  if not 0 <= sigma < math.inf:
    raise ArgumentError('sigma', sigma, 'at least 0 (0: learned)')
  if mixtures < 1:
    raise ArgumentError('mixtures', mixtures, 'at least 1')
  match name:
    case 'bernoulli':
      return bernoulli(channels)
    case 'gaussian':
      return gaussian(channels, sigma=sigma)
    case 'discretized_logistic':
      return discretized_logistic(channels)
    case 'discretized_logistic_mixture':
      return discretized_logistic_mixture(channels, mixtures=mixtures)


def _clipped_first_half(parameters):
  return jnp.clip(jnp.split(parameters, 2, axis=-1)[0], -1.0, 1.0)


def _sum_events(x):
  return jnp.sum(x, axis=tuple(range(1, x.ndim)))


def gaussian_kl(mean: jax.Array, logvar: jax.Array) -> jax.Array:
  """KL(N(mean, exp(logvar)) || N(0, I)) in nats: [N, ...] twice -> [N] (Kingma and Welling 2014, appendix B).

  >>> [float(x) for x in gaussian_kl(jnp.array([[0.0], [2.0]]), jnp.zeros((2, 1)))]  # 2^2 / 2
  [0.0, 2.0]
  """
  return _sum_events(gaussian_kl_terms(mean, logvar))


def gaussian_kl_terms(mean: jax.Array, logvar: jax.Array) -> jax.Array:
  """The same before the sum, one value a latent dimension: what free bits are counted in."""
  return 0.5 * (jnp.square(mean) + jnp.exp(logvar) - 1.0 - logvar)


def bernoulli_log_likelihood(logits: jax.Array, targets: jax.Array) -> jax.Array:
  """log Bernoulli(targets; sigmoid(logits)) in nats.

  Args:
    logits: [N, ...].
    targets: same shape, 0 or 1. A value between gives the negative cross-entropy, which is no likelihood.

  Returns:
    [N].

  >>> round(float(bernoulli_log_likelihood(jnp.zeros((1, 4)), jnp.ones((1, 4)))[0] / math.log(2)))  # four coin flips
  -4
  """
  return _sum_events(targets * logits - softplus(logits))


def gaussian_log_likelihood(mean: jax.Array, images: jax.Array, *, logvar: jax.Array | float) -> jax.Array:
  """log N(images; mean, exp(logvar)) in nats, a density in the units of the images.

  Args:
    mean: [N, ...].
    images: same shape.
    logvar: log sigma^2, of a shape that broadcasts against the images.

  Returns:
    [N].

  >>> x = jnp.zeros((1, 1))
  >>> round(float(gaussian_log_likelihood(x, x, logvar=0.0)[0]), 4)  # log 1 / sqrt(2 pi)
  -0.9189
  """
  logvar = jnp.asarray(logvar)
  return -0.5 * _sum_events(math.log(2.0 * math.pi) + logvar + jnp.square(images - mean) * jnp.exp(-logvar))


def _level(images):
  """The grey level, 0 to 255 as floats, of images in [-1, 1]."""
  return jnp.clip(jnp.round((images + 1.0) * ((LEVELS - 1) / 2)), 0, LEVELS - 1)


def _logistic_bins(mean, log_scale, level):
  """log P(level) of a logistic cut into 256 bins, the outer two reaching to infinity.

  With a > b the edges of a bin in units of the scale: sigmoid(a) - sigmoid(b) = sigmoid(a) sigmoid(-b) (1 - e^(b-a)),
  a product whose logarithm is exact everywhere, and whose first or second factor is all that is left at an edge.
  """
  inverse_scale = jnp.exp(-jnp.maximum(log_scale, LOG_SCALE_MIN))
  half_width = 1.0 / (LEVELS - 1)
  centred = level * (2.0 * half_width) - 1.0 - mean
  below_upper_edge = -softplus(-(centred + half_width) * inverse_scale)
  above_lower_edge = -softplus((centred - half_width) * inverse_scale)
  first, last = level == 0, level == LEVELS - 1
  return (
    jnp.where(last, 0.0, below_upper_edge)
    + jnp.where(first, 0.0, above_lower_edge)
    + jnp.where(first | last, 0.0, jnp.log(-jnp.expm1(-2.0 * half_width * inverse_scale)))
  )


def discretized_logistic_log_likelihood(mean: jax.Array, images: jax.Array, *, log_scale: jax.Array) -> jax.Array:
  """log P(images) under one logistic a pixel and channel, cut into 256 bins (Kingma et al. 2016, section 5.2).

  The bins are those of Salimans et al. 2017, eq. 2, so the 256 probabilities add up to 1.

  Args:
    mean: [N, H, W, C], in the units of the images.
    images: [N, H, W, C] in [-1, 1], rounded to the nearest of 256 levels.
    log_scale: of a shape that broadcasts against the images; at least -7.

  Returns:
    [N] nats.

  >>> black = -jnp.ones((1, 1, 1, 1))
  >>> round(float(discretized_logistic_log_likelihood(black, black, log_scale=-7.0)[0]), 2)
  -0.01
  """
  return _sum_events(_logistic_bins(mean, log_scale, _level(images)))


class LogisticMixture(NamedTuple):
  """Parameters of a mixture of K logistics for every pixel."""

  logits: jax.Array  # [N, H, W, K], unnormalised log weights, shared by a pixel's channels
  means: jax.Array  # [N, H, W, C, K]
  log_scales: jax.Array  # [N, H, W, C, K]
  coefficients: jax.Array | None  # [N, H, W, 3, K] in [-1, 1] for C = 3: green on red, blue on red, blue on green


def logistic_mixture_size(mixtures: int, channels: int) -> int:
  """Numbers a decoder must give for every pixel: K (1 + 2C), and 3K more for three channels."""
  if channels not in (1, 3):
    raise ValueError(f'A logistic mixture models 1 or 3 channels, not {channels}.')
  return mixtures * (10 if channels == 3 else 3)


def split_logistic_mixture(parameters: jax.Array, channels: int) -> LogisticMixture:
  """Names the parts of a decoder's output [N, H, W, logistic_mixture_size(K, channels)], in PixelCNN++'s order."""
  mixtures, rest = divmod(parameters.shape[-1], logistic_mixture_size(1, channels))
  if rest:
    raise ValueError(f'{parameters.shape[-1]} numbers a pixel make no logistic mixture over {channels} channels.')
  logits, parameters = parameters[..., :mixtures], parameters[..., mixtures:]
  parts = jnp.split(parameters.reshape(*parameters.shape[:-1], channels, -1), 3 if channels == 3 else 2, axis=-1)
  return LogisticMixture(logits, parts[0], parts[1], jnp.tanh(parts[2]) if channels == 3 else None)


def discretized_logistic_mixture_log_likelihood(parameters: jax.Array, images: jax.Array) -> jax.Array:
  """log P(images) under a mixture of discretised logistics a pixel (Salimans et al. 2017, eq. 1 to 3).

  In a colour image the mean of green depends on the pixel's red, and that of blue on its red and green.

  Args:
    parameters: [N, H, W, 3K] for one channel, [N, H, W, 10K] for three.
    images: [N, H, W, C] in [-1, 1], rounded to the nearest of 256 levels.

  Returns:
    [N] nats.

  Raises:
    ValueError: the shapes fit no mixture.

  >>> images = jnp.zeros((2, 4, 4, 3))
  >>> discretized_logistic_mixture_log_likelihood(jnp.zeros((2, 4, 4, logistic_mixture_size(5, 3))), images).shape
  (2,)
  """
  mixture = split_logistic_mixture(parameters, images.shape[-1])
  level = _level(images)[..., None]
  means = mixture.means
  if mixture.coefficients is not None:
    value = level * (2.0 / (LEVELS - 1)) - 1.0
    means = _colour_means(means, mixture.coefficients, value[..., 0, :], value[..., 1, :])
  log_probs = jnp.sum(_logistic_bins(means, mixture.log_scales, level), axis=-2)
  return _sum_events(jax.nn.logsumexp(log_probs + jax.nn.log_softmax(mixture.logits), axis=-1))


def _colour_means(means, coefficients, red, green):
  green_on_red, blue_on_red, blue_on_green = (coefficients[..., i, :] for i in range(3))
  return jnp.stack(
    [
      means[..., 0, :],
      means[..., 1, :] + green_on_red * red,
      means[..., 2, :] + blue_on_red * red + blue_on_green * green,
    ],
    axis=-2,
  )


def discretized_logistic_mixture_mean(parameters: jax.Array, channels: int) -> jax.Array:
  """The mean image of a mixture, clipped: parameters as above -> [N, H, W, channels] in [-1, 1]."""
  mixture = split_logistic_mixture(parameters, channels)
  means = mixture.means
  if mixture.coefficients is not None:
    red = means[..., 0, :]
    means = _colour_means(means, mixture.coefficients, red, means[..., 1, :] + mixture.coefficients[..., 0, :] * red)
  weights = jax.nn.softmax(mixture.logits)[..., None, :]
  return jnp.clip(jnp.sum(weights * means, axis=-1), -1.0, 1.0)
