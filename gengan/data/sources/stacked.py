"""Stacked-MNIST: a set of so many classes that it shows which of them a generator leaves out."""

import itertools

import numpy as np

from gengan.data.decoding import ranges
from gengan.data.sources.idx import idx_arrays
from gengan.data.sources.records import Source, array_source

KIND = 'stacked'


def stacked(directory: str, *, wanted: ranges.Range | None = None) -> Source:
  """Every image has a greyscale image of an idx set in each of its channels, drawn by chance (Metz et al. 2017).

  K classes become K^3: of MNIST 1,000, in which '407' has a 4 in red, a 0 in green and a 7 in blue. A split has as many
  images as before, and each of the old ones is once in every channel; the draw is always the same.

  Args:
    directory: as of `idx`.
    wanted: as of `idx`.

  Raises:
    FileNotFoundError, ValueError: as `idx`.
  """
  images, labels, names, notes = idx_arrays(directory, spec := f'{KIND}:{directory}')
  orders = {
    split: [np.random.default_rng([channel, 3]).permutation(len(images[split])) for channel in range(3)]
    for split in images
  }
  return array_source(
    spec,
    {split: np.stack([images[split][order] for order in orders[split]], axis=-1) for split in images},
    {split: joined(*(labels[split][order] for order in orders[split]), classes=len(names)) for split in images},
    tuple(map(('' if all(len(name) == 1 for name in names) else '-').join, itertools.product(names, repeat=3))),
    wanted=wanted,
    notes=notes,
  )


def joined(red: np.ndarray, green: np.ndarray, blue: np.ndarray, *, classes: int) -> np.ndarray:
  """The labels of stacks of images with these labels, each below `classes`.

  >>> joined(4, 0, 7, classes=10)
  407
  """
  return (red * classes + green) * classes + blue
