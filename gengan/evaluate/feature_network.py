"""The networks whose features are compared, and the real images that the model saw."""

from collections.abc import Iterator

import numpy as np
from ml_collections import ConfigDict

from gengan import data
from gengan.data import images, mixing
from gengan.host import cache
from gengan.networks import classifier, features
from gengan.networks.network import Network

READ = 256  # real images at a time
CLASSIFIER_STEPS = 1000
CLASSIFIER_POLICY = 'translation'
TRAINING = (  # of `train_classifier`, for protocols
  f'ResNet of width {classifier.WIDTH}, {CLASSIFIER_STEPS} steps of {classifier.BATCH_SIZE} images, '
  f'{CLASSIFIER_POLICY}, version {classifier.VERSION}'
)
KINDS = ('pixels', 'pca', 'classifier', 'inception', 'inception_clean', 'inception_other', 'vgg', 'vgg_other')
NETWORKS = f'it must be {", ".join(KINDS[:3])}, or one of {", ".join(KINDS[3:])} with :FILE'


def make_network(name: str, dataset: data.Dataset, config: ConfigDict) -> Network:
  """The network whose features are compared.

  Args:
    name: 'pixels'; 'pca', their principal components in the train split; 'classifier', trained on the train split once
      and then cached; 'inception:FILE' with the published weights of FID; 'inception_clean:FILE' with the resizer of
      clean-fid; 'inception_other:FILE' with other weights for the same network, whose scores are never called FID;
      'vgg:FILE' with published weights of VGG16 and 'vgg_other:FILE' with others.
    dataset: of the run.
    config: of the run.

  Raises:
    ValueError: an unknown name, a classifier for unlabelled data, or a file that is not what it must be.
  """
  kind, _, path = name.partition(':')
  match kind:
    case 'pixels' if not path:
      return features.pixels(dataset.image_shape)
    case 'pca' if not path:
      return features.pca(real_images(dataset.train, config)[0])
    case 'classifier' if not path:
      return features.of_classifier(data_classifier(dataset, config))
    case 'inception' | 'inception_clean' | 'inception_other' if path:
      from gengan.networks import inception

      resizer = 'clean' if kind == 'inception_clean' else 'tensorflow'
      return inception.load(path, allow_other=kind == 'inception_other', resizer=resizer)
    case 'vgg' | 'vgg_other' if path:
      from gengan.networks import vgg

      return vgg.load(path, allow_other=kind == 'vgg_other')
  raise ValueError(f'the network is {name!r}; {NETWORKS}')


def data_classifier(dataset: data.Dataset, config: ConfigDict) -> classifier.Classifier:
  """A classifier trained on the train split and validated on the validation split, from the cache where it is there.

  Raises:
    ValueError: the data has fewer than two classes.
  """
  if dataset.num_classes < 2:
    raise ValueError('a classifier needs labels of at least 2 classes, which this data does not have; use pixels')

  def compute():
    validation = real_images(dataset.validation, config)
    trained = train_classifier(*real_images(dataset.train, config), dataset, config, validation=validation, seed=0)
    return classifier.to_arrays(trained)

  key = data_key(dataset) | {'steps': CLASSIFIER_STEPS, 'width': classifier.WIDTH, 'version': classifier.VERSION}
  return classifier.from_arrays(cache.cached('classifier', key, compute))


def train_classifier(
  images: np.ndarray,
  labels: np.ndarray,
  dataset: data.Dataset,
  config: ConfigDict,
  *,
  validation: tuple[np.ndarray, np.ndarray] | None,
  seed: int,
) -> classifier.Classifier:
  """A classifier trained on the given images, real or generated; without validation images its last step is kept."""
  return classifier.train(
    mixing.batches(mixing.shuffled(images, labels, seed=seed), batch_size=classifier.BATCH_SIZE),
    num_classes=dataset.num_classes,
    steps=CLASSIFIER_STEPS,
    validation=validation if validation is not None and len(validation[1]) else None,
    seed=seed,
    policy=CLASSIFIER_POLICY,
    flip=config.data.flip,
  )


def real_images(split: data.Split, config: ConfigDict) -> tuple[np.ndarray, np.ndarray]:
  """uint8 images and labels of a whole split, preprocessed as the model saw them."""
  batches = list(real_batches(split, config))
  if not batches:
    return np.zeros((0, *split.images.shape[1:]), np.uint8), np.zeros(0, np.int32)
  return tuple(np.concatenate(arrays) for arrays in zip(*batches, strict=True))


def real_batches(split: data.Split, config: ConfigDict) -> Iterator[tuple[np.ndarray, np.ndarray]]:
  """The same a batch at a time."""
  for batch, mask in data.eval_batches(split, config.data, batch_size=READ):
    yield images.to_uint8(batch['image'][mask]), batch['label'][mask]


def data_key(dataset: data.Dataset) -> dict[str, object]:
  """What the real images depend on."""
  fields = ('sha256', 'examples', 'excluded', 'preprocessing', 'decoded_sha256', 'chosen_sha256')
  return {f'data_{name}': dataset.statistics[name] for name in fields}
