"""Families measured one after the other: the reason why one cannot be is kept, and the others go on."""

import math
import pathlib
import time
import traceback
import warnings
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import jax
import numpy as np

from gengan.evaluate.stages import Tell, duration
from gengan.metrics import checks
from gengan.metrics.averages import mean_and_deviation
from gengan.metrics.family import Family, Inputs, Scores


class Measured(NamedTuple):
  """What several sample sets gave."""

  sets: Mapping[str, list[Scores]]  # by family, one a set; a single one of a family that is measured once
  not_measured: Mapping[str, str]  # families, and scores that are no finite number, and why


def measure(
  families: Mapping[str, Family], inputs: Iterable[tuple[int, Inputs]], *, num_sets: int, tell: Tell
) -> Measured:
  """Every family on every sample set; `inputs` gives the number of each set, from 0, and what may be read of it.

  One that fails on one set has no scores at all. With several processes only a ValueError is taken for a failure of
  the family: it depends on numbers, which are the same everywhere, while another error may be of one process alone,
  which must not go on without the others.
  """
  kinds = Exception if jax.process_count() == 1 else ValueError
  found, failed, begun = {name: [] for name in families}, {}, time.monotonic()
  for number, each_inputs in inputs:
    set_stage = stage(number, num_sets, time.monotonic() - begun)
    for name, each in families.items():
      if name in failed or (each.once and number):
        continue
      try:
        if each.images.of in ('all', 'pairs', 'samples'):
          _ = each_inputs.generated  # here, so that the stage told next is the family's own
        tell(f'{set_stage}{name}', 0, 0)
        with warnings.catch_warnings():
          warnings.simplefilter('ignore', checks.FewSamplesWarning)  # said once, by `cautions`
          scores, bad = _finite(each.measure(each_inputs))
      except kinds as error:
        failed[name] = _reason(error)
        found[name].clear()
      else:
        found[name].append(scores)
        failed |= bad
  return Measured({name: sets for name, sets in found.items() if sets}, failed)


def stage(number: int, num_sets: int, elapsed: float) -> str:
  """How the stages of a sample set begin; `elapsed` are the seconds that the sets before took."""
  left = f', about {duration(elapsed / number * (num_sets - number))} left in all' if number else ''
  return f'set {number + 1} of {num_sets}{left}: '


def combined(measured: Measured) -> tuple[dict[str, float], dict[str, float], dict[str, dict[int, float]]]:
  """Means and deviations of the scores over the sets, and means by label, over the sets that have that label."""
  scores, deviations, by_class = {}, {}, {}
  for sets in measured.sets.values():
    mean, deviation = mean_and_deviation([each.values for each in sets])
    scores |= mean
    deviations |= deviation | {name: float(error) for name, error in sets[0].errors.items() if name in mean}
    for name in sets[0].by_class:
      values = {}
      for each in sets:
        for label, value in each.by_class.get(name, {}).items():
          values.setdefault(label, []).append(value)
      by_class[name] = {label: float(np.mean(values[label])) for label in sorted(values)}
  return scores, deviations, by_class


def _finite(scores: Scores) -> tuple[Scores, dict[str, str]]:
  """The scores that are finite numbers, and what the others came out as."""
  values = {name: float(value) for name, value in scores.values.items()}
  bad = {name: f'it came out as {value}' for name, value in values.items() if not math.isfinite(value)}
  by_class = {
    name: {label: float(value) for label, value in of.items() if math.isfinite(value)}
    for name, of in scores.by_class.items()
  }
  kept = {name: value for name, value in values.items() if name not in bad}
  return scores._replace(values=kept, by_class=by_class), bad


def _reason(error: Exception) -> str:
  """One line; an error that is no refusal is a bug, of which it says the kind and the place."""
  text = ' '.join(str(error).split()) or type(error).__name__
  if isinstance(error, ValueError):
    return text
  where = traceback.extract_tb(error.__traceback__)[-1]
  return f'{type(error).__name__} in {pathlib.Path(where.filename).name}, line {where.lineno}: {text}'
