"""Depthwise convolution (Chollet 2017), a kernel for each channel, quick on every backend, second gradients included.

Like a plain convolution (`gengan.layers.convolution`) it is a trilinear form: each of its derivatives has the other two
for its own. XLA:CPU runs through a convolution of one channel a group value by value. There it is a sum of shifted
images, each times a tap; elsewhere XLA's own form is the quick one.
"""

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from gengan.layers.convolution import Geometry, trilinear
from gengan.layers.linear import Padding, geometry_of


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def depthwise_conv(geometry: Geometry, x: jax.Array, w: jax.Array) -> jax.Array:
  """x [N, H, W, C], w [h, w, 1, C] as linen has it -> y [N, H', W', C]."""
  return lax.platform_dependent(x, w, cpu=partial(_shifted, geometry), default=partial(_of_xla, geometry))


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def depthwise_conv_transpose(geometry: Geometry, y: jax.Array, w: jax.Array) -> jax.Array:
  """Transpose of `depthwise_conv` in x: y [N, H', W', C], w [h, w, 1, C] -> x [N, H, W, C]."""
  images = jax.ShapeDtypeStruct((len(y), *geometry.input_size, y.shape[-1]), y.dtype)
  of_xla = lambda y, w: jax.linear_transpose(lambda x: _of_xla(geometry, x, w), images)(y)[0]
  return lax.platform_dependent(y, w, cpu=partial(_shifted_transpose, geometry), default=of_xla)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def depthwise_kernel_gradient(geometry: Geometry, x: jax.Array, y: jax.Array) -> jax.Array:
  """Gradient of <y, depthwise_conv(x, w)> in w: x [N, H, W, C], y [N, H', W', C] -> w [h, w, 1, C]."""
  kernel = jax.ShapeDtypeStruct((*geometry.kernel_size, 1, x.shape[-1]), x.dtype)
  of_xla = lambda x, y: jax.linear_transpose(lambda w: _of_xla(geometry, x, w), kernel)(y)[0]
  return lax.platform_dependent(x, y, cpu=partial(_row_by_row, geometry), default=of_xla)


trilinear(depthwise_conv, depthwise_conv_transpose, depthwise_kernel_gradient)


def _of_xla(geometry: Geometry, x: jax.Array, w: jax.Array) -> jax.Array:
  return lax.conv_general_dilated(
    x,
    w,
    geometry.strides,
    geometry.padding,
    dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
    feature_group_count=x.shape[-1],
  )


def _shifted(geometry: Geometry, x: jax.Array, w: jax.Array) -> jax.Array:
  """For each tap the pixels that it meets, every stride-th one from the tap's own place on."""
  (height, width), (rows, columns) = geometry.output_size, geometry.strides
  x = _padded(x, *geometry.padding)

  def pixels(a: int, b: int) -> jax.Array:
    stop = (len(x), a + (height - 1) * rows + 1, b + (width - 1) * columns + 1, x.shape[-1])
    return lax.slice(x, (0, a, b, 0), stop, (1, rows, columns, 1))

  return sum(pixels(a, b) * w[a, b, 0] for a in range(w.shape[0]) for b in range(w.shape[1]))


def _shifted_transpose(geometry: Geometry, y: jax.Array, w: jax.Array) -> jax.Array:
  """A stride of s splits x into s * s interleaved images; each is a sum over every s-th tap."""
  (height, width), (rows, columns) = geometry.input_size, geometry.strides
  high, wide = -(-height // rows), -(-width // columns)  # of an interleaved image
  above, left = (_reach(geometry, axis, size) for axis, size in enumerate((high, wide)))
  padded = _padded(y, above, left)

  def interleaved(row: int, column: int) -> jax.Array:
    places = [
      (a, b, above[0] + i, left[0] + j) for a, i in _places(geometry, 0, row) for b, j in _places(geometry, 1, column)
    ]
    x = jnp.zeros((len(y), high, wide, y.shape[-1]), y.dtype)
    return sum((padded[:, i : i + high, j : j + wide] * w[a, b, 0] for a, b, i, j in places), x)

  if rows == columns == 1:
    return interleaved(0, 0)
  lines = [jnp.stack([interleaved(row, column) for column in range(columns)], axis=3) for row in range(rows)]
  x = jnp.stack(lines, axis=2).reshape(len(y), high * rows, wide * columns, y.shape[-1])
  return x[:, :height, :width]


def _places(geometry: Geometry, axis: int, remainder: int) -> list[tuple[int, int]]:
  """The taps that reach pixels `remainder`, `remainder` + stride, ... and from which pixel of y on they do."""
  stride, low = geometry.strides[axis], geometry.padding[axis][0]
  taps = range((remainder + low) % stride, geometry.kernel_size[axis], stride)
  return [(tap, (remainder + low - tap) // stride) for tap in taps]


def _reach(geometry: Geometry, axis: int, size: int) -> tuple[int, int]:
  """The pixels before and behind y along an axis that `_places` asks for."""
  starts = [start for remainder in range(geometry.strides[axis]) for _, start in _places(geometry, axis, remainder)]
  return max(0, -min(starts)), max(0, max(starts) + size - geometry.output_size[axis])


def _row_by_row(geometry: Geometry, x: jax.Array, y: jax.Array) -> jax.Array:
  """A sum over the rows of y of products that stay in the cache, for all taps at once."""
  (taps_high, taps_wide), (rows, columns), width = geometry.kernel_size, geometry.strides, geometry.output_size[1]
  x = _padded(x, *geometry.padding)

  def add(i: jax.Array, total: jax.Array) -> jax.Array:
    seen, row = lax.dynamic_slice_in_dim(x, i * rows, taps_high, 1), lax.dynamic_index_in_dim(y, i, 1, keepdims=False)
    pixels = lambda a, b: seen[:, a, b : b + (width - 1) * columns + 1 : columns]
    sums = [jnp.stack([(pixels(a, b) * row).sum((0, 1)) for b in range(taps_wide)]) for a in range(taps_high)]
    return total + jnp.stack(sums)

  return lax.fori_loop(0, geometry.output_size[0], add, jnp.zeros((taps_high, taps_wide, x.shape[-1]), x.dtype))[
    :, :, None
  ]


def _padded(x: jax.Array, vertical: tuple[int, int], horizontal: tuple[int, int]) -> jax.Array:
  """With zeros around; negative padding crops."""
  return lax.pad(x, jnp.zeros((), x.dtype), ((0, 0, 0), (*vertical, 0), (*horizontal, 0), (0, 0, 0)))


def depthwise_convolved(
  x: jax.Array, kernel: jax.Array, *, strides: Sequence[int] = (1, 1), padding: Padding = 'SAME'
) -> jax.Array:
  """Each channel convolved with its own kernel: x [N, H, W, C], kernel [h, w, 1, C] -> [N, H', W', C].

  Args:
    strides: (vertical, horizontal).
    padding: 'SAME' as TensorFlow has it, 'VALID', or pixels, as in `gengan.layers.linear.Convolution`.

  Raises:
    ValueError: a kernel that is not [h, w, 1, C], or larger than the padded images.
  """
  if x.ndim != 4 or kernel.ndim != 4 or kernel.shape[2:] != (1, x.shape[-1]):
    raise ValueError(f'images {list(x.shape)} need a kernel [h, w, 1, C] of as many channels, not {list(kernel.shape)}')
  return depthwise_conv(geometry_of(x.shape[1:3], kernel.shape[:2], strides, padding), x, kernel)
