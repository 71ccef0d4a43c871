"""Pixel blitting: flips, quarter turns and shifts by whole pixels, all exact (Karras et al. 2020, appendix B)."""

import jax
import jax.numpy as jnp

from gengan.augment.ada.chance import rows_of

MAX_SHIFT = 1 / 8  # of the image's side


def blit(
  images: jax.Array, key: jax.Array, probability: jax.Array | float, *, axis_name: str | None = None
) -> jax.Array:
  """A flip half of the times, then 0 to 3 quarter turns, then a shift of up to an eighth of the side both ways.

  What a shift brings in is the image mirrored at its edge.
  """
  keys = jax.random.split(key, 3)
  settings = {'axis_name': axis_name}
  integers = lambda shape, low, high: lambda key, rows: jax.random.randint(key, (rows, *shape), low, high)
  most = round(images.shape[1] * MAX_SHIFT)
  flipped = rows_of(images, keys[0], probability, integers((), 0, 2), 0, **settings)
  turns = rows_of(images, keys[1], probability, integers((), 0, 4), 0, **settings)
  offsets = rows_of(images, keys[2], probability, integers((2,), -most, most + 1), 0, **settings)
  return shift(turn(flip(images, flipped), turns), offsets)


def flip(images: jax.Array, flipped: jax.Array) -> jax.Array:
  """Left becomes right where flipped [N] is not 0."""
  return jnp.where(_column(flipped) > 0, images[:, :, ::-1], images)


def turn(images: jax.Array, turns: jax.Array) -> jax.Array:
  """So many quarter turns, [N] int32, to the left."""
  turned = images
  for number in (1, 2, 3):
    turned = jnp.where(_column(turns) == number, jnp.rot90(images, number, axes=(1, 2)), turned)
  return turned


def shift(images: jax.Array, offsets: jax.Array) -> jax.Array:
  """Moves by whole pixels, offsets [N, 2] int32 (down, right); mirrored at the edges, whose pixels are not repeated.

  Written as products, whose gradients are products; that of a gather would be a scatter.
  """
  matrices = [
    (mirrored(jnp.arange(size) - offsets[:, axis, None], size)[..., None] == jnp.arange(size)).astype(images.dtype)
    for axis, size in enumerate(images.shape[1:3])
  ]
  moved = jnp.einsum('nij,njwc->niwc', matrices[0], images, precision=jax.lax.Precision.HIGHEST)
  return jnp.einsum('nij,nhjc->nhic', matrices[1], moved, precision=jax.lax.Precision.HIGHEST)


def mirrored(positions: jax.Array, size: int) -> jax.Array:
  """Positions of any real value folded into [0, size - 1] by mirrors at the first and the last pixel."""
  period = 2 * (size - 1)
  folded = jnp.mod(positions, period)
  return jnp.minimum(folded, period - folded)


def _column(values: jax.Array) -> jax.Array:
  return values[:, None, None, None]
