"""The findings in a comparison's records: gains, best arms and worths, for the report and its picture."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from gengan.utility.plan import LONG_TAIL
from gengan.utility.statistics import Gain, equivalent_real, generated_for_one_real, paired_gain

BASELINE = 'augmented'
REAL_ALONE = ('real', 'oversampled', 'weighted', BASELINE)
Records = Sequence[dict[str, Any]]


class Worth(NamedTuple):
  """What the images of a mixed arm were worth in one regime."""

  arm: str
  real: int  # real images a class that were used
  equivalent: float  # real images a class that give this accuracy alone, see `equivalent_real`
  price: float  # generated images for one more real one, see `generated_for_one_real`


def gain_over(baseline: Mapping[int, float], own: Mapping[int, float], num_test: int) -> Gain | None:
  """The gain of accuracies by seed over others, for the seeds that both have; None where they share none.

  All were measured on `num_test` images, of which less than one decides nothing.
  """
  shared = sorted(own.keys() & baseline.keys())
  pair = [own[seed] for seed in shared], [baseline[seed] for seed in shared]
  return paired_gain(*pair, resolution=1 / max(1, num_test)) if shared else None


def gains(records: Records, regime: str) -> dict[str, Gain]:
  """Every arm's gain over `augmented` in one regime."""
  accuracies = by_arm(records, regime)
  baseline = accuracies.pop(BASELINE, {})
  found = {arm: gain_over(baseline, own, num_test(records, regime)) for arm, own in accuracies.items()}
  return {arm: gain for arm, gain in found.items() if gain}


def best_synthetic(records: Records, regime: str) -> str | None:
  """The arm of generated images alone with the best mean accuracy on validation images; None without such arms."""
  return _best(r for r in records if r['regime'] == regime and r['arm'].startswith('synthetic'))


def best_real(records: Records, regime: str) -> str | None:
  """Likewise of real images alone; of equally good arms the baseline."""
  return _best(r for r in records if r['regime'] == regime and r['arm'] in REAL_ALONE)


def best_mixed(records: Records, regime: str) -> str | None:
  """Likewise of real and generated images together, where the baseline was measured with a seed of theirs."""
  comparable = gains(records, regime)
  return _best(r for r in records if r['regime'] == regime and has_both(r['arm']) and r['arm'] in comparable)


def has_both(arm: str) -> bool:
  """Whether an arm has real and generated images together."""
  return arm.startswith('mixed') or arm == 'balanced'


def _best(records: Iterable[dict[str, Any]]) -> str | None:
  found = {}
  for r in records:
    found.setdefault(r['arm'], []).append(r['validation_accuracy'])
  return max(found, key=lambda arm: (np.mean(found[arm]), arm == BASELINE), default=None)


def worths(records: Records) -> list[Worth]:
  """Of every mixed arm in every balanced regime; none where fewer than two regimes have the baseline."""
  curve = baseline_curve(records)
  if len(curve) < 2:
    return []
  found = []
  for regime in dict.fromkeys(r['regime'] for r in records if r['regime'] != LONG_TAIL):
    for arm, own in by_arm(records, regime).items():
      if arm.startswith('mixed'):
        record = next(r for r in records if (r['regime'], r['arm']) == (regime, arm))
        real, classes = per_class(record), len(record['real_by_class'])
        equivalent = equivalent_real(float(np.mean(list(own.values()))), curve)
        price = generated_for_one_real(real, record['num_generated'] / classes, equivalent)
        found.append(Worth(arm, real, equivalent, price))
  return found


def baseline_curve(records: Records) -> dict[int, float]:
  """From real images a class to the baseline's mean accuracy with them."""
  balanced = [r for r in records if r['regime'] != LONG_TAIL]
  return {n: float(np.mean(values)) for n, values in by_size(balanced, BASELINE).items()}


def by_size(records: Records, arm: str) -> dict[int, list[float]]:
  """Test accuracies of an arm by real images a class."""
  found = {}
  for r in records:
    if r['arm'] == arm:
      found.setdefault(per_class(r), []).append(r['accuracy'])
  return found


def by_arm(records: Records, regime: str, field: str = 'accuracy') -> dict[str, dict[int, Any]]:
  """A field of the records by arm and seed."""
  found = {}
  for r in records:
    if r['regime'] == regime:
      found.setdefault(r['arm'], {})[r['seed']] = r[field]
  return found


def num_test(records: Records, regime: str) -> int:
  """Test images of a regime."""
  return sum(next(r['test_by_class'] for r in records if r['regime'] == regime))


def per_class(record: dict[str, Any]) -> int:
  """Real training images a class, their mean where the classes differ."""
  return round(sum(record['real_by_class']) / len(record['real_by_class']))


def shown(arm: str) -> str:
  """The name of an arm as a person reads it."""
  return arm.replace('_', ' ')
