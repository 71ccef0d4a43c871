"""Residual blocks that change an image's size, as in WGAN-GP, SNGAN, SAGAN and BigGAN.

The shortcuts' 1x1 convolutions are taken on the smaller of the two images, which gives the same numbers.
"""

from collections.abc import Callable

import jax
from flax import linen as nn
from flax.typing import Initializer

from gengan.layers.doubling import ConvAfterDoubling, ConvBeforePooling, doubled, pooled
from gengan.layers.linear import Conv, ConvTranspose, Dense, lecun_normal


class UpBlock(nn.Module):
  """A generator's block (Gulrajani et al. 2017, appendix F; Miyato et al. 2018, figure 8): twice the size.

  Norm, activation, doubling, 3x3, norm, activation, 3x3; and beside it doubling, 1x1.

  Attributes:
    features: of the output.
    norm: makes a layer `(x, condition) -> x`.
    slope: of the leaky ReLU; 0 is a ReLU.
    free: instead of doubling and 3x3 a transposed 4x4 convolution without bias, which can be any such pair and more.
    kernel_init: of the 3x3 kernels.
    shortcut_init: of the 1x1 kernel.
    spectral_norm: of all three.
  """

  features: int
  norm: Callable[[], nn.Module]
  slope: float = 0.0
  free: bool = False
  kernel_init: Initializer = lecun_normal
  shortcut_init: Initializer = lecun_normal
  spectral_norm: bool = False

  @nn.compact
  def __call__(self, x: jax.Array, condition: jax.Array | None = None, *, train: bool) -> jax.Array:
    """[N, H, W, C] -> [N, 2H, 2W, features]."""
    settings = {'kernel_init': self.kernel_init, 'spectral_norm': self.spectral_norm}
    activated = lambda x: nn.leaky_relu(self.norm()(x, condition), self.slope)
    if self.free:
      up = ConvTranspose(self.features, (4, 4), strides=(2, 2), use_bias=False, **settings)
    else:
      up = ConvAfterDoubling(self.features, (3, 3), **settings)
    y = up(activated(x), train=train)
    y = Conv(self.features, (3, 3), **settings)(activated(y), train=train)
    shortcut = Dense(self.features, kernel_init=self.shortcut_init, spectral_norm=self.spectral_norm)
    return doubled(shortcut(x, train=train)) + y


class DownBlock(nn.Module):
  """A discriminator's block (Gulrajani et al. 2017, appendix F; Miyato et al. 2018, figure 8): half the size.

  [Norm,] activation, 3x3, [norm,] activation, 3x3, means of 2x2; and beside it 1x1, means of 2x2.

  Attributes:
    features: of the output.
    down: False: the size stays, and the shortcut is the input itself where its features stay too.
    first: the block of images: it begins with its first 3x3 convolution, not with norm and activation.
    norm: makes a layer `x -> x`; None: there is none.
    kernel_init: of the 3x3 kernels.
    shortcut_init: of the 1x1 kernel.
    spectral_norm: of all three.
  """

  features: int
  down: bool = True
  first: bool = False
  norm: Callable[[], nn.Module] | None = None
  kernel_init: Initializer = lecun_normal
  shortcut_init: Initializer = lecun_normal
  spectral_norm: bool = False

  @nn.compact
  def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
    """[N, H, W, C] -> [N, H / 2, W / 2, features], or [N, H, W, features]."""
    settings = {'kernel_init': self.kernel_init, 'spectral_norm': self.spectral_norm}
    activated = lambda x: nn.relu(x if self.norm is None else self.norm()(x))
    y = Conv(self.features, (3, 3), **settings)(x if self.first else activated(x), train=train)
    last = ConvBeforePooling if self.down else Conv
    y = last(self.features, (3, 3), **settings)(activated(y), train=train)
    if not self.down and x.shape[-1] == self.features:
      return x + y
    shortcut = Dense(self.features, kernel_init=self.shortcut_init, spectral_norm=self.spectral_norm)
    return shortcut(pooled(x) if self.down else x, train=train) + y
