"""Conditional batch normalisation: scale and bias of an image's own, by its class or by a vector."""

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax.typing import Initializer

from gengan.layers.heads import Embed
from gengan.layers.linear import Dense
from gengan.layers.normalization import BatchNorm


class ConditionalBatchNorm(nn.Module):
  """Batch norm, then x (1 + gain(c)) + bias(c), c a label or a vector; without a condition plain batch norm.

  Of labels 'gain' and 'bias' are embeddings (Dumoulin et al. 2017; Miyato and Koyama 2018), of vectors dense layers
  without a bias (Brock et al. 2019, appendix B).

  Attributes:
    train: normalises with the batch's statistics.
    num_classes: K, of labels; of vectors it has no meaning.
    groups: see `BatchNorm`.
    axis_name: see `BatchNorm`.
    momentum: see `BatchNorm`.
    common: all images also share the scale and the bias of plain batch norm.
    kernel_init: of gain and bias.
    spectral_norm: of gain and bias; with it they must not begin at zero.
  """

  train: bool
  num_classes: int = 0
  groups: int = 1
  axis_name: str | None = None
  momentum: float = 0.9
  common: bool = False
  kernel_init: Initializer = nn.initializers.zeros_init()
  spectral_norm: bool = False

  @nn.compact
  def __call__(self, x: jax.Array, condition: jax.Array | None = None) -> jax.Array:
    """[N, H, W, C] -> the same.

    Args:
      x: images.
      condition: labels [N], vectors [N, F], or None.
    """
    x = BatchNorm(
      use_running_average=not self.train,
      momentum=self.momentum,
      groups=self.groups,
      axis_name=self.axis_name,
      affine=self.common or condition is None,
    )(x)
    if condition is None:
      return x
    gain, bias = (self._of(condition, x.shape[-1], name)[:, None, None] for name in ('gain', 'bias'))
    return (x * (1 + gain) + bias).astype(x.dtype)

  def _of(self, condition: jax.Array, features: int, name: str) -> jax.Array:
    """[N, C]."""
    settings = {'spectral_norm': self.spectral_norm, 'name': name}
    if jnp.issubdtype(condition.dtype, jnp.integer):
      layer = Embed(self.num_classes, features, embedding_init=self.kernel_init, **settings)
    else:
      layer = Dense(features, use_bias=False, kernel_init=self.kernel_init, **settings)
    return layer(condition, train=self.train)
