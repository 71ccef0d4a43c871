"""Real images beside which the samples of a run are looked at, and with which they are compared."""

import dataclasses
from typing import NamedTuple

import numpy as np
from ml_collections import ConfigDict

from gengan import core, data
from gengan.config import recipes

NUMBER = 64


class Reference(NamedTuple):
  """See `choose`."""

  batch: core.Batch  # images [N, H, W, C] float in [-1, 1] and labels [N]
  split: str  # that they are from, 'validation' or 'train'
  class_names: tuple[str, ...]  # one for every label; none where the model is not asked for classes


def choose(dataset: data.Dataset, config: ConfigDict) -> Reference:
  """64 held-out images, classes in turn; of a smaller data set as many as the training images are.

  They are training images where fewer are held out, or where a class that a conditional model is asked for has none
  among them.
  """
  conditional = recipes.classes(config) > 0
  split, chosen = dataset.train, _in_turn(dataset.train.labels)
  held_out = _in_turn(dataset.validation.labels)
  classes = lambda split, chosen: set(split.labels[chosen].tolist()) if conditional else set()
  if len(held_out) == len(chosen) and classes(dataset.validation, held_out) == classes(split, chosen):
    split, chosen = dataset.validation, held_out
  names = [split.names[index] for index in chosen]
  part = dataclasses.replace(split, images=split.images[chosen], labels=split.labels[chosen], names=names)
  batch, _ = next(data.eval_batches(part, config.data, batch_size=len(part)))
  return Reference(batch, split.name, dataset.class_names if conditional else ())


def _in_turn(labels: np.ndarray) -> np.ndarray:
  """Indices of up to 64: the first of every class, then the second, and so on."""
  by_class = np.argsort(labels, kind='stable')
  _, starts, counts = np.unique(labels[by_class], return_index=True, return_counts=True)
  rank = np.empty(len(labels), np.int64)
  rank[by_class] = np.arange(len(labels)) - starts.repeat(counts)  # among those of its class
  return np.lexsort((labels, rank))[:NUMBER]
