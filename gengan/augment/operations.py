"""Differentiable operations on images: colour, translation, cutout and noise (DiffAugment; Zhao et al. 2020).

Every operation is a pure function of images [N, H, W, C] in [-1, 1] and of one amount a row. Those that take a key draw
the amounts.
"""

import jax
import jax.numpy as jnp

from gengan import core

MAX_SHIFT = 1 / 8  # of the image's side, up and down, left and right
HOLE = 1 / 2  # of the image's side
MAX_NOISE = 0.4  # standard deviation; black and white are 2 apart


def brightness(images: jax.Array, shift: jax.Array) -> jax.Array:
  """Adds shift [N], as drawn by the policy from U[-0.5, 0.5], to every pixel."""
  return images + _column(shift)


def saturation(images: jax.Array, factor: jax.Array) -> jax.Array:
  """Moves every pixel's channels from (0) or beyond (2) their mean by factor [N]; grey images stay as they are."""
  grey = images.mean(axis=3, keepdims=True)
  return grey + _column(factor) * (images - grey)


def contrast(images: jax.Array, factor: jax.Array) -> jax.Array:
  """Scales the distance of every pixel to its image's mean by factor [N]."""
  mean = images.mean(axis=(1, 2, 3), keepdims=True)
  return mean + _column(factor) * (images - mean)


def translate(images: jax.Array, offset: jax.Array) -> jax.Array:
  """Moves every image by whole pixels, offset [N, 2] int32 (down, right); what comes in is 0, mid-grey.

  Written as products with shift matrices, whose gradient is another product; that of a gather would be a scatter.
  """
  down, right = _shifts(images.shape[1], offset[:, 0]), _shifts(images.shape[2], offset[:, 1])
  moved = jnp.einsum('nij,njwc->niwc', down, images, precision=jax.lax.Precision.HIGHEST)
  return jnp.einsum('nij,nhjc->nhic', right, moved, precision=jax.lax.Precision.HIGHEST)


def cutout(images: jax.Array, centre: jax.Array) -> jax.Array:
  """Sets a square of half the side, around centre [N, 2] int32 (row, column) and cut at the border, to 0."""
  inside = []
  for axis, size in enumerate(images.shape[1:3]):
    hole = round(size * HOLE)
    start = centre[:, axis, None] - hole // 2
    positions = jnp.arange(size)
    inside.append((positions >= start) & (positions < start + hole))
  hole = inside[0][:, :, None] & inside[1][:, None, :]
  return jnp.where(hole[..., None], 0.0, images)


def color(images: jax.Array, key: jax.Array, *, axis_name: str | None = None) -> jax.Array:
  """Brightness by U[-0.5, 0.5], then saturation times U[0, 2], then contrast times U[0.5, 1.5]."""
  draw = lambda rows: jax.random.uniform(key, (rows, 3))
  amounts = core.local_rows(draw, len(images), axis_name)
  images = brightness(images, amounts[:, 0] - 0.5)
  images = saturation(images, 2.0 * amounts[:, 1])
  return contrast(images, amounts[:, 2] + 0.5)


def translation(images: jax.Array, key: jax.Array, *, axis_name: str | None = None) -> jax.Array:
  """`translate` by up to an eighth of the side."""
  limits = jnp.array([round(size * MAX_SHIFT) for size in images.shape[1:3]])
  draw = lambda rows: jax.random.randint(key, (rows, 2), -limits, limits + 1)
  return translate(images, core.local_rows(draw, len(images), axis_name))


def flip(images: jax.Array, key: jax.Array, *, axis_name: str | None = None) -> jax.Array:
  """Mirrors every other image or so, left to right."""
  draw = lambda rows: jax.random.bernoulli(key, shape=(rows, 1, 1, 1))
  return jnp.where(core.local_rows(draw, len(images), axis_name), images[:, :, ::-1], images)


def hole(images: jax.Array, key: jax.Array, *, axis_name: str | None = None) -> jax.Array:
  """`cutout` around a pixel drawn from the whole image."""
  draw = lambda rows: jax.random.randint(key, (rows, 2), 0, jnp.array(images.shape[1:3]))
  return cutout(images, core.local_rows(draw, len(images), axis_name))


def noise(images: jax.Array, key: jax.Array, *, axis_name: str | None = None) -> jax.Array:
  """Adds Gaussian noise to every pixel, of a standard deviation that an image draws from U[0, 0.4].

  None of DiffAugment's: noise hides the fine traces by which a network tells generated images from real ones, from D
  (instance noise; Arjovsky and Bottou 2017) as from a classifier that is to learn from the one and know the other.
  """
  level_key, noise_key = jax.random.split(key)

  def draw(rows: int) -> jax.Array:
    deviations = MAX_NOISE * jax.random.uniform(level_key, (rows, 1, 1, 1))
    return deviations * jax.random.normal(noise_key, (rows, *images.shape[1:]))

  return images + core.local_rows(draw, len(images), axis_name)


def _column(values: jax.Array) -> jax.Array:
  return values[:, None, None, None]


def _shifts(size: int, offsets: jax.Array) -> jax.Array:
  """[N, size, size]: row i of the result is row i - offset of what it is multiplied with, or 0 where there is none."""
  positions = jnp.arange(size)
  return (positions[:, None] - offsets[:, None, None] == positions).astype(jnp.float32)
