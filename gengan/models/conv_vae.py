"""VAE with a convolutional encoder and decoder (or two plain MLPs), unconditional or class-conditional.

'conv' is DCGAN's pair of networks (Radford et al. 2016) turned into a VAE, for any size base * 2^n. 'mlp' is the
network of Kingma and Welling 2014 and of flax's VAE example: one hidden layer on either side, any size.
A conditional model reads an embedding of the label on both sides (Sohn et al. 2015).
"""

from functools import partial

import jax
import jax.numpy as jnp
from flax import linen as nn
from ml_collections import ConfigDict

from gengan import core, latent, layers, likelihoods
from gengan.config import ConfigError, classes, reading
from gengan.models import from_config

NORMS = ('none', 'batch')
KERNEL = (4, 4)


class ConvEncoder(nn.Module):
  """Images [N, S, S, C] and labels [N] to the posterior's mean and log-variance, [N, Z] each."""

  latent_size: int
  width: int  # feature maps after the first layer; doubled as the size halves
  hidden_size: int  # units of the dense layer
  num_classes: int = 0  # 0: unconditional
  norm: str = 'none'  # one of NORMS
  axis_name: str | None = None

  @nn.compact
  def __call__(self, images: jax.Array, labels: jax.Array, *, train: bool) -> tuple[jax.Array, jax.Array]:
    _, doublings = layers.resolution_plan(images.shape[1])
    x = images
    for i in range(doublings):
      x = layers.Conv(self.width * 2**i, KERNEL, strides=(2, 2), use_bias=self.norm == 'none')(x)
      x = nn.relu(_norm(self.norm, train, self.axis_name)(x))
    x = _with_label(x.reshape(x.shape[0], -1), labels, self.num_classes, self.hidden_size)
    x = nn.relu(nn.Dense(self.hidden_size)(x))
    return nn.Dense(self.latent_size, name='mean')(x), nn.Dense(self.latent_size, name='logvar')(x)


class ConvDecoder(nn.Module):
  """Latents [N, Z] and labels [N] to the likelihood's parameters [N, S, S, P]; the mirror image of the encoder."""

  image_size: int
  parameters_per_pixel: int
  width: int  # feature maps before the last layer
  hidden_size: int
  num_classes: int = 0  # 0: unconditional
  norm: str = 'none'  # one of NORMS
  axis_name: str | None = None

  @nn.compact
  def __call__(self, latents: jax.Array, labels: jax.Array, *, train: bool) -> jax.Array:
    base, doublings = layers.resolution_plan(self.image_size)
    norm = partial(_norm, self.norm, train, self.axis_name)
    use_bias = self.norm == 'none'
    features = self.width * 2 ** (doublings - 1)
    x = nn.relu(nn.Dense(self.hidden_size)(_with_label(latents, labels, self.num_classes, self.hidden_size)))
    x = nn.Dense(base * base * features, use_bias=use_bias)(x).reshape(-1, base, base, features)
    x = nn.relu(norm()(x))
    for _ in range(doublings - 1):
      features //= 2
      x = nn.relu(norm()(layers.ConvTranspose(features, KERNEL, strides=(2, 2), use_bias=use_bias)(x)))
    return layers.ConvTranspose(self.parameters_per_pixel, KERNEL, strides=(2, 2))(x)


class MlpEncoder(nn.Module):
  """Images [N, H, W, C] and labels [N] to the posterior's mean and log-variance, through one hidden layer."""

  latent_size: int
  hidden_size: int
  num_classes: int = 0  # 0: unconditional

  @nn.compact
  def __call__(self, images: jax.Array, labels: jax.Array, *, train: bool) -> tuple[jax.Array, jax.Array]:
    x = _with_label(images.reshape(images.shape[0], -1), labels, self.num_classes, self.hidden_size)
    x = nn.relu(nn.Dense(self.hidden_size)(x))
    return nn.Dense(self.latent_size, name='mean')(x), nn.Dense(self.latent_size, name='logvar')(x)


