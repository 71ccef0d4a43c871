"""Projected GAN (Sauer et al. 2021): discriminators that look through the eyes of a frozen, pretrained network.

The network is EfficientNet-Lite0, trained on ImageNet (extra `pretrained`). Its maps at 1/4 to 1/32 of the size are
mixed across channels and across scales by random convolutions that never change (section 3.2 of the paper), and a
small discriminator reads each of the four (section 3.3). G is that of FastGAN, as in the paper.
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from flax import linen as nn
from ml_collections import ConfigDict

from gengan import core, layers
from gengan.config import ConfigError, classes
from gengan.models import fastgan, from_config
from gengan.networks import efficientnet_lite

MIXED_FEATURES = 64  # of the largest map after mixing, doubled from one map to the next smaller one
D_PIXELS, D_TIMES = 64, 8  # a discriminator has its width at 64 pixels, doubled as the size halves, 8 times at most
leaky = partial(nn.leaky_relu, negative_slope=0.2)
kaiming = nn.initializers.variance_scaling(2.0, 'fan_in', 'normal')


class Projector(nn.Module):
  """Images [N, S, S, C] to four maps of a frozen network, mixed at random; it has no parameters.

  Everything lives in the collection 'frozen', so that a checkpoint stands alone.
  """

  size: int  # pixels to which images are enlarged for the network
  pretrained: Callable[[], core.PyTree]  # its weights

  @nn.compact
  def __call__(self, images: jax.Array) -> list[jax.Array]:
    """The maps from the largest to the smallest: [N, size / 4, size / 4, 64] to [N, size / 32, size / 32, 512]."""
    trunk = self.variable('frozen', 'trunk', self.pretrained).value
    shape = (len(images), self.size, self.size, 3)
    pictures = jax.image.resize(jnp.broadcast_to(images, (*images.shape[:3], 3)), shape, 'bilinear')
    maps = efficientnet_lite.feature_maps(trunk, pictures)
    across = [self._random(f'channels_{i}', x, 1, MIXED_FEATURES * 2**i) for i, x in enumerate(maps)]
    mixed = [across[-1]]
    for i in range(len(across) - 2, -1, -1):  # from the smallest up
      below = self._random(f'scales_{i + 1}', mixed[0], 3, across[i].shape[-1])
      mixed.insert(0, across[i] + jax.image.resize(below, across[i].shape, 'bilinear'))
    return mixed

  def _random(self, name: str, x: jax.Array, taps: int, features: int) -> jax.Array:
    shape = (taps, taps, x.shape[-1], features)
    kernel = self.variable('frozen', name, lambda: kaiming(self.make_rng('params'), shape, jnp.float32)).value
    return layers.convolved(x, kernel.astype(x.dtype))


class MapDiscriminator(nn.Module):
  """A map [N, H, W, C] and labels [N] to the logits of patches [N, P], halved down to `end_size` pixels."""

  width: int  # 64 in the paper
  end_size: int  # of the map that is judged; 8 in the paper, which enlarges images to 256
  num_classes: int = 0  # 0: unconditional
  d_label: str = 'projection'  # 'projection' or 'auxiliary'
  axis_name: str | None = None

  @nn.compact
  def __call__(self, x: jax.Array, labels: jax.Array, *, train: bool) -> jax.Array | dict[str, jax.Array]:
    while x.shape[1] > self.end_size:
      features = self.width * min(max(D_PIXELS // (x.shape[1] // 2), 1), D_TIMES)
      x = layers.Conv(features, (4, 4), strides=(2, 2), use_bias=False, spectral_norm=True)(x, train=train)
      x = leaky(layers.BatchNorm(use_running_average=not train, axis_name=self.axis_name)(x))
    taps = (min(4, x.shape[1]),) * 2
    return layers.PatchHead(self.num_classes, self.d_label, taps, use_bias=False)(x, labels, train=train)


class Discriminator(nn.Module):
  """Images [N, S, S, C] and labels [N] to the logits of all patches of all four maps [N, P]."""

  projector_size: int  # pixels, a multiple of 32
  pretrained: Callable[[], core.PyTree]
  width: int = 64
  num_classes: int = 0  # 0: unconditional
  d_label: str = 'projection'
  axis_name: str | None = None

  @nn.compact
  def __call__(self, images: jax.Array, labels: jax.Array, *, train: bool) -> jax.Array | dict[str, jax.Array]:
    maps = Projector(self.projector_size, self.pretrained)(images)
    end_size = max(2, maps[-1].shape[1])  # so that the smallest map is judged as it is, and each larger one is halved
    judge = partial(MapDiscriminator, self.width, end_size, self.num_classes, self.d_label, self.axis_name)
    return layers.joined([judge()(x, labels, train=train) for x in maps])


def make(config: ConfigDict, axis_name: str | None = None) -> core.Algorithm:
  """Builds the recipe from a config such as `configs/projected_gan.py`.

  Args:
    config: read once, here.
    axis_name: the pmap axis that the step will run under; None for a global-view `jit`.

  Raises:
    ConfigError: a value that cannot be.
  """
  model = config.model
  if model.projector_size < 32 or model.projector_size % 32:
    raise ConfigError('model.projector_size', model.projector_size, 'a multiple of 32')
  discriminator = Discriminator(
    model.projector_size,
    partial(efficientnet_lite.pretrained, model.pretrained),
    model.d_width,
    classes(config),
    model.d_label,
    axis_name,
  )
  return from_config.gan(config, fastgan.generator(config, axis_name), discriminator, axis_name=axis_name)
