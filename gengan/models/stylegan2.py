"""StyleGAN2 (Karras et al. 2020), with ADA by config (Karras et al. 2020b, Training GANs with Limited Data).

A mapping network turns z into w, which scales the kernels of the synthesis network at every layer. Lazy R1 and path
length have updates of their own. At 32x32x3 with 512 feature maps everywhere, two mapping layers, an `orig`
discriminator and 10 classes: 20,215,315 parameters in G and 23,089,664 in D, as in PyTorch-StudioGAN.

Departures: D moves before G and both see the same generated images, which saves a pass of G. Noise inputs are there
in training alone, and images are clipped to [-1, 1] outside of it, so that a picture depends on its w alone. Mixed
styles are drawn for each image.
"""

import itertools
import math

import jax
import jax.numpy as jnp
from flax import linen as nn
from ml_collections import ConfigDict

from gengan import core, latent, layers
from gengan.config import ConfigError, classes, reading
from gengan.layers.equalized import leaky
from gengan.layers.resampling import BINOMIAL
from gengan.models import from_config

ARCHITECTURES = ('orig', 'skip', 'resnet')  # of D: plain, with images of every size as inputs, residual
MAPPING_RATE = 0.01  # of the mapping network's learning rate beside the others'
G_LABELS, D_LABELS = ('embedding', 'one_hot'), ('projection', 'auxiliary', 'embedding')


class Mapping(nn.Module):
  """z [N, Z], or none, and labels [N] to w [N, features]: dense layers on z and the label, both of unit size.

  Attributes:
    features: W.
    depth: dense layers.
    num_classes: 0: unconditional.
    label: 'embedding' or 'one_hot'.
  """

  features: int
  depth: int
  num_classes: int = 0
  label: str = 'embedding'

  @nn.compact
  def __call__(self, z: jax.Array | None, labels: jax.Array) -> jax.Array:
    inputs = [] if z is None else [_unit(z.astype(jnp.float32))]
    if self.num_classes:
      classes = jax.nn.one_hot(labels, self.num_classes)
      inputs.append(_unit(layers.EqualizedDense(self.features)(classes) if self.label == 'embedding' else classes))
    x = jnp.concatenate(inputs, axis=-1)
    for number in range(self.depth):
      x = leaky(layers.EqualizedDense(self.features, lr_multiplier=MAPPING_RATE, name=f'layer_{number}')(x))
    return x


class StyledConv(nn.Module):
  """Modulated convolution, noise and leaky ReLU: [N, H, W, I] and w [N, W] -> [N, H up, W up, features]."""

  features: int
  up: int = 1
  axis_name: str | None = None

  @nn.compact
  def __call__(self, x: jax.Array, w: jax.Array, *, train: bool) -> jax.Array:
    x = layers.ModulatedConv(self.features, 3, up=self.up)(x, w)
    return leaky(layers.Noise(self.axis_name)(x, train=train))


class Synthesis(nn.Module):
  """w of every layer [N, L, W] to images [N, S, S, C], not bounded: a sum of images of all sizes ("skip")."""

  image_size: int
  channels: int
  channel_base: int
  channel_max: int
  axis_name: str | None = None

  @nn.compact
  def __call__(self, w: jax.Array, *, train: bool) -> jax.Array:
    features = feature_maps(self.image_size, self.channel_base, self.channel_max)
    base, _ = layers.resolution_plan(self.image_size)
    x = self.param('constant', nn.initializers.normal(1.0), (base, base, features[0]))
    x, images = jnp.broadcast_to(x, (len(w), *x.shape)), None
    for level, count in enumerate(features):
      if level:
        x = StyledConv(count, 2, self.axis_name)(x, w[:, 2 * level - 1], train=train)
        images = layers.resampled(images, BINOMIAL, up=2)
      x = StyledConv(count, 1, self.axis_name)(x, w[:, 2 * level], train=train)
      added = layers.ModulatedConv(self.channels, 1, demodulate=False)(x, w[:, 2 * level + 1])
      images = added if images is None else images + added
    return images


