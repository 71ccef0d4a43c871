"""Grey levels as features: networks that need no weights, as they are and on the data's principal components."""

import hashlib

import jax
import numpy as np

from gengan.networks.network import Network, to_float

SIDE = 16  # of the images that are compared


def pixels(image_shape: tuple[int, int, int]) -> Network:
  """Grey levels of images [H, W, C], averaged down to at most 16 x 16, in units of [-1, 1]: the cheapest network."""
  *size, channels = image_shape
  side = min(SIDE, *size)

  @jax.jit
  def apply(images):
    x = to_float(images)
    x = jax.image.resize(x, (len(x), side, side, channels), 'linear', antialias=True)
    return {'features': x.reshape(len(x), -1)}

  sha256 = hashlib.sha256(f'pixels {SIDE} {channels}'.encode()).hexdigest()
  return Network('pixels', sha256, side**2 * channels, f'antialiased linear to {SIDE}', 'float32', apply)


def pca(base: Network, mean: np.ndarray, covariance: np.ndarray, *, components: int = 64) -> Network:
  """The features of another network, such as `pixels`, on their principal components in training images.

  The components are the eigenvectors of the covariance with the largest eigenvalues, in float64. Of the two signs,
  that one counts with which the entry farthest from zero is positive.

  Args:
    base: whose features they are.
    mean: [D] of those of the training images.
    covariance: [D, D] likewise.
    components: how many; where the images vary in fewer directions, it is those.

  Returns:
    'pca', with features in the units of the base, less the mean, in the order of falling variance. The hash is of the
    mean and the components, so that they may differ in rounding on another device.

  Raises:
    ValueError: no component asked for.
  """
  if components < 1:
    raise ValueError(f'components is {components}; it must be at least 1')
  variances, vectors = np.linalg.eigh(covariance)
  rank = int((variances > variances[-1] * len(variances) * np.finfo(np.float64).eps).sum())
  vectors = vectors[:, ::-1][:, : min(components, rank)]
  farthest = np.take_along_axis(vectors, np.abs(vectors).argmax(axis=0)[None], axis=0)
  mean, vectors = mean.astype(np.float32), (vectors * np.sign(farthest)).astype(np.float32)

  @jax.jit
  def apply(images):
    return {'features': jax.numpy.dot(base.apply(images)['features'] - mean, vectors, precision='highest')}

  sha256 = hashlib.sha256(f'pca of {base.sha256}'.encode() + mean.tobytes() + vectors.tobytes()).hexdigest()
  return Network('pca', sha256, vectors.shape[1], base.resizer, 'float32', apply)
