"""Deterministic, class-stratified splits that do not depend on the seed of training."""

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np

from gengan.data.sources.records import SPLITS, Source


def split_indices(
  source: Source, *, validation_fraction: float, test_fraction: float
) -> dict[str, tuple[str, np.ndarray]]:
  """Which examples are for training, validation and testing.

  The source's own splits are kept. What it lacks is carved from its train split: of every class, the given fraction
  (rounded to whole examples, but at least one, for test first, while one is left to train on) of those whose hashed
  names come first. So the choice depends on the names alone, and an image that is added or taken away moves few others.

  Returns:
    {'train' | 'validation' | 'test': (split of the source, indices into it, ascending)}.
  """
  train = source.splits['train']
  fractions = {'test': test_fraction, 'validation': validation_fraction}
  fractions = {split: fraction for split, fraction in fractions.items() if split not in source.splits}
  parts = _stratified(train.names, train.labels, fractions)
  own = lambda split: (split, np.arange(len(source.splits[split])))
  return {split: ('train', parts[split]) if split in parts else own(split) for split in SPLITS}


def subset(names: Sequence[str], labels: np.ndarray, *, per_class: int, imbalance: float, seed: int) -> np.ndarray:
  """Which examples a low-data or long-tailed experiment keeps: int64 positions, ascending.

  Without imbalance every class keeps `per_class` examples. With imbalance class k of K keeps n imbalance^(-k / (K - 1))
  of them, at least one, where n is `per_class` or the size of the smallest class, whichever is less (Cui et al. 2019,
  section 5.1). Those stay whose hashed names come first, so that a smaller subset of a seed lies in each larger one.

  Args:
    names: one an example.
    labels: int [N].
    per_class: examples at most; 0: as many as there are.
    imbalance: how many times the examples of the last class the first has; 1: no change.
    seed: of the choice.
  """
  if not per_class and imbalance == 1:
    return np.arange(len(labels))
  keys = _hashes(names, salt=f'{seed}:')
  classes, sizes = np.unique(labels, return_counts=True)
  if imbalance > 1:
    largest = min(per_class or sizes.min(), sizes.min())
    falling = largest * imbalance ** (-np.arange(len(classes)) / max(len(classes) - 1, 1))
    wanted = np.maximum(np.round(falling).astype(np.int64), 1)
  else:
    wanted = np.minimum(sizes, per_class)
  kept = []
  for label, count in zip(classes, wanted, strict=True):
    members = np.flatnonzero(labels == label)
    kept.append(members[np.argsort(keys[members], kind='stable')][:count])
  return np.sort(np.concatenate(kept)) if kept else np.arange(0)


def _hashes(names: Sequence[str], salt: str = '') -> np.ndarray:
  return np.array([int.from_bytes(hashlib.sha256((salt + name).encode()).digest()[:8]) for name in names], np.uint64)


def _stratified(names, labels: np.ndarray, fractions: Mapping[str, float]) -> dict[str, np.ndarray]:
  keys = _hashes(names)
  order = np.lexsort((keys, labels))
  parts = {split: [] for split in (*fractions, 'train')}
  starts = np.flatnonzero(np.diff(labels[order], prepend=labels[order[0]] - 1))
  for members in np.split(order, starts[1:]):
    start = 0
    for split, fraction in fractions.items():
      count = max(round(fraction * len(members)), 1 if fraction else 0)
      stop = min(start + count, len(members) - 1)  # one at least is trained on
      parts[split].append(members[start:stop])
      start = stop
    parts['train'].append(members[start:])
  return {split: np.sort(np.concatenate(chunks)) for split, chunks in parts.items()}
