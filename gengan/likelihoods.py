"""How a decoder's output is read as a distribution over images in [-1, 1]."""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from gengan import losses

LOG_SIGMA_MIN = -6.0  # of a learned Gaussian: below about one grey level the density has no bound


class Likelihood(NamedTuple):
  """A distribution over images, given what the decoder puts out.

  Attributes:
    log_prob: `(parameters [N, H, W, parameters_per_pixel], images [N, H, W, C]) -> [N]` nats.
    mean: `(parameters) -> [N, H, W, C]` in [-1, 1].
    parameters_per_pixel: channels that the decoder must put out.
    discrete: whether `log_prob` is the log of a probability, which can be given in bits per dimension, not a density.
  """

  log_prob: Callable[[jax.Array, jax.Array], jax.Array]
  mean: Callable[[jax.Array], jax.Array]
  parameters_per_pixel: int
  discrete: bool


def bernoulli(channels: int) -> Likelihood:
  """Black (-1) or white (1); grey images give a negative cross-entropy, which is no likelihood."""
  return Likelihood(
    log_prob=lambda logits, images: losses.bernoulli_log_likelihood(logits, 0.5 * (images + 1.0)),
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
    log_prob = lambda mean, images: losses.gaussian_log_likelihood(mean, images, logvar=2.0 * math.log(sigma))
    return Likelihood(log_prob, lambda mean: jnp.clip(mean, -1.0, 1.0), channels, discrete=False)

  def log_prob(parameters, images):
    mean, log_sigma = jnp.split(parameters, 2, axis=-1)
    logvar = 2.0 * (LOG_SIGMA_MIN + jax.nn.softplus(log_sigma - LOG_SIGMA_MIN))
    return losses.gaussian_log_likelihood(mean, images, logvar=logvar)

  return Likelihood(log_prob, _clipped_first_half, 2 * channels, discrete=False)


def discretized_logistic(channels: int) -> Likelihood:
  """One of 256 grey levels from a logistic for every pixel and channel, with a learned scale."""

  def log_prob(parameters, images):
    mean, log_scale = jnp.split(parameters, 2, axis=-1)
    return losses.discretized_logistic_log_likelihood(mean, images, log_scale=log_scale)

  return Likelihood(log_prob, _clipped_first_half, 2 * channels, discrete=True)


def discretized_logistic_mixture(channels: int, *, mixtures: int = 10) -> Likelihood:
  """One of 256 grey levels from a mixture of logistics for every pixel; 1 or 3 channels."""
  return Likelihood(
    losses.discretized_logistic_mixture_log_likelihood,
    lambda parameters: losses.discretized_logistic_mixture_mean(parameters, channels),
    losses.logistic_mixture_size(mixtures, channels),
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
    ValueError: one line that names the field of the config.
  """
  if name not in LIKELIHOODS:
    raise ValueError(f'config.model.likelihood is {name!r}; it must be one of {", ".join(LIKELIHOODS)}')
  if not 0 <= sigma < math.inf:
    raise ValueError(f'config.model.sigma is {sigma}; it must be at least 0 (0: learned)')
  if mixtures < 1:
    raise ValueError(f'config.model.mixtures is {mixtures}; it must be at least 1')
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
