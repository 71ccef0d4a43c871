"""The type of all feature networks, and what they have in common about images."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp


class Network(NamedTuple):
  """A frozen network that turns images into features. Scores are comparable only where all fields but `apply` agree.

  `apply` takes images [N, H, W, C], uint8 or float in [-1, 1], and gives {'features': [N, D], ...} in float32. Every
  new shape of the images compiles again, so fill up the last batch.
  """

  name: str  # which network with which weights, 'inception_fid' for example
  sha256: str  # of the weights file, in hexadecimal
  size: int  # length D of a feature vector
  resizer: str  # how images are brought to the network's size; see `gengan.networks.resizers`
  precision: str  # of the arithmetic, 'float32' for example
  apply: Callable[[jax.Array], dict[str, jax.Array]]
  batch_size: int = 256  # images a call at most, for the sake of memory


def check_images(images: jax.Array) -> None:
  """Raises a ValueError unless they are [N, H, W, C] with C = 1 or 3, uint8 or float, as published networks want."""
  if images.ndim != 4 or images.shape[-1] not in (1, 3) or 0 in images.shape:
    raise ValueError(f'images must be [N, H, W, C] with C = 1 or 3, not {list(images.shape)}')
  if images.dtype != jnp.uint8 and not jnp.issubdtype(images.dtype, jnp.floating):
    raise ValueError(f'images must be uint8 or float in [-1, 1], not {images.dtype}')


def to_levels(images: jax.Array) -> jax.Array:
  """Grey levels from 0 to 255: those of uint8 images, x * 127.5 + 127.5 of float ones, clipped but not rounded."""
  if images.dtype == jnp.uint8:
    return images
  return jnp.clip(images.astype(jnp.float32) * 127.5 + 127.5, 0.0, 255.0)


def to_float(images: jax.Array) -> jax.Array:
  """uint8 to float32 in [-1, 1]; floats pass through."""
  return images.astype(jnp.float32) / 127.5 - 1.0 if images.dtype == jnp.uint8 else images
