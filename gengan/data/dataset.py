"""An image set ready to train on: three splits of uint8 images and int32 labels."""

import dataclasses
import logging
import math
from collections.abc import Sequence
from typing import Any

import ml_collections
import numpy as np

from gengan.config import arguments
from gengan.data import statistics
from gengan.data.config import validate
from gengan.data.decoding import squares
from gengan.data.manifest import read_manifest
from gengan.data.sources import open_source
from gengan.data.sources.records import Records, Source
from gengan.data.splits import split_indices, subset
from gengan.host.errors import ArgumentError
from gengan.host.files import path

log = logging.getLogger(__name__)

MEMORY_LIMIT = 8 << 30  # bytes; a set that needs more is decoded whenever its examples are read


@dataclasses.dataclass(frozen=True)
class Split:
  """One split. `images[indices]` and `labels[indices]` take integer arrays and slices."""

  name: str  # 'train', 'validation' or 'test'
  images: 'np.ndarray | DecodedOnRead'  # uint8 [N, H, W, C]; an array, or decoded when it is read
  labels: np.ndarray  # int32 [N]
  names: Sequence[str]  # one stable name an example

  def __len__(self) -> int:
    return len(self.labels)


@dataclasses.dataclass(frozen=True)
class Dataset:
  """See `load`."""

  train: Split
  validation: Split  # may be empty, as may test
  test: Split
  num_classes: int  # 1 where the source has no labels
  class_names: tuple[str, ...]  # one name a label; ('all',) where the source has no labels
  image_shape: tuple[int, int, int]  # (H, W, C)
  statistics: dict[str, Any]  # JSON-able; what was done to the data and what they are like


class DecodedOnRead:
  """Reads like a uint8 array [N, H, W, C], but decodes the examples that are asked for."""

  def __init__(self, records: Records, indices: np.ndarray, shape: tuple[int, int, int], *, crop: bool, source: Source):
    self._records, self._indices, self._crop = records, indices, crop
    self._spec, self._levels = source.spec, source.levels
    self.shape = (len(indices), *shape)
    self.dtype = np.dtype(np.uint8)

  def __len__(self) -> int:
    return len(self._indices)

  def __getitem__(self, key) -> np.ndarray:
    wanted = self._indices[key]
    images = np.empty((wanted.size, *self.shape[1:]), np.uint8)

    def fill(row: int) -> None:
      images[row] = self._one(int(wanted.flat[row]))

    squares.in_threads(fill, wanted.size)
    return images.reshape(*np.shape(wanted), *self.shape[1:])

  def _one(self, index: int) -> np.ndarray:
    size, _, channels = self.shape[1:]
    options = {'image_size': size, 'channels': channels, 'crop': self._crop}
    try:
      return squares.preprocess(self._records.read(index), self._levels, **options)
    except (ValueError, OSError) as error:
      look = arguments.command('data.clean', source=self._spec, out='report')
      raise ValueError(
        f'{self._spec}: {self._records.names[index]} cannot be read: {error}. '
        f'To find all such files and leave them out: {look}'
      ) from error


def load(config: ml_collections.ConfigDict, *, memory_limit: int = MEMORY_LIMIT) -> Dataset:
  """Opens the source, splits it, leaves out what the manifest says, and decodes what fits into memory.

  Args:
    config: the data section of a config, as `defaults.data` makes it.
    memory_limit: bytes; if the uint8 images of all splits need more, they are decoded when they are read.

  Raises:
    ArgumentError: a field of the section that cannot work.
    ValueError: damaged or empty data, or a manifest for other data.
    FileNotFoundError: there is no such source.
  """
  validate(config)
  if config.exclude and not path(config.exclude).is_file():  # before a large source is hashed
    allowed = "'' or the exclude.json that gengan.data.clean wrote"
    raise ArgumentError('exclude', config.exclude, allowed, why='which is not a file')
  source = open_source(config.source, data_dir=config.data_dir, levels=config.range)
  shape = (config.image_size, config.image_size, config.channels)
  splits, excluded = {}, {}
  for name, (records, kept, left_out) in _chosen(source, config).items():
    images = DecodedOnRead(records, kept, shape, crop=config.crop, source=source)
    splits[name] = Split(name, images, records.labels[kept], [records.names[i] for i in kept])
    excluded[name] = left_out
  if not len(splits['train']):
    why = f'which leaves nothing of {source.spec} to train on'
    raise ArgumentError('exclude', config.exclude, 'a manifest that leaves something', why=why)
  if sum(len(split) for split in splits.values()) * math.prod(shape) <= memory_limit:
    splits = {name: dataclasses.replace(split, images=split.images[:]) for name, split in splits.items()}
  found = statistics.describe(splits, source.class_names)
  told = [*statistics.lacking(splits, source.class_names), *statistics.darkness(splits, found['light'])]
  for note in told:
    log.warning('%s: %s', source.spec, note)
  facts = {
    'source': source.spec,
    'sha256': source.sha256,
    'own_splits': sorted(source.splits),
    'notes': [*source.notes, *told],
    'excluded': excluded,
    'subset': {name: config[name] for name in ('examples_per_class', 'imbalance', 'subset_seed')},
    'preprocessing': statistics.treatment(config, source.levels.deep or source.levels.shallow),
    **found,
  }
  names = source.class_names or ('all',)
  return Dataset(**splits, num_classes=len(names), class_names=names, image_shape=shape, statistics=facts)


def _chosen(source: Source, config: ml_collections.ConfigDict) -> dict[str, tuple[Records, np.ndarray, int]]:
  """Of every split the records that it is taken from, the indices of its examples there, and how many are left out."""
  exclude = read_manifest(config.exclude, source) if config.exclude else {}
  parts = split_indices(source, validation_fraction=config.validation_fraction, test_fraction=config.test_fraction)
  chosen = {}
  for name, (origin, indices) in parts.items():
    records = source.splits[origin]
    kept = np.array([i for i in indices if records.names[i] not in exclude.get(origin, ())], np.int64)
    left_out = len(indices) - len(kept)
    if name != 'test':
      wanted = subset(
        [records.names[i] for i in kept],
        records.labels[kept],
        per_class=config.examples_per_class,
        imbalance=config.imbalance if name == 'train' else 1,
        seed=config.subset_seed,
      )
      kept = kept[wanted]
    chosen[name] = records, kept, left_out
  return chosen