class Generator(nn.Module):
  """Latents [N, Z] and labels [N] to images [N, S, S, C], in [-1, 1] outside of training.

  The collection 'w_avg' has the moving average of w.

  Attributes:
    channel_base: feature maps times pixels of the size, as far as `channel_max`.
    channel_max: feature maps at most.
    w_size: W.
    mapping_layers: of the mapping network.
    label: how it reads the label, 'embedding' or 'one_hot'.
    style_mixing: probability that an image has the w of another z from some layer on.
    w_avg_beta: share of the average that stays at a pass.
    axis_name: the pmap axis over which the rows are cut.
  """

  image_size: int
  channels: int
  channel_base: int
  channel_max: int
  w_size: int = 512
  mapping_layers: int = 8
  num_classes: int = 0
  label: str = 'embedding'
  style_mixing: float = 0.9
  w_avg_beta: float = 0.995
  axis_name: str | None = None

  def setup(self) -> None:
    self.to_w = Mapping(self.w_size, self.mapping_layers, self.num_classes, self.label)
    shape = self.image_size, self.channels, self.channel_base, self.channel_max
    self.to_images = Synthesis(*shape, axis_name=self.axis_name)
    self.average = self.variable('w_avg', 'w_avg', jnp.zeros, (self.w_size,))

  @property
  def num_layers(self) -> int:
    """L, the layers that read a w of their own: the convolutions and the last one to an image."""
    return 2 * layers.resolution_plan(self.image_size)[1] + 2

  def __call__(self, latents: jax.Array, labels: jax.Array, *, train: bool) -> jax.Array:
    w = self.styles if train else self.mapping
    return self.synthesis(w(latents, labels, train=train), labels, train=train)

  def mapping(self, latents: jax.Array, labels: jax.Array, *, train: bool) -> jax.Array:
    """w [N, W]; in training its average moves."""
    w = self.to_w(latents, labels)
    if train and self.is_mutable_collection('w_avg'):
      mean = core.pmean(jax.lax.stop_gradient(w).mean(axis=0), self.axis_name)
      self.average.value = mean + self.w_avg_beta * (self.average.value - mean)
    return w

  def styles(self, latents: jax.Array, labels: jax.Array, *, train: bool) -> jax.Array:
    """w of every layer [N, L, W], in training some of them mixed (Karras et al. 2019, section 3.1)."""
    w = jnp.repeat(self.mapping(latents, labels, train=train)[:, None], self.num_layers, axis=1)
    if not train or not self.style_mixing:
      return w
    z_key, chance_key, cut_key = jax.random.split(self.make_rng('noise'), 3)
    drawn = lambda draw: core.local_rows(draw, len(latents), self.axis_name)
    z = drawn(lambda rows: jax.random.normal(z_key, (rows, latents.shape[1])))
    is_mixed = drawn(lambda rows: jax.random.bernoulli(chance_key, self.style_mixing, (rows, 1)))
    cut = drawn(lambda rows: jax.random.randint(cut_key, (rows, 1), 1, self.num_layers))
    is_other = is_mixed & (jnp.arange(self.num_layers) >= cut)
    return jnp.where(is_other[..., None], self.to_w(z, labels)[:, None], w)

  def synthesis(self, w: jax.Array, labels: jax.Array, *, train: bool) -> jax.Array:
    """Images of w [N, W], or of one for every layer [N, L, W]."""
    images = self.to_images(w if w.ndim == 3 else jnp.repeat(w[:, None], self.num_layers, axis=1), train=train)
    return images if train else jnp.clip(images, -1.0, 1.0)


