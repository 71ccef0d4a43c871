"""Classifiers that gengan trains: on the real images, for features and labels, and on generated ones, as a measure."""

import dataclasses

import numpy as np
from ml_collections import ConfigDict

from gengan import data
from gengan.data import mixing
from gengan.evaluate import stages
from gengan.evaluate.images import data_key, real_images
from gengan.host import cache
from gengan.networks import classifier

STEPS = 1000
POLICY = 'translation'
TRAINING = (  # of `train_classifier`, for protocols
  f'ResNet of width {classifier.WIDTH}, {STEPS} steps of {classifier.BATCH_SIZE} images, {POLICY}, '
  f'version {classifier.VERSION}'
)


def data_classifier(
  dataset: data.Dataset, config: ConfigDict, *, tell: stages.Tell = stages.silent
) -> classifier.Classifier:
  """A classifier trained on the train split and validated on the validation split, from the cache where it is there.

  Raises:
    ValueError: there are training images of fewer than two classes.
  """
  if len(np.unique(dataset.train.labels)) < 2:
    raise ValueError('a classifier needs training images of at least 2 classes, which this data lacks; use pixels')

  def compute():
    images, labels = real_images(dataset.train, config)
    validation = real_images(dataset.validation, config)
    trained = train_classifier(images, labels, dataset, config, validation=validation, seed=0, tell=tell)
    return classifier.to_arrays(trained)

  key = data_key(dataset) | {
    'image_shape': dataset.image_shape,
    'steps': STEPS,
    'width': classifier.WIDTH,
    'version': classifier.VERSION,
  }
  return classifier.from_arrays(cache.cached('classifier', key, compute))


def first_channel(dataset: data.Dataset) -> data.Dataset:
  """The greyscale images in the red channels of stacks of three; see `gengan.data.sources.stacked`."""
  classes = round(dataset.num_classes ** (1 / 3))
  splits = {
    split.name: dataclasses.replace(split, images=split.images[..., :1], labels=split.labels // classes**2)
    for split in (dataset.train, dataset.validation, dataset.test)
  }
  return dataclasses.replace(dataset, **splits, num_classes=classes, image_shape=(*dataset.image_shape[:2], 1))


def train_classifier(
  images: np.ndarray,
  labels: np.ndarray,
  dataset: data.Dataset,
  config: ConfigDict,
  *,
  validation: tuple[np.ndarray, np.ndarray] | None,
  seed: int,
  tell: stages.Tell = stages.silent,
) -> classifier.Classifier:
  """A classifier trained on the given images, real or generated; without validation images its last step is kept."""
  return classifier.train(
    mixing.batches(mixing.shuffled(images, labels, seed=seed), batch_size=classifier.BATCH_SIZE),
    num_classes=dataset.num_classes,
    steps=STEPS,
    validation=validation if validation is not None and len(validation[1]) else None,
    seed=seed,
    policy=POLICY,
    flip=config.data.flip,
    tell=lambda step: tell('training a classifier', step, STEPS),
  )
