"""Features as they are kept of a set of images, for metrics and for files."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from scipy.special import softmax

from gengan.metrics.moments import Moments


class Features(NamedTuple):
  """What is kept of a set of images."""

  moments: Moments  # of the features of all images
  rows: np.ndarray  # [M, D] float32, the features of some of the images, for metrics that compare pairs
  positions: np.ndarray  # [M] int64, which images those are
  logits: np.ndarray | None  # [N, K] float32 of all images; None: the network does not classify
  labels: np.ndarray  # [N] int32 of all images

  @property
  def row_labels(self) -> np.ndarray:
    """[M] int32, of `rows`."""
    return self.labels[self.positions]

  @property
  def probabilities(self) -> np.ndarray | None:
    """[N, K] float64, rows that sum to 1."""
    return None if self.logits is None else softmax(self.logits.astype(np.float64), axis=1)


def some(count: int, keep: int) -> np.ndarray:
  """[min(count, keep)] positions out of `count`, at random but always the same: sets are often sorted by class."""
  return np.random.default_rng(0).permutation(count)[:keep]


def to_arrays(features: Features) -> dict[str, np.ndarray]:
  """Plain arrays for a file; `from_arrays` is the inverse."""
  moments = {f'moments_{name}': np.asarray(value) for name, value in features.moments._asdict().items()}
  logits = {} if features.logits is None else {'logits': features.logits}
  return {**moments, 'rows': features.rows, 'positions': features.positions, 'labels': features.labels, **logits}


def from_arrays(arrays: Mapping[str, np.ndarray]) -> Features:
  """Features from what `to_arrays` gave."""
  moments = Moments(int(arrays['moments_count']), arrays['moments_mean'], arrays['moments_scatter'])
  return Features(moments, arrays['rows'], arrays['positions'], arrays.get('logits'), arrays['labels'])