class Discriminator(nn.Module):
  """Images [N, S, S, C] and labels [N] to logits [N], or to a dict with them.

  Attributes:
    architecture: one of `ARCHITECTURES`.
    label: 'projection' on an embedding with a mapping network of its own, 'auxiliary' or 'embedding'; see
      `layers.LabelHead`.
    mapping_layers: of that network.
    minibatch_std: rows in a group of `layers.MinibatchDeviation`; 0: none.
    axis_name: the pmap axis over which the rows are cut.
  """

  image_size: int
  channel_base: int
  channel_max: int
  architecture: str = 'resnet'
  num_classes: int = 0
  label: str = 'projection'
  mapping_layers: int = 8
  minibatch_std: int = 4
  axis_name: str | None = None

  @nn.compact
  def __call__(self, images: jax.Array, labels: jax.Array, *, train: bool) -> jax.Array | dict[str, jax.Array]:
    features = feature_maps(self.image_size, self.channel_base, self.channel_max)[::-1]
    if self.label == 'embedding':
      images = layers.LabelInput(self.num_classes)(images, labels)
    x = leaky(layers.EqualizedConv(features[0], 1)(images))
    for count, after in itertools.pairwise(features):
      y = leaky(layers.EqualizedConv(after, 3, down=2)(leaky(layers.EqualizedConv(count, 3)(x))))
      if self.architecture == 'resnet':
        y = (y + layers.EqualizedConv(after, 1, use_bias=False, down=2)(x)) / math.sqrt(2)
      elif self.architecture == 'skip':
        images = layers.resampled(images, BINOMIAL, down=2)
        y = y + leaky(layers.EqualizedConv(after, 1)(images))
      x = y
    if self.minibatch_std:
      x = layers.MinibatchDeviation(self.minibatch_std, self.axis_name if train else None)(x)
    x = leaky(layers.EqualizedConv(features[-1], 3)(x))
    return self._head(leaky(layers.EqualizedDense(features[-1])(x.reshape(len(x), -1))), labels)

  def _head(self, x: jax.Array, labels: jax.Array) -> jax.Array | dict[str, jax.Array]:
    if self.num_classes and self.label == 'projection':
      size = x.shape[-1]
      direction = Mapping(size, self.mapping_layers, self.num_classes)(None, labels)
      return jnp.sum(layers.EqualizedDense(size)(x) * direction, axis=-1) / math.sqrt(size)
    logits = layers.EqualizedDense(1)(x)[:, 0]
    if self.num_classes and self.label == 'auxiliary':
      return {'logits': logits, 'class_logits': layers.EqualizedDense(self.num_classes)(x)}
    return logits


def feature_maps(image_size: int, channel_base: int, channel_max: int) -> list[int]:
  """Of the layers at each size, from the smallest on."""
  base, doublings = layers.resolution_plan(image_size)
  return [max(1, min(channel_base // (base << level), channel_max)) for level in range(doublings + 1)]


def make(config: ConfigDict, axis_name: str | None = None) -> core.Algorithm:
  """Builds the recipe from a config such as `configs/stylegan2.py`.

  Args:
    config: read once, here. A conditional model needs `config.model.num_classes`.
    axis_name: the pmap axis that the step will run under; None for a global-view `jit`.

  Raises:
    ConfigError: a value that cannot be.
  """
  _check(config)
  model, data = config.model, config.data
  shared = {
    'image_size': data.image_size,
    'channel_base': model.channel_base,
    'channel_max': model.channel_max,
    'num_classes': classes(config),
    'axis_name': axis_name,
  }
  generator = Generator(
    channels=data.channels,
    w_size=model.w_size,
    mapping_layers=model.mapping_layers,
    label=model.g_label,
    style_mixing=model.style_mixing,
    w_avg_beta=model.w_avg_beta,
    **shared,
  )
  discriminator = Discriminator(
    architecture=model.architecture,
    label=model.d_label,
    mapping_layers=model.d_mapping_layers,
    minibatch_std=model.minibatch_std,
    **shared,
  )
  space = latent.w_space(generator, model.latent_size)
  return from_config.gan(config, generator, discriminator, axis_name=axis_name, space=space)


def _check(config: ConfigDict) -> None:
  model = config.model
  with reading('data'):
    layers.resolution_plan(config.data.image_size)
  for name, choices in (('architecture', ARCHITECTURES), ('g_label', G_LABELS), ('d_label', D_LABELS)):
    if model[name] not in choices:
      raise ConfigError(f'model.{name}', model[name], f'one of {", ".join(choices)}')
  for name in ('channel_base', 'channel_max', 'w_size', 'mapping_layers', 'd_mapping_layers'):
    if model[name] < 1:
      raise ConfigError(f'model.{name}', model[name], 'at least 1')
  if model.minibatch_std < 0:
    raise ConfigError('model.minibatch_std', model.minibatch_std, 'at least 0 (0: none)')
  if not 0 <= model.style_mixing <= 1:
    raise ConfigError('model.style_mixing', model.style_mixing, 'a probability from 0 to 1')
  if not 0 <= model.w_avg_beta < 1:
    raise ConfigError('model.w_avg_beta', model.w_avg_beta, 'at least 0 and below 1')


def _unit(x: jax.Array) -> jax.Array:
  """Each row over the root of its mean square."""
  return x * jax.lax.rsqrt(jnp.square(x).mean(axis=-1, keepdims=True) + 1e-8)
