"""The images that a model is judged by."""

import functools
from collections.abc import Callable, Iterator

import jax
import numpy as np

from gengan import core, sharding
from gengan.data import images

BATCH_SIZE = 256  # images a compiled call, rounded up to the mesh's devices


def generated_batches(
  algorithm: core.Algorithm,
  state: core.State,
  labels: np.ndarray,
  *,
  seed: int,
  truncation: float = 1.0,
  mesh: jax.sharding.Mesh,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
  """Samples as uint8 images [b, H, W, C] with their labels [b], b at most `batch_size(mesh)`, drawn by all devices.

  The state must lie on the mesh. Equal seeds give equal images, but for rounding on another number of devices.
  """
  draw, size, key = _draw(algorithm, truncation, mesh), batch_size(mesh), jax.random.key(seed)
  for number, start in enumerate(range(0, len(labels), size)):
    part = labels[start : start + size]
    drawn = draw(state, jax.random.fold_in(key, number), np.resize(part, size))
    yield images.to_uint8(np.asarray(drawn)[: len(part)]), part


def labels_like(train_labels: np.ndarray, num: int, *, seed: int) -> np.ndarray:
  """Labels [num] drawn from those of the training images, as published protocols do."""
  return np.random.default_rng([seed, 1]).choice(train_labels, num).astype(np.int32)


def batch_size(mesh: jax.sharding.Mesh) -> int:
  """Images a compiled call: 256, or the next multiple of the mesh's devices."""
  return -(-BATCH_SIZE // mesh.size) * mesh.size


@functools.lru_cache(8)
def _draw(algorithm: core.Algorithm, truncation: float, mesh: jax.sharding.Mesh) -> Callable[..., jax.Array]:
  """Compiled once, though a training run draws at every evaluation."""

  @jax.jit
  def draw(state, key, labels):
    labels = jax.lax.with_sharding_constraint(labels, sharding.batch_sharding(mesh))
    latents = core.scale_latents(algorithm.prior(state, key, labels), truncation)
    return jax.lax.with_sharding_constraint(algorithm.decode(state, latents, labels), sharding.replicated(mesh))

  return draw
