"""FastGAN (Liu et al. 2021): a small GAN for few images at 32 to 256 px and above.

G is a chain of gated up-sampling blocks in which an early map of 4 to 16 px weighs the channels of one 16 times as
large (skip-layer excitation, section 3.1). D is an encoder of residual down-sampling blocks that judges patches, and is
kept from learning the images by heart by having to redraw them from its features (section 3.2).

Departures: the paper's G draws each picture at two sizes from 256 px on, and D's second head reads the smaller one;
here G draws it once and the second head reads it shrunk. Below 64 px the last map is gated by the first, 8 times as
small. What is redrawn is compared by the mean absolute difference and not through a pretrained network.
"""

from functools import partial

import jax
import jax.numpy as jnp
from flax import linen as nn
from ml_collections import ConfigDict

from gengan import core, layers
from gengan.config import ConfigError, classes, reading
from gengan.models import from_config

G_FEATURES = (16, 8, 4, 2, 2, 1, 0.5, 0.25, 0.125)  # times the width at the base, twice the base, and so on
D_FEATURES = (16, 16, 8, 4, 2, 1, 0.5, 0.25, 0.125)
DECODER_FEATURES = (2, 1, 1, 0.5)  # at 4 times the base, 8 times, ...
LARGEST_REDRAWN = 128  # pixels
kernel_init = nn.initializers.normal(0.02)
swish, leaky = nn.swish, partial(nn.leaky_relu, negative_slope=0.2)


class Block(nn.Module):
  """Doubles the size: nearest neighbour, then one or two of convolution, noise, batch norm and gated linear unit."""

  features: int
  train: bool
  convolutions: int = 2  # of two, each is followed by noise
  spectral_norm: bool = True
  axis_name: str | None = None

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    """[N, H, W, I] -> [N, 2H, 2W, features]."""
    for number in range(self.convolutions):
      layer = layers.Conv if number else layers.ConvAfterDoubling
      x = _conv(2 * self.features, 3, layer, spectral_norm=self.spectral_norm)(x, train=self.train)
      if self.convolutions > 1:
        x = layers.Noise(axis_name=self.axis_name)(x, train=self.train)
      x = nn.glu(_batch_norm(self.train, self.axis_name)(x))
    return x


class Excitation(nn.Module):
  """Weighs the channels of a large map by what a small one holds (eq. 1 of the paper; Hu et al. 2018)."""

  train: bool
  base: int  # pixels to which the small map is averaged

  @nn.compact
  def __call__(self, large: jax.Array, small: jax.Array) -> jax.Array:
    """Maps [N, H, W, C] and [N, h, w, I] -> [N, H, W, C]."""
    conv = partial(_conv, large.shape[-1], padding='VALID')
    gate = swish(conv(self.base)(_shrunk(small, self.base), train=self.train))
    return large * nn.sigmoid(conv(1)(gate, train=self.train))


class Generator(nn.Module):
  """Latents [N, Z] and labels [N] to images [N, S, S, C] in [-1, 1]."""

  image_size: int
  channels: int
  width: int  # feature maps at 32 times the base, 128 px
  num_classes: int = 0  # 0: unconditional
  g_label: str = 'one_hot'  # how G reads the label, 'one_hot' or 'embedding'
  axis_name: str | None = None

  @nn.compact
  def __call__(self, latents: jax.Array, labels: jax.Array, *, train: bool) -> jax.Array:
    base, doublings = layers.resolution_plan(self.image_size)
    features = [max(1, int(self.width * times)) for times in G_FEATURES]
    latents = layers.LabelInput(self.num_classes, self.g_label)(latents, labels)
    first = layers.Dense(base * base * 2 * features[0], use_bias=False, kernel_init=kernel_init, spectral_norm=True)
    x = first(latents, train=train).reshape(-1, base, base, 2 * features[0])
    maps = [nn.glu(_batch_norm(train, self.axis_name)(x))]
    for level in range(1, doublings + 1):
      x = Block(features[level], train, convolutions=1 + level % 2, axis_name=self.axis_name)(maps[-1])
      if level >= 4 or level == doublings:
        x = Excitation(train, base)(x, maps[max(level - 4, 0)])
      maps.append(x)
    return jnp.tanh(_conv(self.channels, 3)(maps[-1], train=train))


class DownBlock(nn.Module):
  """Halves the size: the mean of two convolutions and of an average with one (figure 4 of the paper)."""

  features: int
  train: bool
  axis_name: str | None = None

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    """[N, H, W, I] -> [N, H / 2, W / 2, features]."""
    y = _halved(x, self.features, self.train, self.axis_name)
    y = leaky(_batch_norm(self.train, self.axis_name)(_conv(self.features, 3)(y, train=self.train)))
    direct = _conv(self.features, 1)(layers.pooled(x), train=self.train)
    return (y + leaky(_batch_norm(self.train, self.axis_name)(direct))) / 2


