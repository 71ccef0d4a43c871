"""Colour transformations, of which an image gets one affine map of its channels (Karras et al. 2020, appendix B)."""

import jax
import jax.numpy as jnp

from gengan.augment.ada.chance import rows_of
from gengan.core import ArgumentError

BRIGHTNESS = 0.2  # standard deviation; black and white are 2 apart
CONTRAST = 0.5  # standard deviation of the logarithm to the base 2
SATURATION = 1.0  # standard deviation of the logarithm to the base 2


def color(
  images: jax.Array, key: jax.Array, probability: jax.Array | float, *, axis_name: str | None = None
) -> jax.Array:
  """Brightness, contrast, luma flip, hue and saturation; of grey images the first three.

  Raises:
    ArgumentError: images of neither 1 nor 3 channels.
  """
  channels = images.shape[3]
  if channels not in (1, 3):
    raise ArgumentError('augment', 'ada_color', 'left out', why=f'which is for 1 or 3 channels, not {channels}')
  matrix, offset = _map(images, key, probability, axis_name)
  if channels == 1:
    scale = matrix.sum(axis=2).mean(axis=1)[:, None, None, None]  # of a grey pixel
    return (scale * images + offset.mean(axis=1)[:, None, None, None]).astype(images.dtype)
  moved = jnp.einsum('nij,nhwj->nhwi', matrix, images, precision=jax.lax.Precision.HIGHEST)
  return (moved + offset[:, None, None]).astype(images.dtype)


def _map(images: jax.Array, key: jax.Array, probability: jax.Array | float, axis_name: str | None):
  """Matrices [N, 3, 3] and offsets [N, 3] in the order of the paper: the offset takes part in all that follows it."""
  keys = jax.random.split(key, 5)
  draw = lambda number, draw, otherwise: rows_of(
    images, keys[number], probability, draw, otherwise, axis_name=axis_name
  )[:, None, None]
  normal = lambda deviation: lambda key, rows: deviation * jax.random.normal(key, (rows,))
  of_two = lambda deviation: lambda key, rows: 2.0 ** normal(deviation)(key, rows)
  brightness, contrast = draw(0, normal(BRIGHTNESS), 0.0), draw(1, of_two(CONTRAST), 1.0)
  flipped = draw(2, lambda key, rows: jax.random.bernoulli(key, 0.5, (rows,)).astype(jnp.float32), 0.0)
  angle = draw(3, lambda key, rows: jax.random.uniform(key, (rows,), minval=-jnp.pi, maxval=jnp.pi), 0.0)
  saturation = draw(4, of_two(SATURATION), 1.0)
  luma = jnp.full((3, 3), 1 / 3)  # the projection onto grey, v v' with v = (1, 1, 1) / sqrt 3
  chroma, across = jnp.eye(3) - luma, jnp.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / jnp.sqrt(3.0)  # v x
  # On grey and on what is left of it each of them is a number, or a turn around v (Rodrigues' formula).
  on_luma = contrast * (1 - 2 * flipped)
  matrix = on_luma * luma + contrast * saturation * (jnp.cos(angle) * chroma + jnp.sin(angle) * across)
  return matrix, jnp.broadcast_to((on_luma * brightness)[:, 0], (len(images), 3))
