"""Convolutions with a change of size by two, exactly as in two steps and with 4/9 of the products.

Every tap of a 3x3 kernel on an image of doubled pixels falls on one pixel of the image itself, and the mean of 2x2
outputs of a 3x3 kernel is one output of a 4x4 kernel. Per axis both 4x4 kernels are [k0, k0 + k1, k1 + k2, k2].
"""

import jax
import jax.numpy as jnp
from flax import linen as nn

from gengan.layers.convolution import Geometry, conv, conv_transpose, turn
from gengan.layers.linear import Convolution


class ConvAfterDoubling(Convolution):
  """`Conv` with 'SAME' padding on the image with every pixel doubled (nearest neighbour): 2H x 2W.

  Parameters are those of `Conv`; the kernel is of an odd size. Attributes as in `Convolution`.

  >>> layer = ConvAfterDoubling(4, (3, 3))
  >>> images = jnp.zeros((2, 8, 8, 3))
  >>> layer.apply(layer.init(jax.random.key(0), images), images).shape
  (2, 16, 16, 4)
  """

  @nn.nowrap
  def _convolve(self, x, kernel, kernel_size, strides):
    geometry = _geometry(self, (2 * x.shape[1], 2 * x.shape[2]), kernel_size, strides)
    return conv_transpose(geometry, x, turn(_widened(kernel)))


class ConvBeforePooling(Convolution):
  """`Conv` with 'SAME' padding and then the means of 2x2 pixels: H / 2 x W / 2.

  Parameters are those of `Conv`; the kernel is of an odd size. Attributes as in `Convolution`.

  >>> layer = ConvBeforePooling(4, (3, 3))
  >>> images = jnp.zeros((2, 8, 8, 3))
  >>> layer.apply(layer.init(jax.random.key(0), images), images).shape
  (2, 4, 4, 4)
  """

  @nn.nowrap
  def _convolve(self, x, kernel, kernel_size, strides):
    return conv(_geometry(self, x.shape[1:3], kernel_size, strides), x, _widened(kernel) / 4)


def doubled(x: jax.Array) -> jax.Array:
  """Every pixel of [N, H, W, C] twice in both directions (nearest neighbour)."""
  rows, height, width, features = x.shape
  x = jnp.broadcast_to(x[:, :, None, :, None], (rows, height, 2, width, 2, features))
  return x.reshape(rows, 2 * height, 2 * width, features)


def pooled(x: jax.Array) -> jax.Array:
  """Means of 2x2 pixels: [N, H, W, C] -> [N, H / 2, W / 2, C]."""
  return blocks_of_2x2(x).mean(axis=(2, 4))


def blocks_of_2x2(x: jax.Array) -> jax.Array:
  """[N, H, W, C] -> [N, H / 2, 2, W / 2, 2, C]."""
  rows, height, width, features = x.shape
  if height % 2 or width % 2:
    raise ValueError(f'images of {height} x {width} pixels cannot be halved; both sides must be even')
  return x.reshape(rows, height // 2, 2, width // 2, 2, features)


def _geometry(layer: Convolution, size: tuple[int, int], kernel_size, strides) -> Geometry:
  """Of the strided convolution from the larger of the two images to the smaller."""
  if strides != (1, 1) or layer.padding != 'SAME' or not all(taps % 2 for taps in kernel_size):
    raise ValueError(f'the kernel must be of an odd size, without strides and padded SAME; it is {kernel_size}')
  if size[0] % 2 or size[1] % 2:
    raise ValueError(f'images of {size[0]} x {size[1]} pixels cannot be halved; both sides must be even')
  padding = tuple((taps // 2, taps // 2) for taps in kernel_size)
  return Geometry(size, tuple(taps + 1 for taps in kernel_size), (2, 2), padding)


def _widened(kernel: jax.Array) -> jax.Array:
  """Sum of the kernel [h, w, I, O] at the four places of a 2x2 square: [h + 1, w + 1, I, O]."""
  for axis in (0, 1):
    low, high = ([(0, 0)] * axis + [pad] + [(0, 0)] * (3 - axis) for pad in ((1, 0), (0, 1)))
    kernel = jnp.pad(kernel, low) + jnp.pad(kernel, high)
  return kernel
