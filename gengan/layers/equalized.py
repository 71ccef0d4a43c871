"""Layers with an equalized learning rate (Karras et al. 2018, section 4.1): weights are scaled when they are used.

Kernels are drawn from N(0, 1) and multiplied with 1 / sqrt(inputs) at every use. Adam moves all weights by equal
amounts, and so all layers by the same share of their scale.
"""

import math

import jax
from flax import linen as nn

from gengan.layers.convolution import Geometry, conv
from gengan.layers.resampling import BINOMIAL, blurred

unit_normal = nn.initializers.normal(1.0)


def leaky(x: jax.Array) -> jax.Array:
  """sqrt(2) times the leaky ReLU with slope 0.2, about as large as x (Karras et al. 2020, appendix B)."""
  return math.sqrt(2) * nn.leaky_relu(x, 0.2)


class EqualizedDense(nn.Module):
  """Dense layer [..., I] -> [..., O]: x (c k) + l b with c = l / sqrt(I), 'kernel' k [I, O] from N(0, 1 / l^2).

  Attributes:
    features: O.
    use_bias: adds 'bias' b [O].
    bias: its value at the start.
    lr_multiplier: l, how fast it learns beside other layers; 0.01 in a mapping network (Karras et al. 2019).
  """

  features: int
  use_bias: bool = True
  bias: float = 0.0
  lr_multiplier: float = 1.0

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    shape, rate = (x.shape[-1], self.features), self.lr_multiplier
    kernel = self.param('kernel', nn.initializers.normal(1 / rate), shape)
    y = x @ (kernel * (rate / math.sqrt(shape[0]))).astype(x.dtype)
    if not self.use_bias:
      return y
    bias = self.param('bias', nn.initializers.constant(self.bias / rate), (self.features,))
    return y + (rate * bias).astype(x.dtype)


class EqualizedConv(nn.Module):
  """Convolution of images [N, H, W, I], padded SAME: 'kernel' [k, k, I, O] over sqrt(k k I), 'bias' [O].

  Attributes:
    features: O.
    kernel_size: k, odd.
    use_bias: adds 'bias', 0 at the start.
    down: 2: blurs the image and takes every second pixel, H / 2 x W / 2.
    taps: of that blur.
  """

  features: int
  kernel_size: int
  use_bias: bool = True
  down: int = 1
  taps: tuple[float, ...] = BINOMIAL

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    shape = (self.kernel_size, self.kernel_size, x.shape[-1], self.features)
    kernel = self.param('kernel', unit_normal, shape) / math.sqrt(math.prod(shape[:3]))
    y = conv_down(x, kernel.astype(x.dtype), down=self.down, taps=self.taps)
    if not self.use_bias:
      return y
    return y + self.param('bias', nn.initializers.zeros_init(), (self.features,)).astype(x.dtype)


def conv_down(x: jax.Array, kernel: jax.Array, *, down: int, taps: tuple[float, ...] = BINOMIAL) -> jax.Array:
  """Convolution padded SAME of every `down`-th pixel after a blur: x [N, H, W, I] -> [N, H / down, W / down, O]."""
  size, pad = kernel.shape[0], kernel.shape[0] // 2
  if down > 1:
    # The convolution's padding is blurred with the image, as if it were a part of it.
    x = blurred(x, taps, padding=(pad + (len(taps) - down + 1) // 2, pad + (len(taps) - down) // 2))
    pad = 0
  geometry = Geometry(x.shape[1:3], (size, size), (down, down), ((pad, pad), (pad, pad)))
  return conv(geometry, x, kernel)
