"""Features of images: computed under jit over a mesh, a batch at a time, and kept only as far as metrics need them."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import jax
import numpy as np

from gengan import sharding
from gengan.metrics import frechet
from gengan.networks.classifier import Classifier, ResNet, to_float
from gengan.networks.network import Network

PIXEL_SIDE = 16  # of the images that the network 'pixels' compares


class Features(NamedTuple):
  """What is kept of a set of images.

  Attributes:
    moments: mean and covariance of the features of all images.
    rows: [M, D] float32, the features of some of the images, for metrics that compare pairs.
    positions: [M] int64, which images those are.
    logits: [N, K] float32 of all images, or None where the network does not classify.
    labels: [N] int32 of all images.
  """

  moments: frechet.Moments
  rows: np.ndarray
  positions: np.ndarray
  logits: np.ndarray | None
  labels: np.ndarray

  @property
  def row_labels(self) -> np.ndarray:
    """[M] int32, of `rows`."""
    return self.labels[self.positions]

  @property
  def probabilities(self) -> np.ndarray | None:
    """[N, K] float64, rows that sum to 1."""
    if self.logits is None:
      return None
    values = self.logits.astype(np.float64)
    values -= values.max(axis=1, keepdims=True)
    np.exp(values, out=values)
    values /= values.sum(axis=1, keepdims=True)
    return values


def some(count: int, keep: int) -> np.ndarray:
  """[min(count, keep)] positions out of `count`, at random but always the same: sets are often sorted by class."""
  return np.random.default_rng(0).permutation(count)[:keep]


def extract(
  network: Network,
  batches: Iterable[tuple[np.ndarray, np.ndarray]],
  *,
  mesh: jax.sharding.Mesh,
  batch_size: int,
  keep: np.ndarray,
) -> Features:
  """Runs images through a network.

  On the host this holds the covariance, the rows to keep, and the class scores of all images.

  Args:
    network: see `Network`.
    batches: pairs of uint8 images [b, H, W, C] and labels [b], b at most `batch_size`.
    mesh: whose devices share a batch.
    batch_size: images that are read at a time; a multiple of the mesh's devices. The network is given fewer at a time
      where `network.batch_size` says so.
    keep: [M] positions of images whose features are held on to, in this order; see `some`.

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
      yield outputs['features']
    if seen < len(place):
      raise ValueError(f'{seen} images are fewer than the {len(place)} among which rows were to be kept')

  moments = frechet.moments_of_batches(features())
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


def to_arrays(features: Features) -> dict[str, np.ndarray]:
  """Plain arrays for a file; `from_arrays` is the inverse."""
  moments = {f'moments_{name}': np.asarray(value) for name, value in features.moments._asdict().items()}
  logits = {} if features.logits is None else {'logits': features.logits}
  return {**moments, 'rows': features.rows, 'positions': features.positions, 'labels': features.labels, **logits}


def from_arrays(arrays: Mapping[str, np.ndarray]) -> Features:
  """Features from what `to_arrays` gave."""
  moments = frechet.Moments(int(arrays['moments_count']), arrays['moments_mean'], arrays['moments_scatter'])
  return Features(moments, arrays['rows'], arrays['positions'], arrays.get('logits'), arrays['labels'])


def pixels(image_shape: tuple[int, int, int]) -> Network:
  """Grey levels of images [H, W, C], averaged down to at most 16 x 16, in units of [-1, 1]: the cheapest network."""
  *size, channels = image_shape
  side = min(PIXEL_SIDE, *size)

  @jax.jit
  def apply(images):
    x = to_float(images)
    x = jax.image.resize(x, (len(x), side, side, channels), 'linear', antialias=True)
    return {'features': x.reshape(len(x), -1)}

  sha256 = hashlib.sha256(f'pixels {PIXEL_SIDE} {channels}'.encode()).hexdigest()
  return Network('pixels', sha256, side**2 * channels, f'antialiased linear to {PIXEL_SIDE}', 'float32', apply)


def of_classifier(classifier: Classifier) -> Network:
  """The last hidden layer of a classifier that gengan trained."""
  network = ResNet(classifier.num_classes, classifier.width)

  @jax.jit
  def apply(images):
    with jax.default_matmul_precision('highest'):
      logits, features = network.apply(classifier.variables, to_float(images), train=False)
    return {'features': features, 'logits': logits}

  return Network('classifier', classifier.sha256, 4 * classifier.width, 'none', 'float32', apply)


def pca(images: np.ndarray, *, components: int = 64) -> Network:
  """Features of `pixels` on the principal components of training images: the cheapest that are learned.

  The components are the eigenvectors of the covariance with the largest eigenvalues, in float64. Of the two signs,
  that one counts with which the entry farthest from zero is positive.

  Args:
    images: [N, H, W, C] uint8 or float in [-1, 1], N at least 2.
    components: how many; where the images vary in fewer directions, it is those.

  Returns:
    'pca', with features in units of [-1, 1], less the mean, in the order of falling variance. The hash is of the mean
    and the components, so that they may differ in rounding on another device.

  Raises:
    ValueError: too few images, images that do not vary, or no component asked for.
  """
  if components < 1:
    raise ValueError(f'components is {components}; it must be at least 1')
  if len(images) > 1 and not np.ptp(images, axis=0).any():
    raise ValueError(f'the {len(images)} images do not vary, so they have no principal components')
  base = pixels(images.shape[1:])
  starts = range(0, len(images), frechet.CHUNK)
  moments = frechet.moments_of_batches(
    np.asarray(base.apply(images[start : start + frechet.CHUNK])['features']) for start in starts
  )
  variances, vectors = np.linalg.eigh(moments.covariance)
  rank = int((variances > variances[-1] * len(variances) * np.finfo(np.float64).eps).sum())
  vectors = vectors[:, ::-1][:, : min(components, rank)]
  farthest = np.take_along_axis(vectors, np.abs(vectors).argmax(axis=0)[None], axis=0)
  mean, vectors = moments.mean.astype(np.float32), (vectors * np.sign(farthest)).astype(np.float32)

  @jax.jit
  def apply(images):
    return {'features': jax.numpy.dot(base.apply(images)['features'] - mean, vectors, precision='highest')}

  sha256 = hashlib.sha256(f'pca of {base.sha256}'.encode() + mean.tobytes() + vectors.tobytes()).hexdigest()
  return Network('pca', sha256, vectors.shape[1], base.resizer, 'float32', apply)
