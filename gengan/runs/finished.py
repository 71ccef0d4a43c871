"""The finished checkpoints of a folder: which there are, which is the best, which is read and which are kept."""

import dataclasses
import logging
import math
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from gengan.core import ArgumentError
from gengan.host import checksums, files

log = logging.getLogger(__name__)

PARTIAL, DAMAGED = ASIDE = ('.partial', '.damaged')  # half-written or half-deleted; set aside
SCORES = 'scores.json'  # metrics that were measured after the checkpoint had been saved


@dataclasses.dataclass(frozen=True)
class Rules:
  """Which checkpoints are kept, the fields of `config.checkpoint`. Raises ArgumentError for what cannot be."""

  keep_latest: int = 2  # of the newest, at least one
  keep_every_steps: int = 0  # also each whose step is a multiple of this; 0: none
  best_metric: str = ''  # also the best by this metric, of those that have it and where it is finite; '': none
  best_mode: str = 'min'  # or 'max'

  def __post_init__(self):
    if type(self.keep_latest) is not int or self.keep_latest < 1:
      raise ArgumentError('keep_latest', self.keep_latest, 'at least 1')
    if type(self.keep_every_steps) is not int or self.keep_every_steps < 0:
      raise ArgumentError('keep_every_steps', self.keep_every_steps, 'at least 0')
    if self.best_mode not in ('min', 'max'):
      raise ArgumentError('best_mode', self.best_mode, "'min' or 'max'")


def name(step: int) -> str:
  """The folder of a checkpoint."""
  return f'{step:08d}'


def steps(directory: pathlib.Path) -> list[int]:
  """The steps of the finished checkpoints, damaged or not, oldest first; none where there is no folder."""
  return sorted(step for step, path in _named(directory).items() if (path / checksums.SUMS).is_file())


def unsealed(directory: pathlib.Path) -> list[int]:
  """The steps of what is called like a checkpoint but has nothing that vouches for it, be it empty, oldest first."""
  return sorted(step for step, path in _named(directory).items() if not (path / checksums.SUMS).is_file())


def foreign(directory: pathlib.Path) -> list[str]:
  """Names in the folder that no checkpoint has had, in order."""
  if not directory.is_dir():
    return []
  known = {path.name for path in _named(directory).values()}
  return sorted(path.name for path in directory.iterdir() if path.name not in known and path.suffix not in ASIDE)


def renamed(directory: pathlib.Path) -> list[str]:
  """Those of the foreign names that are folders with the sums of a checkpoint."""
  return [name for name in foreign(directory) if (directory / name / checksums.SUMS).is_file()]


def _named(directory: pathlib.Path) -> dict[int, pathlib.Path]:
  """What has the name of a step: a folder, or what took its place."""
  if not directory.is_dir():
    return {}
  numbers = [path for path in directory.iterdir() if path.name.isdecimal()]
  return {int(path.name): path for path in numbers if path.name == name(int(path.name))}


def about(folder: pathlib.Path) -> dict[str, Any]:
  """What a checkpoint says of itself: step, processes, metrics, config, and leaves as {path: dtype and shape}.

  Raises:
    FileNotFoundError: it says nothing.
    ValueError: it says something else.
  """
  path = folder / 'checkpoint.json'
  found = files.read_json(path)
  texts = lambda value: isinstance(value, dict) and all(isinstance(text, str) for text in value.values())
  whole = lambda value, least: type(value) is int and value >= least
  right = {
    'step': whole(found.get('step'), 0) and name(found['step']) == folder.name.removesuffix(PARTIAL),
    'processes': whole(found.get('processes'), 1),
    'metrics': _is_metrics(found.get('metrics')),
    'config': isinstance(found.get('config'), dict),
    'leaves': texts(found.get('leaves')),
  }
  if wrong := [field for field, good in right.items() if not good]:
    raise ValueError(f'{path} is damaged: it has no {" and no ".join(wrong)} of a checkpoint')
  return found


def as_json(values: Mapping[str, float]) -> dict[str, float | None]:
  """Metrics as a file keeps them: null stands for NaN and infinity."""
  return {key: value if math.isfinite(value) else None for key, value in values.items()}


def metrics(folder: pathlib.Path) -> dict[str, float]:
  """The metrics of a checkpoint, NaN where they were not finite; none if it is damaged or has gone.

  Nothing is hashed here, so damage must not stop a run that only ranks them.
  """
  try:
    path = folder / SCORES
    found = files.read_json(path) if path.is_file() else about(folder)['metrics']
    return {key: math.nan if value is None else float(value) for key, value in found.items()}
  except (OSError, ValueError, TypeError, OverflowError):
    return {}


def _is_metrics(found: Any) -> bool:
  number = lambda value: value is None or type(value) in (int, float)
  return isinstance(found, dict) and all(map(number, found.values()))


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
  damaged = {}
  for step in reversed(among):
    try:
      checksums.verify(directory / name(step))
    except checksums.DamagedError as error:
      damaged[step] = error
    else:
      for error in damaged.values():
        log.warning('%s; this checkpoint is passed over', error)
      return step, set(damaged)
  which = f'every checkpoint in {directory} is damaged: steps {", ".join(map(str, among))}'
  right = 'Bring one back from a copy, or move this folder away to start afresh'
  raise checksums.DamagedError(f'{which}; {damaged[among[-1]]}. {right}')
