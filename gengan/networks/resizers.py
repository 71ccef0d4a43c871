"""Resizing to the size of a feature network, as the published scores did it: a matrix for each axis.

How images are resized moves a Fréchet distance by more than many papers report as progress (Parmar et al. 2022, "On
Aliased Resizing and Surprising Subtleties in GAN Evaluation"), so the way is part of a score's name.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np


def tensorflow(images: jax.Array, size: int) -> jax.Array:
  """Bilinear as in TensorFlow 1: corners not aligned, no half-pixel centres, no antialiasing.

  Output pixel i reads at i * length / size, between its two neighbours there; this is the resizer inside the network
  of the original FID (Heusel et al. 2017): [N, H, W, C] to [N, size, size, C] float32.
  """
  return _apply(_tensorflow_matrix, images, size)


def clean(images: jax.Array, size: int) -> jax.Array:
  """Bicubic as Pillow resizes float images (mode 'F'): antialiased, not rounded; then clipped to [0, 255].

  The resizer of clean-fid (Parmar et al. 2022): grey levels [N, H, W, C] to [N, size, size, C] float32.
  """
  return jnp.clip(_apply(_bicubic_matrix, images, size), 0.0, 255.0)


RESIZERS = {'tensorflow': tensorflow, 'clean': clean}


def _apply(matrix: Callable[[int, int], np.ndarray], images: jax.Array, size: int) -> jax.Array:
  images = images.astype(jnp.float32)
  rows, columns = (matrix(length, size) for length in images.shape[1:3])
  wide = jnp.einsum('jw,nhwc->nhjc', columns, images, precision=jax.lax.Precision.HIGHEST)
  return jnp.einsum('ih,nhjc->nijc', rows, wide, precision=jax.lax.Precision.HIGHEST)


def _tensorflow_matrix(length: int, size: int) -> np.ndarray:
  """[size, length] float32."""
  position = np.arange(size, dtype=np.float32) * np.float32(length / size)  # TensorFlow counts in float32
  low = np.minimum(position.astype(np.int64), length - 1)
  high = np.minimum(low + 1, length - 1)
  share = position - low.astype(np.float32)
  matrix = np.zeros((size, length), np.float32)
  np.add.at(matrix, (np.arange(size), low), 1 - share)
  np.add.at(matrix, (np.arange(size), high), share)
  return matrix


def _bicubic_matrix(length: int, size: int) -> np.ndarray:
  """[size, length] float32. Keys's kernel with a = -1/2, stretched by the factor of reduction.

  A window of whole pixels about each centre; its weights are normalised to sum to one, also at the borders.
  """
  step = length / size
  stretch = max(step, 1.0)
  centre = (np.arange(size) + 0.5) * step
  first = np.maximum(np.trunc(centre - 2 * stretch + 0.5), 0)
  last = np.minimum(np.trunc(centre + 2 * stretch + 0.5), length)
  pixels = np.arange(length)
  weights = _cubic((pixels - centre[:, None] + 0.5) / stretch)
  weights = np.where((pixels >= first[:, None]) & (pixels < last[:, None]), weights, 0.0)
  return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def _cubic(x: np.ndarray, a: float = -0.5) -> np.ndarray:
  """Keys 1981, "Cubic convolution interpolation", equation 15 for a = -1/2."""
  x = np.abs(x)
  near = ((a + 2) * x - (a + 3)) * x * x + 1
  far = ((x - 5) * x + 8) * x * a - 4 * a
  return np.where(x < 1, near, np.where(x < 2, far, 0.0))