class Decoder(nn.Module):
  """Redraws a picture from a map: [N, s, s, F] -> [N, size, size, channels] in [-1, 1]."""

  size: int
  channels: int
  width: int
  axis_name: str | None = None

  @nn.compact
  def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
    # No spectral norm: nobody plays against it, and its vectors would not move with D's.
    for times in DECODER_FEATURES[: (self.size // x.shape[1]).bit_length() - 1]:
      features = max(1, int(self.width * times))
      x = Block(features, train, convolutions=1, spectral_norm=False, axis_name=self.axis_name)(x)
    return jnp.tanh(_conv(self.channels, 3, spectral_norm=False)(x))


class Discriminator(nn.Module):
  """Images [N, S, S, C] and labels [N] to the logits of patches [N, P], and the maps that pictures are redrawn from."""

  image_size: int
  channels: int
  width: int  # feature maps at 16 times the base, 64 px
  num_classes: int = 0  # 0: unconditional
  d_label: str = 'projection'  # how D reads the label, 'projection' or 'auxiliary'
  axis_name: str | None = None

  def setup(self) -> None:
    shape = {'size': redrawn_size(self.image_size), 'channels': self.channels, 'width': self.width}
    self.decoders = {name: Decoder(**shape, axis_name=self.axis_name) for name in ('whole', 'part', 'small')}

  @nn.compact
  def __call__(self, images: jax.Array, labels: jax.Array, *, train: bool) -> dict[str, jax.Array]:
    base, doublings = layers.resolution_plan(self.image_size)
    features = [max(1, int(self.width * times)) for times in D_FEATURES]
    maps = [leaky(_conv(features[doublings + 1], 3)(images, train=train))]
    for level in range(doublings - 1, 0, -1):  # to twice the base
      maps.append(DownBlock(features[level + 1], train, self.axis_name)(maps[-1]))
      if len(maps) > 3:
        maps[-1] = Excitation(train, base)(maps[-1], maps[-4])

    small = _shrunk(images, redrawn_size(self.image_size))
    levels = (small.shape[1] // base).bit_length() - 1
    small = leaky(_conv(features[levels + 1], 4, strides=(2, 2))(small, train=train))
    for level in range(levels - 2, 0, -1):
      small = _halved(small, features[level + 2], train, self.axis_name)

    found = {'whole': maps[-1], 'part': maps[-2], 'small': small}
    if self.is_initializing():
      self.redraw((found, images, 0), labels, train=train)
    return {**self._judged(maps[-1], small, labels, features[1], train), 'maps': found}

  def _judged(self, last, small, labels, features, train):
    judged = leaky(_batch_norm(train, self.axis_name)(_conv(features, 1)(last, train=train)))
    head = partial(layers.PatchHead, use_bias=False, kernel_init=kernel_init)
    whole = head(self.num_classes, self.d_label)(judged, labels, train=train)
    return layers.joined([whole, head()(small, labels, train=train)])

  def redraw(self, seen: tuple, labels: jax.Array, *, train: bool) -> list[tuple[jax.Array, jax.Array]]:
    """What the decoders make of the maps of images, beside what they ought to make: pairs of pictures.

    Args:
      seen: the maps, the images that they come from, and which quarter of them is redrawn from a part, 0 to 3.
    """
    maps, images, corner = seen
    size = redrawn_size(self.image_size)
    part, whole = _quarter(maps['part'], corner), _shrunk(images, size)
    draw = lambda name, x: self.decoders[name](x, train=train)
    pairs = [(draw(name, maps[name]), whole) for name in ('whole', 'small')]
    return [*pairs, (draw('part', part), _shrunk(_quarter(images, corner), size))]


def redrawn_size(image_size: int) -> int:
  """Pixels at which the second head reads a picture and the decoders redraw it."""
  return min(LARGEST_REDRAWN, image_size // 2)


def make(config: ConfigDict, axis_name: str | None = None) -> core.Algorithm:
  """Builds the recipe from a config such as `configs/fastgan.py`.

  Args:
    config: read once, here. `config.model.width` is both networks'.
    axis_name: the pmap axis that the step will run under; None for a global-view `jit`.

  Raises:
    ConfigError: a value that cannot be.
  """
  model, shape = config.model, {'image_size': config.data.image_size, 'channels': config.data.channels}
  generator_ = generator(config, axis_name)
  discriminator = Discriminator(
    **shape, width=model.width, num_classes=classes(config), d_label=model.d_label, axis_name=axis_name
  )
  return from_config.gan(config, generator_, discriminator, axis_name=axis_name)


def generator(config: ConfigDict, axis_name: str | None = None) -> Generator:
  """G as a config describes it.

  Raises:
    ConfigError: a size that cannot be, or a width below 1.
  """
  with reading('data'):
    layers.resolution_plan(config.data.image_size)
  if config.data.image_size < 16:
    raise ConfigError('data.image_size', config.data.image_size, 'at least 16')
  if config.model.width < 1:
    raise ConfigError('model.width', config.model.width, 'at least 1')
  return Generator(
    config.data.image_size, config.data.channels, config.model.width, classes(config), config.model.g_label, axis_name
  )


def _conv(features: int, size: int, layer: type[nn.Module] = layers.Conv, **options) -> nn.Module:
  options = {'use_bias': False, 'kernel_init': kernel_init, 'spectral_norm': True} | options
  return layer(features, (size, size), **options)


def _batch_norm(train: bool, axis_name: str | None) -> layers.BatchNorm:
  return layers.BatchNorm(use_running_average=not train, axis_name=axis_name)


def _halved(x: jax.Array, features: int, train: bool, axis_name: str | None) -> jax.Array:
  """Strided convolution, batch norm and leaky ReLU, called within a module."""
  return leaky(_batch_norm(train, axis_name)(_conv(features, 4, strides=(2, 2))(x, train=train)))


def _shrunk(x: jax.Array, size: int) -> jax.Array:
  """Means over squares: [N, S, S, C] -> [N, size, size, C]."""
  side = x.shape[1] // size
  return x.reshape(len(x), size, side, size, side, x.shape[3]).mean(axis=(2, 4))


def _quarter(x: jax.Array, corner: jax.Array | int) -> jax.Array:
  """The upper left, upper right, lower left or lower right (0 to 3) of [N, H, W, C]."""
  height, width = x.shape[1] // 2, x.shape[2] // 2
  start = (0, corner // 2 * height, corner % 2 * width, 0)
  return jax.lax.dynamic_slice(x, start, (x.shape[0], height, width, x.shape[3]))
