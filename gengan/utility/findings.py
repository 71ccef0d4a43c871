"""The findings in a comparison's records: best arms, differences and worths, for the report and its picture."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from gengan.utility.plan import LONG_TAIL
from gengan.utility.statistics import Difference, equivalent_real, generated_for_one_real, judged, paired

BASELINE = 'augmented'
REAL_ALONE = ('real', 'oversampled', 'weighted', BASELINE)
Records = Sequence[dict[str, Any]]


class Worth(NamedTuple):
  """What the images of a mixed arm were worth in one regime."""

  arm: str
  real: int  # real images a class that were used
  equivalent: float  # real images a class that give this accuracy alone, see `equivalent_real`
  price: float  # generated images for one more real one, see `generated_for_one_real`


class Finding(NamedTuple):
  """What one regime says. Arms are chosen by mean accuracy on validation images, never on test images."""

  reference: str | None  # the best arm of real images alone; of equally good ones the baseline; None: none is measured
  best: str | None  # the best arm with generated images
  alone: str | None  # the best arm of generated images alone
  differences: dict[str, Difference]  # of every other arm to the reference, judged together


def by_regime(records: Records) -> dict[str, Finding]:
  """The finding of every regime, in the order of the records."""
  return {regime: finding(records, regime) for regime in dict.fromkeys(r['regime'] for r in records)}


def finding(records: Records, regime: str) -> Finding:
  """What the records of a regime say; arms that share no seed with the reference are left out."""
  own = [r for r in records if r['regime'] == regime]
  reference = _best(r for r in own if r['arm'] in REAL_ALONE)
  others = by_arm(records, regime)
  baseline = others.pop(reference, {})
  differences = {arm: _difference(each, baseline, num_test(records, regime)) for arm, each in others.items()}
  differences = judged({arm: difference for arm, difference in differences.items() if difference})
  generated = [r for r in own if r['arm'] in differences and r['arm'] not in REAL_ALONE]
  alone = _best(r for r in generated if r['arm'].startswith('synthetic'))
  return Finding(reference, _best(generated), alone, differences)


def by_class(records: Records, regime: str) -> dict[int, Difference]:
  """The difference of the best arm with generated images to the reference in every class, judged together."""
  found, first = finding(records, regime), next(r for r in records if r['regime'] == regime)
  if found.best is None:
    return {}
  both = [by_arm(records, regime, 'by_class')[arm] for arm in (found.best, found.reference)]
  of = lambda label: [{seed: each[label] for seed, each in values.items()} for values in both]
  return judged({label: _difference(*of(label), count) for label, count in enumerate(first['test_by_class'])})


def _difference(own: Mapping[int, float], reference: Mapping[int, float], num_test: int) -> Difference | None:
  """That of accuracies by seed, measured on `num_test` images, for the seeds that both have; None: they share none."""
  shared = sorted(own.keys() & reference.keys())
  pair = [own[seed] for seed in shared], [reference[seed] for seed in shared]
  return paired(*pair, resolution=1 / max(1, num_test)) if shared else None  # less than one image decides nothing


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
