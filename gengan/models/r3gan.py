"""R3GAN (Huang et al. 2024, arXiv 2501.05441): relativistic loss, R1 and R2, residual networks without norm.

With classes G reads an embedding of the label beside the latent, and D's features are compared with one. At 32x32x3,
width 768, two blocks a stage, groups of 16 (cardinality 96), expansion 2, latents of 64 and 10 classes: 20,781,952
parameters in G and 21,280,512 in D, as in the authors' CIFAR-10 model (20.78 M and 21.28 M).

Departures: the authors compute the last three stages in bfloat16, here `config.dtype` is that of all. Images are cut to
[-1, 1] outside of training; G ends without tanh.
"""

import math

import jax
import jax.numpy as jnp
from flax import linen as nn
from ml_collections import ConfigDict

from gengan import core, gan, layers
from gengan.config import ConfigError, classes, reading
from gengan.models import from_config

SLOPE = 0.2
GAIN = math.sqrt(2 / (1 + SLOPE**2))  # keeps the variance through the leaky ReLU (He et al. 2015, eq. 15)
LAYERS = 3  # of a block
TAPS = (1, 2, 1)


class Block(nn.Module):
  """x + 1x1(grouped 3x3(1x1 x)), as wide inside as `expansion` times outside: [N, H, W, C] -> the same.

  The last kernel is 0 at the start, the others are scaled by L^(-1 / (2m - 2)) for L blocks of m layers (Zhang et al.
  2019).
  """

  group_size: int  # channels of a group
  expansion: int
  blocks: int  # L, of the whole network

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    width, inside = x.shape[-1], x.shape[-1] * self.expansion
    init = _scaled(GAIN * self.blocks ** (-1 / (2 * LAYERS - 2)))
    y = layers.Conv(inside, (1, 1), use_bias=False, kernel_init=init, name='in')(x)
    y = _Biased(name='bias_in')(y)
    settings = {'use_bias': False, 'kernel_init': init, 'groups': inside // self.group_size}
    y = layers.GroupedConv(inside, (3, 3), **settings, name='grouped')(y)
    y = _Biased(name='bias_grouped')(y)
    return x + layers.Conv(width, (1, 1), use_bias=False, kernel_init=nn.initializers.zeros_init(), name='out')(y)


class Generator(nn.Module):
  """Latents [N, Z] and labels [N] to images [N, S, S, C]; in [-1, 1] only outside of training."""

  image_size: int
  channels: int
  widths: tuple[int, ...]  # feature maps of the stages, from the smallest size on
  blocks: int  # of a stage
  group_size: int
  expansion: int = 2
  num_classes: int = 0  # 0: unconditional
  embedding_size: int = 64  # of the label

  @nn.compact
  def __call__(self, latents: jax.Array, labels: jax.Array, *, train: bool) -> jax.Array:
    base, _ = layers.resolution_plan(self.image_size)
    init = nn.initializers.normal(1 / math.sqrt(max(self.num_classes, 1)))
    x = layers.LabelInput(self.num_classes, features=self.embedding_size, embedding_init=init)(latents, labels)
    basis = self.param('basis', nn.initializers.normal(1.0), (base, base, self.widths[0]))
    x = layers.Dense(self.widths[0], use_bias=False, kernel_init=_scaled())(x)[:, None, None] * basis
    for stage, width in enumerate(self.widths):
      if stage:
        x = layers.resampled(_widened(x, width), TAPS, up=2)
      x = self._blocks(x)
    x = layers.Conv(self.channels, (1, 1), use_bias=False, kernel_init=_scaled(), name='to_image')(x)
    return x if train else jnp.clip(x, -1.0, 1.0)

  def _blocks(self, x: jax.Array) -> jax.Array:
    for _ in range(self.blocks):
      x = Block(self.group_size, self.expansion, self.blocks * len(self.widths))(x)
    return x


class Discriminator(nn.Module):
  """Images [N, S, S, C] and labels [N] to logits [N]; G's stages in reverse, with a basis that reads and not draws."""

  widths: tuple[int, ...]  # as in `Generator`
  blocks: int  # of a stage
  group_size: int
  expansion: int = 2
  num_classes: int = 0  # 0: unconditional
  embedding_size: int = 768  # of the label, and of the features that are compared with it

  @nn.compact
  def __call__(self, images: jax.Array, labels: jax.Array, *, train: bool) -> jax.Array:
    widths = self.widths[::-1]
    x = layers.Conv(widths[0], (1, 1), use_bias=False, kernel_init=_scaled(), name='of_image')(images)
    for stage, width in enumerate(widths):
      if stage:
        x = _widened(layers.resampled(x, TAPS, down=2), width)
      for _ in range(self.blocks):
        x = Block(self.group_size, self.expansion, self.blocks * len(widths))(x)
    pixels = x.shape[1] * x.shape[2]
    basis = self.param('basis', nn.initializers.normal(1 / math.sqrt(pixels)), x.shape[1:])
    features = jnp.einsum('nhwc,hwc->nc', x, basis)
    size = self.embedding_size if self.num_classes else 1
    features = layers.Dense(size, use_bias=False, kernel_init=_scaled())(features)
    if not self.num_classes:
      return features[:, 0]
    init = nn.initializers.normal(1 / math.sqrt(self.num_classes * size))
    return jnp.sum(features * layers.Embed(self.num_classes, size, init)(labels), axis=-1)


class _Biased(nn.Module):
  """Leaky ReLU of x + 'bias' [C]."""

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    return nn.leaky_relu(x + self.param('bias', nn.initializers.zeros_init(), x.shape[-1:]), SLOPE)


def make(config: ConfigDict, axis_name: str | None = None) -> core.Algorithm:
  """Builds the recipe from a config such as `configs/r3gan.py`.

  Args:
    config: read once, here. A conditional model needs `config.model.num_classes`.
    axis_name: the pmap axis that the step will run under; None for a global-view `jit`.

  Raises:
    ConfigError: a value that cannot be.
  """
  model, data = config.model, config.data
  _check(config)
  parts = {
    'widths': widths(data.image_size, model.width, model.full_width_pixels),
    'blocks': model.blocks,
    'group_size': model.group_size,
    'expansion': model.expansion,
    'num_classes': classes(config),
  }
  generator = Generator(data.image_size, data.channels, **parts, embedding_size=model.g_embedding)
  discriminator = Discriminator(**parts, embedding_size=model.d_embedding)
  return from_config.gan(config, generator, discriminator, axis_name=axis_name, phases=apart)


def apart(loss, **settings) -> tuple[gan.Phase, ...]:
  """`gan.alternating`, but G is updated with real images and latents of its own."""
  *of_d, of_g = gan.alternating(loss, **settings)
  return *of_d, of_g._replace(share=len(of_d), fresh=True)


def widths(image_size: int, width: int, full_width_pixels: int) -> tuple[int, ...]:
  """Feature maps of the stages from the smallest on: they halve as the size doubles from so many pixels on.

  >>> widths(64, 768, 32)
  (768, 768, 768, 768, 384)
  """
  base, doublings = layers.resolution_plan(image_size)
  sizes = [base * 2**i for i in range(doublings + 1)]
  return tuple(width // 2 ** max(0, (size // full_width_pixels).bit_length() - 1) for size in sizes)


def _widened(x: jax.Array, width: int) -> jax.Array:
  if x.shape[-1] == width:
    return x
  return layers.Conv(width, (1, 1), use_bias=False, kernel_init=_scaled())(x)


def _scaled(gain: float = 1.0) -> nn.initializers.Initializer:
  """Normal with variance gain^2 / inputs."""
  return nn.initializers.variance_scaling(gain**2, 'fan_in', 'normal')


def _check(config: ConfigDict) -> None:
  model = config.model
  with reading('data'):
    layers.resolution_plan(config.data.image_size)
  for name in ('width', 'blocks', 'group_size', 'expansion', 'full_width_pixels', 'g_embedding', 'd_embedding'):
    if model[name] < 1:
      raise ConfigError(f'model.{name}', model[name], 'at least 1')
  for width in widths(config.data.image_size, model.width, model.full_width_pixels):
    if width < 1 or width * model.expansion % model.group_size:
      inside = f'a divisor of {width * model.expansion}, the feature maps inside the blocks of a stage'
      raise ConfigError('model.group_size', model.group_size, inside, beside={'model.width': model.width})
  shares = config.d_steps_per_g_step + 1
  if config.batch_size % shares:
    raise ConfigError('batch_size', config.batch_size, f'a multiple of {shares}, a share for each update')
