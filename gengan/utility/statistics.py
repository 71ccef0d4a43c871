"""Statistics of accuracies: gains with their errors, paired by seed, and how many real images would do the same."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

ERRORS = 2.0  # standard errors by which a gain must differ from 0 to be called one


class Gain(NamedTuple):
  """The difference of two arms with the same seeds."""

  mean: float
  error: float  # standard error of the mean; NaN with one seed
  p_value: float  # of the two-sided paired t-test; NaN with one seed or equal differences
  verdict: str  # 'helps', 'hurts' or 'undecided'


def deviation(values: Sequence[float]) -> float:
  """The sample's standard deviation (n - 1 in the denominator); 0 of a single value."""
  return float(np.std(values, ddof=1)) if len(values) > 1 else 0.0


def paired_gain(accuracies: Sequence[float], baseline: Sequence[float], *, resolution: float = 0.0) -> Gain:
  """Student's paired test; 'helps' and 'hurts' from two standard errors on.

  Args:
    accuracies: of an arm, one a seed.
    baseline: of the other, in the same order.
    resolution: the least standard error, such as one test image, for a few seeds may agree by chance.

  Raises:
    ValueError: not equally many.
  """
  differences = np.subtract(accuracies, baseline) if len(accuracies) == len(baseline) else None
  if differences is None or not len(differences):
    raise ValueError(f'{len(accuracies)} and {len(baseline)} accuracies cannot be paired')
  mean = float(differences.mean())
  if len(differences) < 2:
    return Gain(mean, math.nan, math.nan, 'undecided')
  spread = float(differences.std(ddof=1) / math.sqrt(len(differences)))
  p_value = float(stats.ttest_1samp(differences, 0).pvalue) if spread > 1e-12 else math.nan
  error = max(spread, resolution)
  verdict = 'helps' if mean > ERRORS * error else 'hurts' if mean < -ERRORS * error else 'undecided'
  return Gain(mean, error, p_value, verdict)


def equivalent_real(accuracy: float, curve: Mapping[int, float]) -> float:
  """How many real images a class give this accuracy: the curve read backwards, linear in log n.

  Args:
    accuracy: of an arm with generated images.
    curve: from real images a class to the accuracy with these alone; made monotone by its running maximum.

  Returns:
    Images a class; 0 below the curve, infinity above it.
  """
  sizes = sorted(curve)
  accuracies = np.maximum.accumulate([curve[size] for size in sizes])
  if accuracy < accuracies[0]:
    return 0.0
  if accuracy > accuracies[-1]:
    return math.inf
  index = int(np.searchsorted(accuracies, accuracy, side='left'))
  if index == 0 or accuracies[index] == accuracy:
    return float(sizes[index])
  low, high = accuracies[index - 1 : index + 1]
  share = (accuracy - low) / (high - low)
  return float(np.exp(np.interp(share, [0, 1], np.log(sizes[index - 1 : index + 1]))))


def generated_for_one_real(num_real: int, num_generated: int, equivalent: float) -> float:
  """Generated images a class that stood for one more real one; infinity where they were worth none.

  An infinite `equivalent` (see `equivalent_real`) gives 0, for the curve does not reach so far.
  """
  return num_generated / (equivalent - num_real) if equivalent > num_real else math.inf