class MlpDecoder(nn.Module):
  """Latents [N, Z] and labels [N] to the likelihood's parameters [N, S, S, P], through one hidden layer."""

  image_size: int
  parameters_per_pixel: int
  hidden_size: int
  num_classes: int = 0  # 0: unconditional

  @nn.compact
  def __call__(self, latents: jax.Array, labels: jax.Array, *, train: bool) -> jax.Array:
    shape = (self.image_size, self.image_size, self.parameters_per_pixel)
    x = _with_label(latents, labels, self.num_classes, self.hidden_size)
    x = nn.relu(nn.Dense(self.hidden_size)(x))
    return nn.Dense(shape[0] * shape[1] * shape[2])(x).reshape(-1, *shape)


def make(config: ConfigDict, axis_name: str | None = None) -> core.Algorithm:
  """Builds the recipe from a config such as `configs/vae.py`.

  Args:
    config: read once, here. A conditional model needs `config.model.num_classes`.
    axis_name: the pmap axis that the step will run under; None for a global-view `jit`.

  Raises:
    ConfigError: a value that cannot be.
  """
  model, data = config.model, config.data
  _check(config)
  with reading('model'):
    likelihood = likelihoods.make(model.likelihood, data.channels, sigma=model.sigma, mixtures=model.mixtures)
    posterior = latent.gaussian(model.latent_size)
  shared = {'hidden_size': model.hidden_size, 'num_classes': classes(config)}
  if model.architecture == 'conv':
    shared |= {'width': model.width, 'norm': model.norm, 'axis_name': axis_name}
  encoder, decoder = {'conv': (ConvEncoder, ConvDecoder), 'mlp': (MlpEncoder, MlpDecoder)}[model.architecture]
  return from_config.vae(
    config,
    encoder(model.latent_size, **shared),
    decoder(data.image_size, likelihood.parameters_per_pixel, **shared),
    likelihood=likelihood,
    posterior=posterior,
    axis_name=axis_name,
  )


def _norm(name, train, axis_name):
  if name == 'none':
    return lambda x: x
  return layers.BatchNorm(use_running_average=not train, axis_name=axis_name)


def _with_label(x: jax.Array, labels: jax.Array, num_classes: int, size: int) -> jax.Array:
  """Features [N, F] with an embedding of the label beside them, [N, F + size]; unchanged without classes."""
  if not num_classes:
    return x
  return jnp.concatenate([x, nn.Embed(num_classes, size)(labels)], axis=-1)


def _check(config: ConfigDict) -> None:
  model, data = config.model, config.data
  if model.architecture not in ('conv', 'mlp'):
    raise ConfigError('model.architecture', model.architecture, 'one of conv, mlp')
  if model.norm not in NORMS:
    raise ConfigError('model.norm', model.norm, f'one of {", ".join(NORMS)}')
  if model.architecture == 'conv':
    with reading('data'):
      layers.resolution_plan(data.image_size)
  if model.architecture == 'mlp' and model.norm != 'none':
    raise ConfigError('model.norm', model.norm, "'none'", beside={'model.architecture': 'mlp'})
  for name, size in (('width', model.width), ('hidden_size', model.hidden_size)):
    if size < 1:
      raise ConfigError(f'model.{name}', size, 'at least 1')
  if data.channels not in (1, 3):
    raise ConfigError('data.channels', data.channels, '1 or 3')
  if data.image_size < 1:
    raise ConfigError('data.image_size', data.image_size, 'at least 1')
  _check_likelihood(config)


def _check_likelihood(config: ConfigDict) -> None:
  """Bits and nats are those of a likelihood only where the images have the values that it gives probabilities to."""
  name, data = config.model.likelihood, config.data
  if name == 'bernoulli' and data.binarise == 'none':
    why = "but it is of black and white: config.data.binarise would have to be 'threshold' or 'stochastic'"
    raise ConfigError('model.likelihood', name, "'discretized_logistic'", why=why)
  if name.startswith('discretized_logistic') and data.dequantise:
    why = 'but it is of 256 grey levels, to which config.data.dequantise adds noise: that would have to be False'
    raise ConfigError('model.likelihood', name, "'gaussian'", why=why)
