"""From images to features: a network under jit over a mesh, a batch at a time, keeping only what metrics need."""

from collections.abc import Callable, Iterable

import jax
import numpy as np

from gengan import sharding
from gengan.metrics.features import Features
from gengan.metrics.moments import moments_of_batches
from gengan.networks.network import Network


def extract(
  network: Network,
  batches: Iterable[tuple[np.ndarray, np.ndarray]],
  *,
  mesh: jax.sharding.Mesh,
  batch_size: int,
  keep: np.ndarray,
  tell: Callable[[int], None] = lambda seen: None,
) -> Features:
  """Runs images through a network.

  On the host this holds the covariance, the rows to keep, and the class scores of all images.

  Args:
    network: whose features they are.
    batches: pairs of uint8 images [b, H, W, C] and labels [b], b at most `batch_size`.
    mesh: whose devices share a batch.
    batch_size: images that are read at a time; a multiple of the mesh's devices. The network is given fewer at a time
      where `network.batch_size` says so.
    keep: [M] positions of images whose features are held on to, in this order; see `gengan.metrics.features.some`.
    tell: called with the number of images so far after every batch.

  Raises:
    ValueError: no images, a larger batch, fewer images than positions, or features that are not finite.
  """
  keep = np.asarray(keep, np.int64)
  place = np.full(keep.max(initial=-1) + 1, -1)  # of an image in the rows to keep
  place[keep] = np.arange(len(keep))
  rows, logits, labels = np.empty((len(keep), network.size), np.float32), [], []

  def features():
    seen = 0
    for images, batch_labels in batches:
      if len(images) > batch_size:
        raise ValueError(f'a batch of {len(images)} images is larger than the batch size of {batch_size}')
      outputs = _apply(network, images, mesh, min(batch_size, _on_all_devices(network.batch_size, mesh)))
      places = place[seen : seen + len(images)]
      rows[places[places >= 0]] = outputs['features'][: len(places)][places >= 0]
      if 'logits' in outputs:
        logits.append(outputs['logits'].astype(np.float32))
      labels.append(np.asarray(batch_labels, np.int32))
      seen += len(images)
      tell(seen)
      yield outputs['features']
    if seen < len(place):
      raise ValueError(f'{seen} images are fewer than the {len(place)} among which rows were to be kept')

  moments = moments_of_batches(features())
  return Features(moments, rows, keep, np.concatenate(logits) if logits else None, np.concatenate(labels))


def _on_all_devices(count: int, mesh: jax.sharding.Mesh) -> int:
  return -(-count // mesh.size) * mesh.size


def _apply(network: Network, images: np.ndarray, mesh: jax.sharding.Mesh, size: int) -> dict[str, np.ndarray]:
  """Outputs of the network on the host, from compiled calls with `size` images each."""
  gather = jax.jit(lambda outputs: outputs, out_shardings=sharding.replicated(mesh))
  parts = []
  for start in range(0, len(images), size):
    part = images[start : start + size]
    filled = np.concatenate([part, np.repeat(part[:1], size - len(part), axis=0)])
    batch = sharding.shard_batch({'image': filled}, mesh, whole=True)
    outputs = gather(network.apply(batch['image']))
    parts.append({name: np.asarray(value)[: len(part)] for name, value in outputs.items()})
  return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
