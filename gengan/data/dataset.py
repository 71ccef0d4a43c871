"""An image set ready to train on: three splits of uint8 images and int32 labels."""

import concurrent.futures
import dataclasses
import hashlib
import json
import os
from collections.abc import Sequence
from typing import Any

import ml_collections
import numpy as np

from gengan.data import pixels
from gengan.data.config import validate
from gengan.data.manifest import read_manifest
from gengan.data.sources import Records, open_source
from gengan.data.splits import split_indices, subset

MEMORY_LIMIT = 8 << 30  # bytes; a set that needs more is decoded whenever its examples are read
STATISTICS_EXAMPLES = 4096  # of the train split, for mean and standard deviation of sets that are not in memory
_CHUNK = 64  # images a task of the thread pool
# What a model was trained on, as `Dataset.statistics` tells it. Each hash depends on those before it: on the files, on
# which of them are in which split, and on what decoding made of them.
_HASHES = ('sha256', 'chosen_sha256', 'decoded_sha256')
_FACTS = ('examples', 'excluded', 'subset', 'preprocessing')


@dataclasses.dataclass(frozen=True)
class Split:
  """One split. `images[indices]` and `labels[indices]` take integer arrays and slices.

  Attributes:
    name: 'train', 'validation' or 'test'.
    images: uint8 [N, H, W, C]; an array, or decoded when it is read.
    labels: int32 [N].
    names: one stable name an example.
  """

  name: str
  images: 'np.ndarray | DecodedOnRead'
  labels: np.ndarray
  names: Sequence[str]

  def __len__(self) -> int:
    return len(self.labels)


@dataclasses.dataclass(frozen=True)
class Dataset:
  """See `load`.

  Attributes:
    train, validation, test: the splits; validation and test may be empty.
    num_classes: 1 where the source has no labels.
    class_names: one name a label; ('all',) where the source has no labels.
    image_shape: (H, W, C).
    statistics: JSON-able; what was done to the data and what it is like.
  """

  train: Split
  validation: Split
  test: Split
  num_classes: int
  class_names: tuple[str, ...]
  image_shape: tuple[int, int, int]
  statistics: dict[str, Any]


class DecodedOnRead:
  """Reads like a uint8 array [N, H, W, C], but decodes the examples that are asked for."""

  def __init__(self, records: Records, indices: np.ndarray, shape: tuple[int, int, int], crop: bool, spec: str):
    self._records, self._indices, self._crop, self._spec = records, indices, crop, spec
    self.shape = (len(indices), *shape)
    self.dtype = np.dtype(np.uint8)

  def __len__(self) -> int:
    return len(self._indices)

  def __getitem__(self, key) -> np.ndarray:
    wanted = self._indices[key]
    images = np.empty((wanted.size, *self.shape[1:]), np.uint8)

    def fill(start: int) -> None:
      for row in range(start, min(start + _CHUNK, wanted.size)):
        images[row] = self._one(int(wanted.flat[row]))

    starts = range(0, wanted.size, _CHUNK)
    if len(starts) <= 1:
      for start in starts:
        fill(start)
    else:
      with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(fill, starts))  # list: raises what a thread raised
    return images.reshape(*np.shape(wanted), *self.shape[1:])

  def _one(self, index: int) -> np.ndarray:
    size, _, channels = self.shape[1:]
    try:
      return pixels.preprocess(self._records.read(index), image_size=size, channels=channels, crop=self._crop)
    except (ValueError, OSError) as error:
      raise ValueError(
        f'{self._spec}: {self._records.names[index]} cannot be read: {error}. '
        f'To find all such files and leave them out: python -m gengan.data.clean --source={self._spec} --out=report'
      ) from error


