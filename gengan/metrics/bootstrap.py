"""How uncertain a number is: its spread over resamples of the data."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from gengan.metrics import checks


class Bootstrap(NamedTuple):
  """A statistic over resamples, see `bootstrap`."""

  mean: float
  standard_error: float
  low: float
  high: float


def bootstrap(
  statistic: Callable[..., float],
  *arrays: np.ndarray,
  resamples: int = 1000,
  seed: int = 0,
  level: float = 0.95,
  paired: bool = False,
) -> Bootstrap:
  """The statistic of rows drawn with replacement, again and again (Efron 1979; the percentile interval: Efron 1982).

  For means, accuracies, scores of single samples. Not for metrics of nearest neighbours, for which the duplicates in a
  resample are neighbours at distance 0, and with care for Frechet distances, which fewer distinct samples raise.

  Args:
    statistic: `(*arrays) -> float`.
    *arrays: the data, each resampled along its first axis and on its own.
    resamples: how many, 2 or more.
    seed: of the draws.
    level: of the interval, the share of resamples within it.
    paired: whether row i of every array belongs together (features and labels); all then draw the same rows.

  Returns:
    Mean and standard deviation (divided by `resamples` - 1) of the statistic, and the ends of the interval.

  Raises:
    ValueError: no arrays, an empty one, paired ones of different lengths, or a statistic that is not a finite number.
  """
  resamples = checks.count(resamples, 'resamples', at_least=2)
  if not 0 < level < 1:
    raise ValueError(f'level is {level}; it must be between 0 and 1')
  arrays = [np.asarray(array) for array in arrays]
  lengths = [len(array) if array.ndim else 0 for array in arrays]
  if not arrays or not all(lengths):
    raise ValueError('bootstrap needs one or more arrays, each with a row or more')
  if paired and len(set(lengths)) > 1:
    raise ValueError(f'paired arrays must have the same number of rows, not {lengths}')
  rng = np.random.default_rng(checks.seed(seed))
  values = np.empty(resamples)
  for resample in range(resamples):
    if paired:
      rows = [rng.integers(lengths[0], size=lengths[0])] * len(arrays)
    else:
      rows = [rng.integers(length, size=length) for length in lengths]
    values[resample] = statistic(*(array[row] for array, row in zip(arrays, rows, strict=True)))
  if not np.isfinite(values).all():
    raise ValueError('the statistic is NaN or infinite on a resample')
  low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
  return Bootstrap(float(values.mean()), float(values.std(ddof=1)), float(low), float(high))
