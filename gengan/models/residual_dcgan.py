"""DCGAN with a residual generator: more detail for the same discriminator.

G is the residual network of Gulrajani et al. (2017) and Miyato et al. (2018) with class-conditional batch norm
(Dumoulin et al. 2017; Miyato and Koyama 2018). Each block's upsampling and first 3x3 convolution are one transposed
convolution with a 4x4 kernel, which holds them and costs 4/9 as much. D is that of `gengan.models.dcgan`.
"""

from functools import partial

import jax
import jax.numpy as jnp
from flax import linen as nn
from ml_collections import ConfigDict

from gengan import core, layers
from gengan.config import ConfigError
from gengan.models import dcgan


class ConditionalBatchNorm(nn.Module):
  """Batch norm whose scale and bias are those of the image's class, or one for all without classes."""

  num_classes: int  # 0: unconditional
  train: bool
  groups: int = 1
  axis_name: str | None = None

  @nn.compact
  def __call__(self, x: jax.Array, labels: jax.Array) -> jax.Array:
    """Images [N, H, W, C] and labels [N] -> [N, H, W, C]."""
    x = layers.BatchNorm(use_running_average=not self.train, groups=self.groups, axis_name=self.axis_name)(x)
    if not self.num_classes:
      return x
    gain, bias = (
      nn.Embed(self.num_classes, x.shape[-1], embedding_init=nn.initializers.zeros_init(), name=name)(labels)
      for name in ('gain', 'bias')
    )
    return x * (1 + gain[:, None, None]) + bias[:, None, None]


class Generator(nn.Module):
  """Latents [N, Z] and labels [N] to images [N, S, S, C] in [-1, 1]; the width halves as the size doubles."""

  image_size: int
  channels: int
  width: int  # feature maps of the last block, at full size
  num_classes: int = 0  # 0: unconditional
  slope: float = 0.0  # of the leaky ReLU; 0 is a ReLU
  batch_norm_groups: int = 1
  axis_name: str | None = None

  @nn.compact
  def __call__(self, latents: jax.Array, labels: jax.Array, *, train: bool) -> jax.Array:
    base, doublings = layers.resolution_plan(self.image_size)

    def activated(x):
      norm = ConditionalBatchNorm(self.num_classes, train, self.batch_norm_groups, self.axis_name)
      return nn.leaky_relu(norm(x, labels), self.slope)

    if self.num_classes:
      latents = jnp.concatenate([latents, jax.nn.one_hot(labels, self.num_classes)], axis=-1)
    features = self.width * 2**doublings
    x = nn.Dense(base * base * features)(latents).reshape(-1, base, base, features)
    for _ in range(doublings):
      features //= 2
      y = layers.ConvTranspose(features, (4, 4), strides=(2, 2), use_bias=False)(activated(x))
      y = layers.Conv(features, (3, 3))(activated(y))
      x = _doubled(layers.Conv(features, (1, 1))(x)) + y
    return jnp.tanh(layers.Conv(self.channels, (3, 3))(activated(x)))


def make(config: ConfigDict, axis_name: str | None = None) -> core.Algorithm:
  """Builds the recipe from a config such as `configs/residual_dcgan.py`.

  Args:
    config: read once, here; that of a DCGAN and `config.model.g_width`. `config.model.width` is D's.
    axis_name: as in `gengan.models.dcgan.make`.

  Raises:
    ConfigError: as `gengan.models.dcgan.make`.
  """
  if config.model.g_width < 1:
    raise ConfigError('model.g_width', config.model.g_width, 'at least 1')
  return dcgan.make(config, axis_name, generator=partial(Generator, width=config.model.g_width))


def _doubled(x: jax.Array) -> jax.Array:
  """Every pixel of [N, H, W, C] twice in both directions (nearest neighbour)."""
  return jnp.repeat(jnp.repeat(x, 2, axis=1), 2, axis=2)