def load(config: ml_collections.ConfigDict, *, memory_limit: int = MEMORY_LIMIT) -> Dataset:
  """Opens the source, splits it, leaves out what the manifest says, and decodes what fits into memory.

  Args:
    config: `config.data`; its fields and defaults are in `gengan.data.default_config`.
    memory_limit: bytes; if the uint8 images of all splits need more, they are decoded when they are read.

  Raises:
    ValueError: an impossible field of the config, damaged or empty data, or a manifest for other data.
    FileNotFoundError: there is no such source.
  """
  validate(config)
  source = open_source(config.source, data_dir=config.data_dir)
  exclude = read_manifest(config.exclude, source) if config.exclude else {}
  parts = split_indices(source, validation_fraction=config.validation_fraction, test_fraction=config.test_fraction)
  shape = (config.image_size, config.image_size, config.channels)
  splits, excluded = {}, {}
  for name, (origin, indices) in parts.items():
    records = source.splits[origin]
    kept = np.array([i for i in indices if records.names[i] not in exclude.get(origin, ())], np.int64)
    excluded[name] = len(indices) - len(kept)
    if name != 'test':
      chosen = subset(
        [records.names[i] for i in kept],
        records.labels[kept],
        per_class=config.examples_per_class,
        imbalance=config.imbalance if name == 'train' else 1,
        seed=config.subset_seed,
      )
      kept = kept[chosen]
    images = DecodedOnRead(records, kept, shape, config.crop, source.spec)
    splits[name] = Split(name, images, records.labels[kept], [records.names[i] for i in kept])
  if not len(splits['train']):
    raise ValueError(f'{source.spec}: config.data.exclude leaves nothing to train on')
  in_memory = sum(len(split) for split in splits.values()) * int(np.prod(shape)) <= memory_limit
  if in_memory:
    splits = {name: dataclasses.replace(split, images=split.images[:]) for name, split in splits.items()}
  statistics = {
    'source': source.spec,
    'sha256': source.sha256,
    'own_splits': sorted(source.splits),
    'examples': {name: len(split) for name, split in splits.items()},
    'excluded': excluded,
    'subset': {name: config[name] for name in ('examples_per_class', 'imbalance', 'subset_seed')},
    'labelled': bool(source.class_names),
    'class_names': list(source.class_names),
    'train_by_class': np.bincount(splits['train'].labels, minlength=max(len(source.class_names), 1)).tolist(),
    'preprocessing': {
      'image_shape': list(shape),
      'crop': 'centre square' if config.crop else 'none: stretched',
      'resize': 'bicubic, antialiased (Pillow)',
      'alpha': 'composited on white',
      'scale': 'black and white: -1, 1'
      if config.binarise != 'none'
      else '(x + u) / 128 - 1'
      if config.dequantise
      else 'x / 127.5 - 1',
      'flip': config.flip,
      'dequantise': config.dequantise,
      'binarise': config.binarise,
    },
    'in_memory': in_memory,
    'decoded_sha256': _sha256(splits) if in_memory else None,
    'chosen_sha256': _chosen_sha256(splits),
    **_moments(splits['train']),
  }
  class_names = source.class_names or ('all',)
  return Dataset(
    **splits, num_classes=len(class_names), class_names=class_names, image_shape=shape, statistics=statistics
  )


def differences(kept: dict[str, Any], here: dict[str, Any]) -> list[str]:
  """What tells one data set from another: nothing where a model that was trained on one may be trained on the other.

  Where the files lie, and whether they fit into memory, does not count. What only one of them knows is not compared: a
  set that is decoded when it is read has no hash of its pixels, and older versions wrote less.

  Args:
    kept: `Dataset.statistics`, perhaps as JSON, of the one.
    here: of the other.

  Returns:
    'examples.train is 80 there and 83 here' for every fact that differs; of the hashes the first alone.
  """
  kept, here = (json.loads(json.dumps(statistics)) for statistics in (kept, here))
  known = lambda names: [name for name in names if None not in (kept.get(name), here.get(name))]
  texts = [
    f'{name} is {kept[name][:12]}… there and {here[name][:12]}… here'
    for name in known(_HASHES)
    if kept[name] != here[name]
  ][:1]
  for name in known(_FACTS):
    for key in sorted(kept[name].keys() & here[name].keys()):
      if kept[name][key] != here[name][key]:
        texts.append(f'{name}.{key} is {kept[name][key]} there and {here[name][key]} here')
  return texts


def _sha256(splits: dict[str, Split]) -> str:
  digest = hashlib.sha256()
  for split in splits.values():
    digest.update(np.ascontiguousarray(split.images).data)
    digest.update(split.labels.data)
  return digest.hexdigest()


def _chosen_sha256(splits: dict[str, Split]) -> str:
  """Of which examples are in which split."""
  digest = hashlib.sha256()
  for name, split in splits.items():
    digest.update('\n'.join((name, *map(str, split.names), '')).encode())
  return digest.hexdigest()


def _moments(train: Split) -> dict[str, Any]:
  """Mean and standard deviation by channel of the train images on the scale x / 127.5 - 1."""
  if isinstance(train.images, np.ndarray):
    images = train.images
  else:
    chosen = np.unique(np.linspace(0, len(train) - 1, STATISTICS_EXAMPLES).astype(np.int64))
    images = train.images[chosen]
  # A histogram is exact and needs no floating-point copy of the images.
  levels = np.arange(256) / 127.5 - 1
  counts = [np.bincount(images[..., channel].ravel(), minlength=256) for channel in range(images.shape[-1])]
  means = [float(np.average(levels, weights=count)) for count in counts]
  stds = [
    float(np.average((levels - mean) ** 2, weights=count) ** 0.5) for mean, count in zip(means, counts, strict=True)
  ]
  return {'mean': means, 'std': stds, 'moments_examples': len(images)}
