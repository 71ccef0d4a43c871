"""General geometric transformations, of which an image gets one affine map, resampled once.

The paper resamples through a wavelet filter at twice the size. Here a pixel is read through a cubic kernel (Keys 1981,
eq. 4), widened where the map shrinks the image, and up to 64 px as products with matrices of weights: their gradients
are products again, where those of a gather would be slow scatters on a CPU.
"""

import jax
import jax.numpy as jnp

from gengan.augment.ada.blitting import mirrored
from gengan.augment.ada.chance import rows_of

SCALE = 0.2  # standard deviation of the logarithm to the base 2, of all scales
SHIFT = 0.125  # standard deviation, of the image's side
LARGEST_PRODUCT = 64  # pixels up to which weights are matrices
TAPS = 4  # of the kernel at its own width, along an axis
WIDEST = 2.0  # so many times wider at most


def geometric(
  images: jax.Array, key: jax.Array, probability: jax.Array | float, *, axis_name: str | None = None
) -> jax.Array:
  """Scaling, rotation, scaling of one axis against the other, rotation, shift (appendix B, in this order)."""
  return warp(images, affine(images, key, probability, axis_name=axis_name))


def affine(
  images: jax.Array, key: jax.Array, probability: jax.Array | float, *, axis_name: str | None = None
) -> jax.Array:
  """Where each pixel of the result is read, [N, 2, 3]: rows for x and y, of (x, y, 1) from the centre in sides.

  The two rotations share their probability, 1 - (1 - p_r)^2 = p, so that an image is rotated with probability p.
  """
  keys = jax.random.split(key, 5)
  draw = lambda number, probability, draw, otherwise: rows_of(
    images, keys[number], probability, draw, otherwise, axis_name=axis_name
  )
  scales = lambda key, rows: 2.0 ** (SCALE * jax.random.normal(key, (rows,)))
  angles = lambda key, rows: jax.random.uniform(key, (rows,), minval=-jnp.pi, maxval=jnp.pi)
  shifts = lambda key, rows: SHIFT * jax.random.normal(key, (rows, 2))
  for_rotation = 1.0 - jnp.sqrt(1.0 - jnp.asarray(probability, jnp.float32))
  scale, stretch = draw(0, probability, scales, 1.0), draw(2, probability, scales, 1.0)
  before, after = draw(1, for_rotation, angles, 0.0), draw(3, for_rotation, angles, 0.0)
  shift = draw(4, probability, shifts, 0.0)
  # Read backwards, from the result to the image: the last transformation comes off first.
  linear = _rotation(before) @ _diagonal(1 / stretch, stretch) @ _rotation(after) / scale[:, None, None]
  return jnp.concatenate([linear, -linear @ shift[:, :, None]], axis=2)


def warp(images: jax.Array, affine: jax.Array) -> jax.Array:
  """Images [N, S, S, C] read where the affine maps [N, 2, 3] say; beyond an edge they are mirrored.

  An image whose map is the identity stays as it is, bit by bit.
  """
  size = images.shape[1]
  if images.shape[2] != size:
    raise ValueError(f'images must be square; got {size} x {images.shape[2]} pixels')
  affine = jax.lax.stop_gradient(affine)
  ticks = (jnp.arange(size) - (size - 1) / 2) / size
  grid = jnp.stack([*jnp.meshgrid(ticks, ticks), jnp.ones((size, size))], axis=-1).reshape(-1, 3)  # (x, y, 1)
  where = jnp.einsum('nij,dj->nid', affine, grid, precision=jax.lax.Precision.HIGHEST) * size + (size - 1) / 2
  # Pixels of the image to one of the result, along either axis.
  steps = jnp.clip(jnp.linalg.norm(affine[:, :, :2], axis=2), 1.0, WIDEST)
  columns, rows = (mirrored(where[:, axis], size) for axis in (0, 1))
  read = _by_products if size <= LARGEST_PRODUCT else _by_gathering
  found = read(images, (rows, steps[:, 1]), (columns, steps[:, 0])).reshape(images.shape).astype(images.dtype)
  alone = jnp.all(affine == jnp.eye(2, 3), axis=(1, 2))
  return jnp.where(alone[:, None, None, None], images, found)


def _by_products(images, rows, columns):
  """[N, D, C]: sum over i of the row weights [N, D, i] of what the column weights make of the image."""
  size = images.shape[1]
  margin = int(WIDEST * TAPS / 2)
  pad = min(margin, size - 1)
  padded = jnp.pad(images, ((0, 0), (pad, pad), (pad, pad), (0, 0)), mode='reflect')
  taps = jnp.arange(-pad, size + pad)
  of_rows, of_columns = (
    _weights(position[..., None] - taps, step[:, None, None]) for position, step in (rows, columns)
  )
  across = jnp.einsum('ndj,nijc->ndic', of_columns.astype(images.dtype), padded)
  return jnp.einsum('ndi,ndic->ndc', of_rows.astype(images.dtype), across)


def _by_gathering(images, rows, columns):
  size, near = images.shape[1], jnp.arange(1 - int(WIDEST * TAPS / 2), 1 + int(WIDEST * TAPS / 2))
  taps, weights = [], []
  for position, step in (rows, columns):
    at = jnp.floor(position)[..., None] + near
    weights.append(_weights(position[..., None] - at, step[:, None, None]).astype(images.dtype))
    taps.append(mirrored(at, size).astype(jnp.int32))
  image = jnp.arange(len(images))[:, None, None, None]
  pixels = images[image, taps[0][..., :, None], taps[1][..., None, :]]  # [N, D, i, j, C]
  return jnp.einsum('ndi,ndj,ndijc->ndc', *weights, pixels)


def _weights(distances: jax.Array, width: jax.Array) -> jax.Array:
  """Of pixels at such distances along the last axis: Keys' cubic kernel with a = -1/2, so much wider; they sum to 1."""
  x = jnp.abs(distances) / width
  inner, outer = (1.5 * x - 2.5) * x * x + 1, ((-0.5 * x + 2.5) * x - 4) * x + 2
  weights = jnp.where(x <= 1, inner, jnp.where(x < 2, outer, 0.0))
  return weights / weights.sum(axis=-1, keepdims=True)


def _rotation(angle: jax.Array) -> jax.Array:
  """[N] -> [N, 2, 2]."""
  cos, sin = jnp.cos(angle), jnp.sin(angle)
  return jnp.stack([jnp.stack([cos, -sin], axis=-1), jnp.stack([sin, cos], axis=-1)], axis=-2)


def _diagonal(*values: jax.Array) -> jax.Array:
  """Two of [N] -> [N, 2, 2]."""
  return jnp.stack(values, axis=-1)[:, None] * jnp.eye(2)
