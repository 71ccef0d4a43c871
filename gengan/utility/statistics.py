"""Statistics of accuracies: differences paired by seed, with verdicts, and how many real images would do the same."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

LEVEL = 0.05  # probability of calling any of the arms compared different where none is
VERDICTS = HELPED, HURT, NO_DIFFERENCE, UNTOLD = 'helped', 'hurt', 'no difference shown', 'no verdict: one seed'


class Difference(NamedTuple):
  """That of an arm's accuracy to another's, over the seeds that both have."""

  mean: float
  seeds: int
  low: float | None = None  # the 95 % t interval; None with one seed, as all below
  high: float | None = None
  p_value: float | None = None  # of the two-sided paired t-test
  adjusted: float | None = None  # that by Holm, see `judged`
  verdict: str = UNTOLD  # one of `VERDICTS`


def deviation(values: Sequence[float]) -> float:
  """The sample's standard deviation (n - 1 in the denominator); 0 of a single value."""
  return float(np.std(values, ddof=1)) if len(values) > 1 else 0.0


def paired(accuracies: Sequence[float], baseline: Sequence[float], *, resolution: float = 0.0) -> Difference:
  """Student's paired t-test, not yet corrected for the number of comparisons: without a verdict.

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
  mean, count = float(differences.mean()), len(differences)
  if count < 2:
    return Difference(mean, count)
  error = max(float(differences.std(ddof=1)) / math.sqrt(count), resolution)
  half = error * float(stats.t.ppf(0.975, count - 1))
  p_value = 2 * float(stats.t.sf(abs(mean) / error, count - 1)) if error else float(mean == 0)
  return Difference(mean, count, mean - half, mean + half, p_value)


def judged(differences: Mapping[Any, Difference]) -> dict[Any, Difference]:
  """The same with verdicts: of all that are true null hypotheses, one is rejected with probability `LEVEL` at most.

  Holm (1979, Scandinavian Journal of Statistics 6:65): the i-th smallest of m p-values is multiplied by m - i + 1, and
  none becomes smaller than one before it. It holds however the differences depend on each other, and here they share
  the arm that they are differences to.
  """
  tested = sorted((name for name in differences if differences[name].seeds > 1), key=lambda n: differences[n].p_value)
  found, largest = dict(differences), 0.0
  for rank, name in enumerate(tested):
    difference = differences[name]
    largest = max(largest, min(1.0, (len(tested) - rank) * difference.p_value))
    verdict = NO_DIFFERENCE if largest > LEVEL else HELPED if difference.mean > 0 else HURT
    found[name] = difference._replace(adjusted=largest, verdict=verdict)
  return found


def least_errors(comparisons: int, seeds: int) -> float:
  """Standard errors by which the clearest of so many differences must differ from 0 to get a verdict."""
  return float(stats.t.ppf(1 - LEVEL / comparisons / 2, seeds - 1))


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
