"""The finished checkpoints of a folder: which there are, which is the best, which is read and which are kept."""

import dataclasses
import json
import logging
import math
import pathlib
from collections.abc import Sequence
from typing import Any

from gengan.core import ArgumentError
from gengan.host import checksums

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Rules:
  """Which checkpoints are kept, the fields of `config.checkpoint`. Raises ArgumentError for what cannot be."""

  keep_latest: int = 2  # of the newest, at least one
  keep_every_steps: int = 0  # also each whose step is a multiple of this; 0: none
  best_metric: str = ''  # also the best by this metric, of those that have it and where it is finite; '': none
  best_mode: str = 'min'  # or 'max'

  def __post_init__(self):
    if self.keep_latest < 1:
      raise ArgumentError('keep_latest', self.keep_latest, 'at least 1')
    if self.keep_every_steps < 0:
      raise ArgumentError('keep_every_steps', self.keep_every_steps, 'at least 0')
    if self.best_mode not in ('min', 'max'):
      raise ArgumentError('best_mode', self.best_mode, "'min' or 'max'")


def name(step: int) -> str:
  """The folder of a checkpoint."""
  return f'{step:08d}'


def steps(directory: pathlib.Path) -> list[int]:
  """The steps of the finished checkpoints, damaged or not, oldest first; none where there is no folder."""
  if not directory.is_dir():
    return []
  named = {path: int(path.name) for path in directory.iterdir() if path.name.isdecimal()}
  return sorted(step for path, step in named.items() if path.name == name(step) and (path / checksums.SUMS).is_file())


def about(folder: pathlib.Path) -> dict[str, Any]:
  """What a checkpoint says of itself: step, processes, metrics, config, and leaves as {path: dtype and shape}."""
  return json.loads((folder / 'checkpoint.json').read_text())


def metrics(folder: pathlib.Path) -> dict[str, float]:
  """Those of a checkpoint; none where it is damaged, for one bad file must not stop a run that only ranks them."""
  try:
    return {key: math.nan if value is None else float(value) for key, value in about(folder)['metrics'].items()}
  except (OSError, ValueError, KeyError, TypeError, AttributeError):
    return {}


def best(directory: pathlib.Path, among: Sequence[int], rules: Rules) -> int | None:
  """The best of these steps, the latest of equals; None where no checkpoint has a finite value of the metric."""
  sign = 1 if rules.best_mode == 'min' else -1
  values = {step: metrics(directory / name(step)).get(rules.best_metric, math.nan) for step in among}
  finite = [step for step, value in values.items() if math.isfinite(value)]
  return min(finite, key=lambda step: (sign * values[step], -step), default=None)


def kept(directory: pathlib.Path, among: Sequence[int], rules: Rules) -> set[int]:
  """Those of these steps, oldest first, that the rules keep."""
  found = set(among[-rules.keep_latest :])
  if rules.keep_every_steps:
    found |= {step for step in among if step % rules.keep_every_steps == 0}
  chosen = best(directory, among, rules) if rules.best_metric else None
  return found if chosen is None else found | {chosen}


def newest_intact(directory: pathlib.Path, among: Sequence[int]) -> tuple[int, set[int]]:
  """The latest of these steps (one or more, oldest first) that is intact, and the damaged ones, warned of, above it.

  Raises:
    DamagedError: all are damaged.
  """
  damaged = set()
  for step in reversed(among):
    try:
      checksums.verify(directory / name(step))
    except checksums.DamagedError as error:
      log.warning('%s; this checkpoint is passed over', error)
      damaged.add(step)
    else:
      return step, damaged
  which = f'every checkpoint in {directory} is damaged: steps {", ".join(map(str, among))}'
  raise checksums.DamagedError(f'{which}. Bring one back from a copy, or move this folder away to start afresh')
