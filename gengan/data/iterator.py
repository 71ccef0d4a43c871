"""Batches: endless and shuffled for training, one ordered pass for evaluation."""

import functools
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

import ml_collections
import numpy as np

from gengan.data.dataset import Split
from gengan.host.errors import ArgumentError

_PREFETCHED = 4  # batches made ahead

_ORDER, _FLIPS, _NOISE, _EVALUATION = range(4)  # so that no two uses of random numbers share a stream


class TrainIterator(Iterator[dict[str, np.ndarray]]):
  """Endless batches; batch k is a function of the seed and of k alone. Made by `train_iterator`."""

  def __init__(self, make_batch: Callable[[int], dict[str, np.ndarray]], *, threads: int, identity: dict[str, int]):
    import grain  # seconds: only training pays for it

    self._identity = identity
    batches = grain.MapDataset.range(sys.maxsize).map(make_batch)
    options = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=_PREFETCHED + threads)
    self._iterator = iter(batches.to_iter_dataset(options))

  def __next__(self) -> dict[str, np.ndarray]:
    return next(self._iterator)

  def get_state(self) -> dict[str, Any]:
    """JSON-able: the number of the next batch, and what the numbering depends on."""
    return {'next_batch': int(self._iterator.get_state()['next_index']), **self._identity}

  def set_state(self, state: dict[str, Any]) -> None:
    """Goes on at exactly the batch that was next when `get_state` was called.

    Raises:
      ValueError: the state belongs to another seed, batch size or number of examples, or names no batch.
    """
    for field, here in self._identity.items():
      if state.get(field) != here:
        raise ValueError(f'the data iterator was saved with {field} {state.get(field)}, but now it is {here}')
    number = state.get('next_batch')
    if type(number) is not int or not 0 <= number < sys.maxsize:
      raise ValueError(f'the data iterator was saved with next_batch {number!r}, which is no number of a batch')
    self._iterator.set_state({'next_index': number})


def train_iterator(
  split: Split,
  config: ml_collections.ConfigDict,
  *,
  batch_size: int,
  seed: int,
  process_index: int = 0,
  process_count: int = 1,
) -> TrainIterator:
  """Endless shuffled batches of the train split.

  All processes walk through one shuffled order, new in every epoch and without replacement; each takes its own rows of
  every global batch. A batch may span two epochs, so no example is ever left out.

  Args:
    split: the train split; any other is refused.
    config: the data section, as `dataset.load` checked it.
    batch_size: examples in a batch of all processes together.
    seed: of order, flips and noise.
    process_index, process_count: this process among those that share the batch.

  Returns:
    An iterator over {'image': float32 [b, H, W, C] in [-1, 1], 'label': int32 [b]}, b = batch_size / process_count.

  Raises:
    ArgumentError: fewer examples than a batch, a batch that the processes cannot share, or a negative seed.
    ValueError: not the train split.
  """
  if split.name != 'train':
    raise ValueError(f'only the train split may be trained on; this is {split.name!r}')
  rows = _local_rows(batch_size, process_index, process_count)
  if len(split) < batch_size:
    why = f'but the train split has {len(split)} examples'
    raise ArgumentError('batch_size', batch_size, f'at most {len(split)}', why=why)
  if seed < 0:
    raise ArgumentError('seed', seed, '0 or more')
  treatment = {'dequantise': config.dequantise, 'binarise': config.binarise}

  @functools.lru_cache(maxsize=2)  # a batch spans at most two epochs
  def order(epoch: int) -> np.ndarray:
    return np.random.default_rng([seed, _ORDER, epoch]).permutation(len(split))

  def make_batch(number: int) -> dict[str, np.ndarray]:
    epoch, start = divmod(number * batch_size, len(split))
    indices = order(epoch)[start : start + batch_size]
    if len(indices) < batch_size:
      indices = np.concatenate([indices, order(epoch + 1)[: batch_size - len(indices)]])
    indices = indices[rows]
    images = split.images[indices]
    if config.flip:
      flips = np.random.default_rng([seed, _FLIPS, number]).random(batch_size)[rows] < 0.5
      images[flips] = images[flips, :, ::-1]
    noise = lambda: _uniform([seed, _NOISE, number, process_index], images.shape)
    return {'image': scale(images, noise, **treatment), 'label': split.labels[indices]}

  threads = 1 if isinstance(split.images, np.ndarray) else os.cpu_count()  # decoding is worth more than one
  identity = {'seed': seed, 'batch_size': batch_size, 'examples': len(split)}
  return TrainIterator(make_batch, threads=threads, identity=identity)


def eval_batches(
  split: Split, config: ml_collections.ConfigDict, *, batch_size: int, process_index: int = 0, process_count: int = 1
) -> Iterator[tuple[dict[str, np.ndarray], np.ndarray]]:
  """One ordered pass without augmentation.

  Dequantisation and stochastic binarisation draw from a stream that belongs to the example's position in the split, so
  that scores are the same in every pass and for every batch size.

  Yields:
    (batch, mask): the batch as from `train_iterator`; mask is bool [b], False where the last batch is filled up with
    copies of the first example.

  Raises:
    ArgumentError: a batch that the processes cannot share.
  """
  treatment = {'dequantise': config.dequantise, 'binarise': config.binarise}
  rows, shape = _local_rows(batch_size, process_index, process_count), split.images.shape[1:]
  for start in range(0, len(split), batch_size):
    positions = np.arange(start, start + batch_size)[rows]
    mask = positions < len(split)
    positions = np.where(mask, positions, 0)
    noise = lambda of=positions: np.stack([_uniform([_EVALUATION, int(i)], shape) for i in of])
    yield {'image': scale(split.images[positions], noise, **treatment), 'label': split.labels[positions]}, mask


def _uniform(seed: list[int], shape: tuple[int, ...]) -> np.ndarray:
  return np.random.default_rng(seed).random(shape, dtype=np.float32)


def scale(images: np.ndarray, noise: Callable[[], np.ndarray], *, dequantise: bool, binarise: str) -> np.ndarray:
  """Grey levels to [-1, 1].

  - plain: x / 127.5 - 1
  - dequantise: (x + u) / 128 - 1 with u from U[0, 1), so that 256 equal bins fill [-1, 1] (Theis et al. 2016, section
    3.1); a model's density there gives bits per dimension
  - binarise 'threshold': 1 where x >= 128, else -1
  - binarise 'stochastic': 1 with probability x / 255, else -1 (Salakhutdinov and Murray 2008)

  Args:
    images: uint8 [...].
    noise: draws float32 of the same shape in [0, 1); called only where it is needed.
    dequantise, binarise: as in the data section of a config.

  Returns:
    float32 of the same shape.
  """
  if binarise == 'threshold':
    return np.where(images >= 128, np.float32(1), np.float32(-1))
  if binarise == 'stochastic':
    return np.where(noise() * 255 < images, np.float32(1), np.float32(-1))
  scaled = images.astype(np.float32)
  if dequantise:
    scaled += noise()
  scaled /= 128 if dequantise else 127.5
  scaled -= 1
  return scaled


def _local_rows(batch_size: int, process_index: int, process_count: int) -> slice:
  if batch_size < 1 or batch_size % process_count:
    raise ArgumentError('batch_size', batch_size, f'a positive multiple of the {process_count} processes')
  if not 0 <= process_index < process_count:
    raise ArgumentError('process_index', process_index, f'from 0 to {process_count - 1}')
  share = batch_size // process_count
  return slice(process_index * share, (process_index + 1) * share)
