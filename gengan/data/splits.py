"""Deterministic, class-stratified splits that do not depend on the seed of training."""

import hashlib
from collections.abc import Mapping

import numpy as np

from gengan.data.sources import Source


def split_indices(
  source: Source, *, validation_fraction: float, test_fraction: float
) -> dict[str, tuple[str, np.ndarray]]:
  """Which examples are for training, validation and testing.

  The source's own splits are kept. What it lacks is carved from its train split: of every class, the given fraction
  (rounded to whole examples) of those whose hashed names come first. So the choice depends on the names alone, and an
  image that is added or taken away moves few others.

  Returns:
    {'train' | 'validation' | 'test': (split of the source, indices into it, ascending)}.

  Raises:
    ValueError: nothing is left to train on.
  """
  train = source.splits['train']
  fractions = {'test': test_fraction, 'validation': validation_fraction}
  fractions = {split: fraction for split, fraction in fractions.items() if split not in source.splits}
  parts = _stratified(train.names, train.labels, fractions)
  if not len(parts['train']):
    raise ValueError(f'{source.spec} has {len(train)} examples: none is left to train on beside validation and test')
  own = {
    split: (split, np.arange(len(source.splits[split]))) for split in ('validation', 'test') if split in source.splits
  }
  return {split: own.get(split) or ('train', parts[split]) for split in ('train', 'validation', 'test')}


def _stratified(names, labels: np.ndarray, fractions: Mapping[str, float]) -> dict[str, np.ndarray]:
  keys = np.array([int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) for name in names], np.uint64)
  order = np.lexsort((keys, labels))
  parts = {split: [] for split in (*fractions, 'train')}
  starts = np.flatnonzero(np.diff(labels[order], prepend=labels[order[0]] - 1))
  for members in np.split(order, starts[1:]):
    start = 0
    for split, fraction in fractions.items():
      stop = start + round(fraction * len(members))
      parts[split].append(members[start:stop])
      start = stop
    parts['train'].append(members[start:])
  return {split: np.sort(np.concatenate(chunks)) for split, chunks in parts.items()}
