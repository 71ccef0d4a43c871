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


class Generator(nn.Module):
  """Latents [N, Z] and labels [N] to images [N, S, S, C] in [-1, 1]; the width halves as the size doubles."""

  image_size: int
  channels: int
  width: int  # feature maps of the last block, at full size
  num_classes: int = 0  # 0: unconditional
  label: str = 'one_hot'  # how `layers.LabelInput` puts the class beside the latent; 'batch_norm': in the norms alone
  slope: float = 0.0  # of the leaky ReLU; 0 is a ReLU
  batch_norm_groups: int = 1
  axis_name: str | None = None

  @nn.compact
  def __call__(self, latents: jax.Array, labels: jax.Array, *, train: bool) -> jax.Array:
    base, doublings = layers.resolution_plan(self.image_size)

    norm = partial(
      layers.ConditionalBatchNorm,
      train,
      self.num_classes,
      groups=self.batch_norm_groups,
      axis_name=self.axis_name,
      common=True,
    )
    condition = labels if self.num_classes else None
    latents = layers.LabelInput(self.num_classes, self.label)(latents, labels, train=train)
    features = self.width * 2**doublings
    x = layers.Dense(base * base * features)(latents).reshape(-1, base, base, features)
    for _ in range(doublings):
      features //= 2
      x = layers.UpBlock(features, norm, self.slope, free=True)(x, condition, train=train)
    x = nn.leaky_relu(norm()(x, condition), self.slope)
    return jnp.tanh(layers.Conv(self.channels, (3, 3))(x))


def make(config: ConfigDict, axis_name: str | None = None) -> core.Algorithm:
  """Builds the recipe from a config such as `configs/residual_dcgan.py`.

  Args:
    config: read once, here; that of a DCGAN and `config.model.g_width`. `config.model.width` is D's. Whatever
      `config.model.g_label` puts beside the latent, the class is in G's norms as well.
    axis_name: as in `gengan.models.dcgan.make`.

  Raises:
    ConfigError: as `gengan.models.dcgan.make`.
  """
  if config.model.g_width < 1:
    raise ConfigError('model.g_width', config.model.g_width, 'at least 1')
  generator = partial(Generator, width=config.model.g_width, label=config.model.g_label)
  return dcgan.make(config, axis_name, generator=generator)
