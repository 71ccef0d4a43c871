"""Image-space corruption: noise and cutout (Karras et al. 2020, appendix B)."""

import jax
import jax.numpy as jnp

from gengan import core
from gengan.augment import operations
from gengan.augment.ada.chance import rows_of

NOISE = 0.1  # standard deviation of what is the standard deviation of the noise


def noise(
  images: jax.Array, key: jax.Array, probability: jax.Array | float, *, axis_name: str | None = None
) -> jax.Array:
  """Gaussian noise on every value, of a standard deviation |N(0, 0.1)|."""
  level_key, noise_key = jax.random.split(key)
  draw = lambda key, rows: NOISE * jnp.abs(jax.random.normal(key, (rows, 1, 1, 1)))
  level = rows_of(images, level_key, probability, draw, 0.0, axis_name=axis_name)
  values = lambda rows: jax.random.normal(noise_key, (rows, *images.shape[1:]), images.dtype)
  return images + level.astype(images.dtype) * core.local_rows(values, len(images), axis_name)


def cutout(
  images: jax.Array, key: jax.Array, probability: jax.Array | float, *, axis_name: str | None = None
) -> jax.Array:
  """A square of half the side, around a pixel drawn from the whole image, becomes mid-grey."""
  far = jnp.array([-s for s in images.shape[1:3]])  # a centre outside leaves the image alone
  centres = lambda key, rows: jax.random.randint(key, (rows, 2), 0, jnp.array(images.shape[1:3]))
  return operations.cutout(images, rows_of(images, key, probability, centres, far, axis_name=axis_name))
