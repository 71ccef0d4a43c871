"""Features of images: computed under jit over a mesh, a batch at a time, and kept only as far as metrics need them."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import jax
import numpy as np

from gengan import sharding
from gengan.evaluators import frechet
from gengan.evaluators.classifier import Classifier, ResNet, to_float
from gengan.evaluators.network import Network

PIXEL_SIDE = 16  # of the images that the network 'pixels' compares


class Features(NamedTuple):
  """What is kept of a set of images.

  Attributes:
    moments: mean and covariance of the features of all images.
    rows: [M, D] float32, the features of the first M images, for metrics that compare pairs.
    logits: [N, K] float32 of all images, or None where the network does not classify.
    labels: [N] int32 of all images.
  """

  moments: frechet.Moments
  rows: np.ndarray
  logits: np.ndarray | None
  labels: np.ndarray

  @property
  def probabilities(self) -> np.ndarray | None:
    """[N, K] float64, rows that sum to 1."""
    if self.logits is None:
      return None
    shifted = self.logits.astype(np.float64) - self.logits.max(axis=1, keepdims=True)
    return np.exp(shifted) / np.exp(shifted).sum(axis=1, keepdims=True)


def extract(
  network: Network,
  batches: Iterable[tuple[np.ndarray, np.ndarray]],
  *,
  mesh: jax.sharding.Mesh,
  batch_size: int,
  keep: int,
) -> Features:
  """Runs images through a network.

  50,000 images of 2,048 features need `keep` x 2,048 x 4 bytes on the host and the covariance.

  Args:
    network: see `Network`.
    batches: pairs of uint8 images [b, H, W, C] and labels [b], b at most `batch_size`.
    mesh: whose devices share a batch.
    batch_size: images a compiled call; a multiple of the mesh's devices.
    keep: rows of features to hold on to.

  Raises:
    ValueError: no images, a larger batch, or features that are not finite.
  """
  gather = jax.jit(lambda outputs: outputs, out_shardings=sharding.replicated(mesh))
  rows, logits, labels, kept = [], [], [], 0

  def features():
    nonlocal kept
    for images, batch_labels in batches:
      count = len(images)
      if count > batch_size:
        raise ValueError(f'a batch of {count} images is larger than the batch size of {batch_size}')
      filled = np.concatenate([images, np.repeat(images[:1], batch_size - count, axis=0)])
      batch = sharding.shard_batch({'image': filled}, mesh, whole=True)
      outputs = {name: np.asarray(value)[:count] for name, value in gather(network.apply(batch['image'])).items()}
      if kept < keep:
        rows.append(outputs['features'][: keep - kept].astype(np.float32))
        kept += len(rows[-1])
      if 'logits' in outputs:
        logits.append(outputs['logits'].astype(np.float32))
      labels.append(np.asarray(batch_labels, np.int32))
      yield outputs['features']

  moments = frechet.moments_of_batches(features())
  return Features(moments, np.concatenate(rows), np.concatenate(logits) if logits else None, np.concatenate(labels))


def to_arrays(features: Features) -> dict[str, np.ndarray]:
  """Plain arrays for a file; `from_arrays` is the inverse."""
  moments = {f'moments_{name}': np.asarray(value) for name, value in features.moments._asdict().items()}
  logits = {} if features.logits is None else {'logits': features.logits}
  return {**moments, 'rows': features.rows, 'labels': features.labels, **logits}


def from_arrays(arrays: Mapping[str, np.ndarray]) -> Features:
  """Features from what `to_arrays` gave."""
  moments = frechet.Moments(int(arrays['moments_count']), arrays['moments_mean'], arrays['moments_scatter'])
  return Features(moments, arrays['rows'], arrays.get('logits'), arrays['labels'])


def pixels(channels: int) -> Network:
  """Grey levels of the image, averaged down to at most 16 x 16, in units of [-1, 1]: the cheapest network."""

  @jax.jit
  def apply(images):
    x = to_float(images)
    side = min(PIXEL_SIDE, *x.shape[1:3])
    x = jax.image.resize(x, (len(x), side, side, channels), 'linear', antialias=True)
    return {'features': x.reshape(len(x), -1)}

  sha256 = hashlib.sha256(f'pixels {PIXEL_SIDE} {channels}'.encode()).hexdigest()
  return Network('pixels', sha256, PIXEL_SIDE**2 * channels, f'antialiased linear to {PIXEL_SIDE}', 'float32', apply)


def of_classifier(classifier: Classifier) -> Network:
  """The last hidden layer of a classifier that gengan trained."""
  network = ResNet(classifier.num_classes, classifier.width)

  @jax.jit
  def apply(images):
    logits, features = network.apply(classifier.variables, to_float(images), train=False)
    return {'features': features, 'logits': logits}

  return Network('classifier', classifier.sha256, 4 * classifier.width, 'none', 'float32', apply)
