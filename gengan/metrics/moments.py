"""Mean and covariance of features that come in batches of any sizes."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from gengan.metrics import checks

CHUNK = 1024  # rows that moments are taken of at a time


class Moments(NamedTuple):
  """Mean and scatter of a set of features, in float64; sets are joined by `merge`, in any order."""

  count: int  # N
  mean: np.ndarray  # [D]
  scatter: np.ndarray  # [D, D], sum over the samples of (x - mean)(x - mean)^T

  @property
  def covariance(self) -> np.ndarray:
    """[D, D], the unbiased estimate (divided by N - 1)."""
    if self.count < 2:
      raise ValueError(f'{self.count} samples are too few for a covariance, at least 2 are needed')
    return self.scatter / (self.count - 1)


def moments(features: np.ndarray) -> Moments:
  """Moments of one array of features [N, D], N >= 1."""
  features = checks.features(features, 'features').astype(np.float64)
  mean = features.mean(axis=0)
  features -= mean
  return Moments(len(features), mean, features.T @ features)


def merge(first: Moments, second: Moments) -> Moments:
  """Moments of two sets of as many dimensions together, from those of each (Chan, Golub and LeVeque 1983)."""
  if first.mean.shape != second.mean.shape:
    raise ValueError(f'moments of {len(first.mean)} and of {len(second.mean)} dimensions cannot be merged')
  count = first.count + second.count
  shift = second.mean - first.mean
  scatter = first.scatter + second.scatter
  scatter += np.outer(shift * (first.count * second.count / count), shift)
  return Moments(count, first.mean + shift * (second.count / count), scatter)


def moments_of_batches(batches: Iterable[np.ndarray]) -> Moments:
  """Moments of features that come in batches [B, D] of any sizes, of which about a thousand rows are held at a time.

  Raises:
    ValueError: no batch at all, or batches of different dimensions.
  """
  total, waiting, rows = None, [], 0

  def drained():
    dimensions = {batch.shape[1] for batch in waiting}
    if len(dimensions) > 1:
      raise ValueError(f'batches of features of different dimensions: {sorted(dimensions)}')
    part = moments(np.concatenate(waiting))
    return part if total is None else merge(total, part)

  for batch in batches:
    waiting.append(checks.features(batch, 'features', at_least=0))
    rows += len(waiting[-1])
    if rows >= CHUNK:
      total, waiting, rows = drained(), [], 0
  if rows:
    total = drained()
  if total is None:
    raise ValueError('no features to take moments of')
  return total
