"""Convolutions and the dense layer, each with optional spectral normalisation (Miyato et al. 2018)."""

import operator
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax.linen.dtypes import promote_dtype
from flax.typing import Initializer
from jax import lax

from gengan.layers.convolution import Geometry, conv, conv_transpose, turn

Padding = str | int | Sequence[int | tuple[int, int]]
lecun_normal = nn.initializers.lecun_normal()
zeros = nn.initializers.zeros_init()


class Convolution(nn.Module):
  """What `Conv` and `ConvTranspose` have in common.

  Attributes:
    features: O, of the output.
    kernel_size: (height, width).
    strides: (vertical, horizontal), or one number for both.
    padding: 'SAME', 'VALID', pixels for all sides, or ((top, bottom), (left, right)).
    use_bias: adds a bias [O].
    kernel_init: of 'kernel' [h, w, I, O].
    bias_init: of 'bias' [O].
    dtype: of the computation; None: that of images and parameters.
    spectral_norm: divides the kernel by its largest singular value, see `spectrally_normalized`.
  """

  features: int
  kernel_size: Sequence[int]
  strides: int | Sequence[int] = (1, 1)
  padding: Padding = 'SAME'
  use_bias: bool = True
  kernel_init: Initializer = lecun_normal
  bias_init: Initializer = zeros
  dtype: Any = None
  spectral_norm: bool = False

  @nn.compact
  def __call__(self, x: jax.Array, *, train: bool = False) -> jax.Array:
    """[N, H, W, I] -> [N, H', W', O]. `train` moves the spectral norm's vector; nothing else depends on it.

    Raises:
      ValueError: x is not [N, H, W, I], a setting is not a pair, or the kernel is larger than the padded input.
    """
    kernel_size, strides = _pair(self.kernel_size, 'kernel_size'), _pair(self.strides, 'strides')
    if x.ndim != 4:
      raise ValueError(f'images must be [N, H, W, C]; got the shape {x.shape}')
    shape = (*kernel_size, self._inputs(x.shape[-1]), self.features)
    x, kernel, bias = _operands(self, x, shape, train=train)
    y = self._convolve(x, kernel, kernel_size, strides)
    return y if bias is None else y + bias

  @nn.nowrap
  def _inputs(self, channels: int) -> int:
    """I of the kernel, of so many channels of the input."""
    return channels


class Conv(Convolution):
  """2-D convolution with the parameters and values of `flax.linen.Conv`; attributes as in `Convolution`."""

  @nn.nowrap
  def _convolve(self, x, kernel, kernel_size, strides):
    geometry = geometry_of(x.shape[1:3], kernel_size, strides, self.padding)
    return self._linear(geometry, x, kernel)

  @nn.nowrap
  def _linear(self, geometry: Geometry, x: jax.Array, kernel: jax.Array) -> jax.Array:
    return conv(geometry, x, kernel)


class ConvTranspose(Convolution):
  """2-D transposed convolution with the parameters and values of `flax.linen.ConvTranspose`.

  H' = H * stride with 'SAME'. The kernel is not turned, as in flax's default (`transpose_kernel=False`). Attributes as
  in `Convolution`; `padding` given in pixels is that of the dilated input, as in `jax.lax.conv_transpose`.

  >>> layer = ConvTranspose(16, (4, 4), strides=(2, 2))
  >>> images = jnp.zeros((2, 8, 8, 32))
  >>> layer.apply(layer.init(jax.random.key(0), images), images).shape
  (2, 16, 16, 16)
  """

  @nn.nowrap
  def _convolve(self, x, kernel, kernel_size, strides):
    size = x.shape[1:3]
    if isinstance(self.padding, str):
      pads = [_transposed_pads(k, s, self.padding) for k, s in zip(kernel_size, strides, strict=True)]
    else:
      pads = _pads(self.padding)
    axes = list(zip(size, kernel_size, strides, pads, strict=True))
    output_size = tuple((n - 1) * s + sum(pad) - k + 2 for n, k, s, pad in axes)
    if min(output_size) < 1:
      raise ValueError(f'padding {self.padding} leaves nothing of images of {size} pixels (kernel {kernel_size})')
    # The convolution from the output to x: what this layer is the transpose of.
    padding = tuple((k - 1 - low, k - 1 - high) for _, k, _, (low, high) in axes)
    return conv_transpose(Geometry(output_size, kernel_size, strides, padding), x, turn(kernel))


def convolved(
  x: jax.Array, kernel: jax.Array, *, strides: Sequence[int] = (1, 1), padding: Padding = 'SAME'
) -> jax.Array:
  """`Conv` as a function, without a bias: x [N, H, W, I], kernel [h, w, I, O] -> [N, H', W', O]."""
  return conv(geometry_of(x.shape[1:3], kernel.shape[:2], strides, padding), x, kernel)


