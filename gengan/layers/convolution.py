"""Convolution as a trilinear form, with derivatives that stay quick to any order.

For a kernel w, strides s and padding p, write conv(x, w) = y. The scalar <y, conv(x, w)> is linear in x, w and y, and
its derivatives with respect to y, x and w are the three functions below. So each of them has the other two for its
derivatives, and reverse mode needs nothing else, however often it is applied.

XLA's own route differentiates the transposed convolution as a dilated one and meets, in the kernel's gradient, a
convolution that reads its kernel backwards (`rhs_reversal`). That has no quick code on a CPU and is slow in CUDA
(https://github.com/jax-ml/jax/issues/31662). XLA also folds an explicit `rev` of a kernel into such a convolution, so
kernels are turned here by picking their taps one by one. Forward-mode differentiation is not supported.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

FEW_FEATURES = 8  # below this, interleaving the sub-pixels costs more than multiplying with the zeros between them


class Geometry(NamedTuple):
  """All that a convolution is apart from its operands; each pair is (height, width)."""

  input_size: tuple[int, int]
  kernel_size: tuple[int, int]
  strides: tuple[int, int]
  padding: tuple[tuple[int, int], tuple[int, int]]  # (low, high) in pixels of the input; negative crops

  @property
  def output_size(self) -> tuple[int, int]:
    sizes = zip(self.input_size, self.kernel_size, self.strides, self.padding, strict=True)
    return tuple((size + low + high - taps) // stride + 1 for size, taps, stride, (low, high) in sizes)

  @property
  def axes(self):
    """(input size, output size, taps, stride, padding) of either axis."""
    return zip(self.input_size, self.output_size, self.kernel_size, self.strides, self.padding, strict=True)

  @property
  def is_matmul(self) -> bool:
    """Whether the kernel covers the input exactly, so that the output is one pixel."""
    return self.kernel_size == self.input_size and self.padding == ((0, 0), (0, 0))

  @property
  def is_pointwise(self) -> bool:
    """Whether each output pixel is the product of one input pixel and the kernel: quick on a CPU as a matrix only."""
    return self.kernel_size == self.strides == (1, 1) and self.padding == ((0, 0), (0, 0))


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def conv(geometry: Geometry, x: jax.Array, w: jax.Array) -> jax.Array:
  """Strided convolution: x [N, H, W, I], w [h, w, I, O] -> y [N, H', W', O]."""
  if geometry.is_matmul:
    return jnp.einsum('nhwi,hwio->no', x, w)[:, None, None]
  if geometry.is_pointwise:
    return x @ w[0, 0]
  return _strided(x, w, 'HWIO', geometry.strides, geometry.padding)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def conv_transpose(geometry: Geometry, y: jax.Array, w: jax.Array) -> jax.Array:
  """Transpose of `conv` in x: y [N, H', W', O], w [h, w, I, O] -> x [N, H, W, I].

  A stride of s splits x into s*s interleaved images; each is a plain convolution of y with every s-th tap of w.
  """
  if geometry.is_matmul:
    return jnp.einsum('no,hwio->nhwi', y[:, 0, 0], w)
  if geometry.is_pointwise:
    return y @ w[0, 0].T
  if max(geometry.strides) > 1 and w.shape[2] < FEW_FEATURES:
    return _dilated_conv_transpose(geometry, y, w)
  (height, width), (rows, columns) = geometry.input_size, geometry.strides
  high, wide = -(-height // rows), -(-width // columns)  # of a sub-pixel image

  def sub_pixels(row: int, column: int) -> jax.Array:
    taps, padding = zip(_sub_pixel(geometry, 0, row, high), _sub_pixel(geometry, 1, column, wide), strict=True)
    if not all(taps):  # a stride longer than the kernel leaves pixels that no tap reaches
      return jnp.zeros((y.shape[0], high, wide, w.shape[2]), y.dtype)
    return _strided(y, _pick(w, *taps), 'HWOI', (1, 1), padding)

  if rows == columns == 1:
    return sub_pixels(0, 0)
  lines = [jnp.stack([sub_pixels(r, c) for c in range(columns)], axis=3) for r in range(rows)]
  x = jnp.stack(lines, axis=2).reshape(y.shape[0], high * rows, wide * columns, w.shape[2])
  return x[:, :height, :width]


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def kernel_gradient(geometry: Geometry, x: jax.Array, y: jax.Array) -> jax.Array:
  """Gradient of <y, conv(x, w)> in w: x [N, H, W, I], y [N, H', W', O] -> w [h, w, I, O]."""
  if geometry.is_matmul:
    return jnp.einsum('nhwi,no->hwio', x, y[:, 0, 0])
  if geometry.is_pointwise:  # of flat images: contracted along three axes, they would be laid out anew first
    return (x.reshape(-1, x.shape[-1]).T @ y.reshape(-1, y.shape[-1]))[None, None]
  padding = [(low, taps + (out - 1) * stride - size - low) for size, out, taps, stride, (low, _) in geometry.axes]
  return lax.conv_general_dilated(
    x, y, (1, 1), padding, rhs_dilation=geometry.strides, dimension_numbers=('CHWN', 'IHWO', 'HWNC')
  )


def trilinear(conv, conv_transpose, kernel_gradient) -> None:
  """Gives three functions made by `jax.custom_vjp` each other for derivatives, as those of one trilinear form have.

  Args:
    conv: (settings, x, w) -> y, where the settings are not differentiated.
    conv_transpose: (settings, y, w) -> x.
    kernel_gradient: (settings, x, y) -> w.
  """
  conv.defvjp(
    lambda settings, x, w: (conv(settings, x, w), (x, w)),
    lambda settings, xw, y: (conv_transpose(settings, y, xw[1]), kernel_gradient(settings, xw[0], y)),
  )
  conv_transpose.defvjp(
    lambda settings, y, w: (conv_transpose(settings, y, w), (y, w)),
    lambda settings, yw, x: (conv(settings, x, yw[1]), kernel_gradient(settings, x, yw[0])),
  )
  kernel_gradient.defvjp(
    lambda settings, x, y: (kernel_gradient(settings, x, y), (x, y)),
    lambda settings, xy, w: (conv_transpose(settings, xy[1], w), conv(settings, xy[0], w)),
  )


trilinear(conv, conv_transpose, kernel_gradient)


@jax.custom_vjp
def turn(w: jax.Array) -> jax.Array:
  """Turns a kernel [h, w, I, O] by 180 degrees and swaps its features: [h, w, O, I]. Its own inverse and transpose."""
  return _pick(w, range(w.shape[0])[::-1], range(w.shape[1])[::-1]).swapaxes(2, 3)


turn.defvjp(lambda w: (turn(w), None), lambda _, g: (turn(g),))


def _strided(x: jax.Array, w: jax.Array, axes: str, strides, padding) -> jax.Array:
  """x [N, H, W, I] convolved with w, whose axes are 'HWIO' or 'HWOI'.

  XLA takes a kernel that is larger than the image for the image, which on a CPU is 20 to 70 times as slow as a sum of
  products over the taps.
  """
  if all(taps <= size for taps, size in zip(w.shape, x.shape[1:3], strict=False)):
    return lax.conv_general_dilated(x, w, strides, padding, dimension_numbers=('NHWC', axes, 'NHWC'))
  x = lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *((low, high, 0) for low, high in padding), (0, 0, 0)])
  spans = [size - taps + 1 for size, taps in zip(x.shape[1:3], w.shape, strict=False)]
  product = partial(jnp.einsum, f'NHWI,{axes[2:]}->NHWO', preferred_element_type=jnp.float32)
  seen = lambda row, column: x[:, row : row + spans[0] : strides[0], column : column + spans[1] : strides[1]]
  return sum(product(seen(*tap), w[tap]) for tap in np.ndindex(w.shape[:2])).astype(x.dtype)


def _pick(w: jax.Array, rows, columns) -> jax.Array:
  """The kernel of the given taps, in that order, without a `rev` that XLA could fold into a convolution."""
  return jnp.stack([jnp.stack([w[row, column] for column in columns]) for row in rows])


def _sub_pixel(geometry: Geometry, axis: int, remainder: int, size: int) -> tuple[list[int], tuple[int, int]]:
  """Taps and padding of the convolution that makes the pixels `remainder`, `remainder` + stride, ... along an axis."""
  stride, output_size = geometry.strides[axis], geometry.output_size[axis]
  shift, first = divmod(remainder + geometry.padding[axis][0], stride)
  taps = list(range(first, geometry.kernel_size[axis], stride))[::-1]
  low = len(taps) - 1 - shift
  return taps, (low, size - output_size - low + len(taps) - 1)


def _dilated_conv_transpose(geometry: Geometry, y: jax.Array, w: jax.Array) -> jax.Array:
  padding = [
    (taps - 1 - low, size + low - (out - 1) * stride - 1) for size, out, taps, stride, (low, _) in geometry.axes
  ]
  return lax.conv_general_dilated(
    y, turn(w), (1, 1), padding, lhs_dilation=geometry.strides, dimension_numbers=('NHWC', 'HWIO', 'NHWC')
  )
