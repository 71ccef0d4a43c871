"""Losses as pure functions: of a discriminator's logits for GANs, of likelihood parameters for VAEs.

A GAN loss is a pair of functions of `(real_logits, fake_logits)`, each [N] and before any sigmoid, that returns the
scalar which that player minimises. Likelihoods are in nats, summed over everything but the batch axis: [N].
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.nn import relu, softplus

LOG_SCALE_MIN = -7.0  # of a discretised logistic, with images in [-1, 1] (Salimans et al. 2017)
LEVELS = 256


class GanLoss(NamedTuple):
  """What the two players minimise.

  Attributes:
    discriminator: `(real_logits, fake_logits) -> scalar`.
    generator: `(real_logits, fake_logits) -> scalar`; only the relativistic forms read the real logits.
  """

  discriminator: Callable[[jax.Array, jax.Array], jax.Array]
  generator: Callable[[jax.Array, jax.Array], jax.Array]


# With D = sigmoid(logit): -log D = softplus(-logit) and -log(1 - D) = softplus(logit), which never overflow.


def _cross_entropy(real_logits, fake_logits):
  return jnp.mean(softplus(-real_logits)) + jnp.mean(softplus(fake_logits))


minimax = GanLoss(
  discriminator=_cross_entropy,
  generator=lambda real_logits, fake_logits: -jnp.mean(softplus(fake_logits)),
)
"""The value function E log D(x) + E log(1 - D(G(z))) itself (Goodfellow et al. 2014, eq. 1).

The discriminator minimises its negative, the generator its second term. At the equilibrium, all logits 0, the value
is -log 4.
"""

non_saturating = GanLoss(
  discriminator=_cross_entropy,
  generator=lambda real_logits, fake_logits: jnp.mean(softplus(-fake_logits)),
)
"""The same discriminator; the generator minimises -E log D(G(z)) (Goodfellow et al. 2014, section 3)."""

least_squares = GanLoss(
  discriminator=lambda real_logits, fake_logits: (
    0.5 * jnp.mean(jnp.square(real_logits - 1.0)) + 0.5 * jnp.mean(jnp.square(fake_logits))
  ),
  generator=lambda real_logits, fake_logits: 0.5 * jnp.mean(jnp.square(fake_logits - 1.0)),
)
"""Regression to the targets a = 0 (fake), b = 1 (real), c = 1 (Mao et al. 2017, eq. 2 and 9)."""

hinge = GanLoss(
  discriminator=lambda real_logits, fake_logits: jnp.mean(relu(1.0 - real_logits)) + jnp.mean(relu(1.0 + fake_logits)),
  generator=lambda real_logits, fake_logits: -jnp.mean(fake_logits),
)
"""The margin loss of Lim and Ye 2017 and of Miyato et al. 2018, eq. 16 and 17."""

wasserstein = GanLoss(
  discriminator=lambda real_logits, fake_logits: jnp.mean(fake_logits) - jnp.mean(real_logits),
  generator=lambda real_logits, fake_logits: -jnp.mean(fake_logits),
)
"""The dual of the earth mover's distance (Arjovsky et al. 2017, eq. 2 and 3).

It needs a critic that is 1-Lipschitz, for instance by `regularizers.gradient_penalty`.
"""

relativistic = GanLoss(
  discriminator=lambda real_logits, fake_logits: jnp.mean(softplus(fake_logits - real_logits)),
  generator=lambda real_logits, fake_logits: jnp.mean(softplus(real_logits - fake_logits)),
)
"""Every real image against one generated image (RpGAN: Jolicoeur-Martineau 2018, section 3; Huang et al. 2024, eq. 2).

Both arrays have the same length: the pairs are rows.
"""


def _relativistic_average(higher, lower):
  return jnp.mean(softplus(jnp.mean(lower) - higher)) + jnp.mean(softplus(lower - jnp.mean(higher)))


relativistic_average = GanLoss(
  discriminator=lambda real_logits, fake_logits: _relativistic_average(real_logits, fake_logits),
  generator=lambda real_logits, fake_logits: _relativistic_average(fake_logits, real_logits),
)
"""Every image against the average image of the other kind (RaSGAN: Jolicoeur-Martineau 2018, section 4).

Not additive over the batch: the inner means are over the rows that are passed in.
"""

GAN_LOSSES = {
  'minimax': minimax,
  'non_saturating': non_saturating,
  'least_squares': least_squares,
  'hinge': hinge,
  'wasserstein': wasserstein,
  'relativistic': relativistic,
  'relativistic_average': relativistic_average,
}


def gan_loss(name: str) -> GanLoss:
  """The loss of that name; ValueError with the allowed names where there is none."""
  if name not in GAN_LOSSES:
    raise ValueError(f'config.loss: unknown loss {name!r}; allowed: {", ".join(GAN_LOSSES)}.')
  return GAN_LOSSES[name]


def _sum_events(x):
  return jnp.sum(x, axis=tuple(range(1, x.ndim)))


def gaussian_kl(mean: jax.Array, logvar: jax.Array) -> jax.Array:
  """KL(N(mean, exp(logvar)) || N(0, I)) in nats: [N, ...] twice -> [N] (Kingma and Welling 2014, appendix B)."""
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
  """
  return _sum_events(_logistic_bins(mean, log_scale, _level(images)))


class LogisticMixture(NamedTuple):
  """Parameters of a mixture of K logistics for every pixel.

  Attributes:
    logits: [N, H, W, K], unnormalised log weights, shared by a pixel's channels.
    means: [N, H, W, C, K].
    log_scales: [N, H, W, C, K].
    coefficients: [N, H, W, 3, K] in [-1, 1] for C = 3, else None: green on red, blue on red, blue on green.
  """

  logits: jax.Array
  means: jax.Array
  log_scales: jax.Array
  coefficients: jax.Array | None


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