def geometry_of(size: Sequence[int], kernel_size: Sequence[int], strides: Sequence[int], padding: Padding) -> Geometry:
  """That of a convolution of images of so many pixels, each pair (height, width); `padding` as in `Convolution`.

  Raises:
    ValueError: the kernel is larger than the padded images.
  """
  pads = lax.padtype_to_pads(size, kernel_size, strides, padding) if isinstance(padding, str) else padding
  geometry = Geometry(tuple(size), tuple(kernel_size), tuple(strides), _pads(pads))
  if min(geometry.output_size) < 1:
    raise ValueError(
      f'a {tuple(kernel_size)} kernel with padding {padding} does not fit into images of {tuple(size)} pixels'
    )
  return geometry


class Dense(nn.Module):
  """`flax.linen.Dense` with optional spectral normalisation; attributes as in `Convolution`, 'kernel' is [I, O]."""

  features: int
  use_bias: bool = True
  kernel_init: Initializer = lecun_normal
  bias_init: Initializer = zeros
  dtype: Any = None
  spectral_norm: bool = False

  @nn.compact
  def __call__(self, x: jax.Array, *, train: bool = False) -> jax.Array:
    """[..., I] -> [..., O]."""
    x, kernel, bias = _operands(self, x, (x.shape[-1], self.features), train=train)
    y = x @ kernel
    return y if bias is None else y + bias


def spectrally_normalized(module: nn.Module, kernel: jax.Array, *, update: bool) -> jax.Array:
  """The kernel [..., O] divided by the largest singular value of its matrix [-1, O] (Miyato et al. 2018, eq. 8).

  The value is u' W v of the power iteration; u [O] lives in the collection 'spectral_norm'. Gradients take u and v for
  constants and flow through W, so they are those of eq. 12.

  Args:
    module: the linen module that owns the kernel.
    kernel: any number of axes, the last one the output features.
    update: does one power iteration, and keeps its u where the collection is mutable. False: u stays.
  """
  weights = kernel.reshape(-1, kernel.shape[-1]).astype(jnp.float32)
  state = module.variable(
    'spectral_norm', 'u', lambda: _unit(jax.random.normal(module.make_rng('params'), kernel.shape[-1:]))
  )
  u, constant = state.value, lax.stop_gradient(weights)
  v = _unit(constant @ u)
  if update and not module.is_initializing():
    u = _unit(v @ constant)
    if module.is_mutable_collection('spectral_norm'):
      state.value = u
  return kernel / (v @ weights @ u).astype(kernel.dtype)


def _operands(module: nn.Module, x: jax.Array, kernel_shape: tuple[int, ...], *, train: bool):
  """x, the kernel and the bias (or None) in the dtype of the computation."""
  kernel = module.param('kernel', module.kernel_init, kernel_shape)
  bias = module.param('bias', module.bias_init, kernel_shape[-1:]) if module.use_bias else None
  if module.spectral_norm:
    kernel = spectrally_normalized(module, kernel, update=train)
  return promote_dtype(x, kernel, bias, dtype=module.dtype)


def _unit(vector: jax.Array) -> jax.Array:
  return vector / jnp.maximum(jnp.linalg.norm(vector), 1e-12)


def _pair(value: int | Sequence[int], name: str) -> tuple[int, int]:
  if name == 'strides' and isinstance(value, int):
    value = (value, value)
  if isinstance(value, int) or len(value) != 2 or min(value) < 1:
    raise ValueError(f'{name} is {value}; it must be two positive integers, (height, width)')
  return tuple(map(operator.index, value))


def _pads(padding: int | Sequence[int | tuple[int, int]]) -> tuple[tuple[int, int], tuple[int, int]]:
  """((top, bottom), (left, right)) of a padding in pixels."""
  sides = (padding, padding) if isinstance(padding, int) else padding
  sides = tuple((side, side) if isinstance(side, int) else tuple(side) for side in sides)
  if len(sides) != 2 or any(len(side) != 2 for side in sides):
    raise ValueError(f"padding is {padding}; it must be 'SAME', 'VALID', an integer or ((top, bottom), (left, right))")
  return sides


def _transposed_pads(taps: int, stride: int, padding: str) -> tuple[int, int]:
  """Padding of the dilated input along one axis, as `jax.lax.conv_transpose` chooses it."""
  if padding == 'SAME':
    total = taps + stride - 2
    low = taps - 1 if stride > taps - 1 else -(-total // 2)
  elif padding == 'VALID':
    total = taps + stride - 2 + max(taps - stride, 0)
    low = taps - 1
  else:
    raise ValueError(f"padding is {padding!r}; it must be 'SAME', 'VALID' or in pixels")
  return low, total - low
