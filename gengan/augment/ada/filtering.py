"""Image-space filtering: some of four frequency bands louder or softer (Karras et al. 2020, appendix B)."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from gengan.augment.ada.blitting import mirrored
from gengan.augment.ada.chance import rows_of

GAIN = 1.0  # standard deviation of the logarithm to the base 2
POWER = np.array([10.0, 1.0, 1.0, 1.0]) / 13.0  # of natural images in the bands, from the lowest
# Daubechies' wavelet of two vanishing moments (sym2), the low-pass filter of its decomposition.
SYM2 = np.array([1 - np.sqrt(3), 3 - np.sqrt(3), 3 + np.sqrt(3), 1 + np.sqrt(3)]) / (4 * np.sqrt(2))


def image_filter(
  images: jax.Array, key: jax.Array, probability: jax.Array | float, *, axis_name: str | None = None
) -> jax.Array:
  """Each band times 2^N(0, 1) with the probability, all together so that the expected power stays.

  Edges are mirrored.
  """
  gains = jnp.ones((len(images), len(POWER)))
  draw = lambda key, rows: 2.0 ** (GAIN * jax.random.normal(key, (rows,)))
  for band, band_key in enumerate(jax.random.split(key, len(POWER))):
    gain = rows_of(images, band_key, probability, draw, 1.0, axis_name=axis_name)
    louder = jnp.ones_like(gains).at[:, band].set(gain)
    gains *= louder / jnp.sqrt(jnp.sum(POWER * jnp.square(louder), axis=1, keepdims=True))
  return filtered(images, gains)


def filtered(images: jax.Array, gains: jax.Array) -> jax.Array:
  """Both axes through the sum of the bands times gains [N, 4]; where all are 1 images stay as they are."""
  down, right = (jnp.einsum('nb,bij->nij', gains - 1, bands(size)) for size in images.shape[1:3])
  # The bands sum to the image itself: what is added to it are they times gain - 1.
  moved = images + jnp.einsum('nij,njwc->niwc', down, images)
  return (moved + jnp.einsum('nij,nhjc->nhic', right, moved)).astype(images.dtype)


@functools.cache
def bands(size: int) -> np.ndarray:
  """The bands of a line of pixels as matrices [4, size, size], mirrored at the ends; they sum to the identity."""
  matrices = []
  for taps in filter_bank():
    offsets = np.arange(len(taps)) - len(taps) // 2
    sources = np.asarray(_mirrored(np.arange(size)[:, None] + offsets, size))
    matrix = np.zeros((size, size))
    np.add.at(matrix, (np.arange(size)[:, None], sources), taps)
    matrices.append(matrix)
  return np.array(matrices, np.float32)


def filter_bank() -> list[np.ndarray]:
  """Symmetric filters of the bands [0, pi / 8], [pi / 8, pi / 4], [pi / 4, pi / 2] and [pi / 2, pi].

  The low-pass filter L of one octave is the autocorrelation of sym2, and 1 - L its complement; an octave below both are
  stretched to twice the length.
  """
  low = np.convolve(SYM2, SYM2[::-1]) / 2
  below, found = np.ones(1), []
  for octave in range(3):
    stretched = np.zeros((len(low) - 1) * 2**octave + 1)
    stretched[:: 2**octave] = low
    lower = np.convolve(below, stretched)
    band = -lower
    band[len(lower) // 2 - len(below) // 2 : len(lower) // 2 + len(below) // 2 + 1] += below
    found.append(band)
    below = lower
  return [below, *found[::-1]]


def _mirrored(positions: np.ndarray, size: int) -> np.ndarray:
  with jax.ensure_compile_time_eval():
    return np.asarray(mirrored(jnp.asarray(positions), size))
