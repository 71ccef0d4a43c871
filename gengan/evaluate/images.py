"""The images that are compared: real ones as the model saw them, and generated ones, a batch at a time."""

import functools
from collections.abc import Callable, Iterator

import jax
import numpy as np
from ml_collections import ConfigDict

from gengan import core, data, sharding
from gengan.data.images import to_uint8

READ = 256  # real images at a time
BATCH_SIZE = 256  # images a compiled call, rounded up to the mesh's devices


def real_images(split: data.Split, config: ConfigDict) -> tuple[np.ndarray, np.ndarray]:
  """uint8 images and labels of a whole split, preprocessed as the model saw them."""
  batches = list(real_batches(split, config))
  if not batches:
    return np.zeros((0, *split.images.shape[1:]), np.uint8), np.zeros(0, np.int32)
  return tuple(np.concatenate(arrays) for arrays in zip(*batches, strict=True))


def real_batches(split: data.Split, config: ConfigDict) -> Iterator[tuple[np.ndarray, np.ndarray]]:
  """The same a batch at a time."""
  for batch, mask in data.eval_batches(split, config.data, batch_size=READ):
    yield to_uint8(batch['image'][mask]), batch['label'][mask]


def data_key(dataset: data.Dataset) -> dict[str, object]:
  """What the real images depend on."""
  fields = ('sha256', 'examples', 'excluded', 'preprocessing', 'decoded_sha256', 'chosen_sha256')
  return {f'data_{name}': dataset.statistics[name] for name in fields}


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
    yield to_uint8(np.asarray(drawn)[: len(part)]), part


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
    latents = algorithm.prior(state, key, labels, truncation=truncation)
    return jax.lax.with_sharding_constraint(algorithm.decode(state, latents, labels), sharding.replicated(mesh))

  return draw
