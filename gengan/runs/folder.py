"""The folder of a run: its name, what is written into it before training, and who may train in it.

config.json       the resolved config                      dataset.json   what the data is like, and its hashes
init_from.json    which weights it began with, if any      metrics.jsonl  a line for every report
checkpoints/      see `checkpoint`                         samples/, tensorboard/, profile/
"""

import contextlib
import dataclasses
import logging
import pathlib
from collections.abc import Iterator

import jax
from ml_collections import ConfigDict

from gengan import data, sharding
from gengan.config import load_dataset_facts, reading, require_same_run, trust
from gengan.data.statistics import differences
from gengan.host import files, locks, peers
from gengan.runs import finished
from gengan.runs.checkpoint import Checkpointer

log = logging.getLogger(__name__)

_OF_TRAINING = (
  'config.json',
  'dataset.json',
  'init_from.json',
  'metrics.jsonl',
  'curves.png',
)  # by it alone


def has_checkpoints(workdir: pathlib.Path) -> bool:
  """Whether there is a run to continue; without, a folder holds nothing that counts."""
  folder = workdir / 'checkpoints'
  return bool(finished.steps(folder) or finished.unsealed(folder))  # the latter stop a run, they are not trained over


def open_checkpoints(workdir: pathlib.Path, config: ConfigDict) -> Checkpointer:
  """The run's checkpoints, kept as `config.checkpoint` says."""
  rules = {rule.name: config.checkpoint[rule.name] for rule in dataclasses.fields(finished.Rules)}
  with reading('checkpoint'):
    return Checkpointer(workdir / 'checkpoints', **rules)


def require_same(workdir: pathlib.Path, config: ConfigDict, dataset: data.Dataset) -> None:
  """Refuses to continue a run as another one.

  Raises:
    ValueError: the settings or the data are not those of the run; names what differs. Or there are checkpoints, but
      none by the name of one.
    FileNotFoundError: there are checkpoints, but not what says how they were made.
  """
  if not has_checkpoints(workdir):
    if names := finished.renamed(workdir / 'checkpoints'):
      right = f"a name is the step in eight digits, '{finished.name(20)}'. Give it that, or choose another --workdir"
      raise ValueError(f'{workdir}/checkpoints holds a checkpoint by another name, {names[0]!r}; {right}')
    return
  require_same_run(config, workdir)
  kept = load_dataset_facts(workdir)
  if changed := differences(kept, dataset.statistics):
    right = 'Give it the data that it was trained on, or choose another --workdir'
    raise ValueError(f'{workdir} holds a run on other data, {kept.get("source")}: {"; ".join(changed)}. {right}')


def data_now(config: ConfigDict, source: str) -> ConfigDict:
  """The data section of a run, `config.data`, with the place where that data is now; '': where it was."""
  section = ConfigDict(config.data.to_dict())
  section.source = source or section.source
  return section


def training_data(section: ConfigDict, workdir: pathlib.Path) -> data.Dataset:
  """What the run in a folder was trained on, by `data_now`.

  Raises:
    FileNotFoundError, ValueError: the data cannot be read, or is something else now; says how it differs.
  """
  try:
    with reading('data'):
      dataset = data.load(section)
  except FileNotFoundError as error:
    raise FileNotFoundError(f'{error}; if the data has moved, say where it is now: --source=SOURCE') from error
  if changed := differences(load_dataset_facts(workdir), dataset.statistics):
    where = 'If that is elsewhere now, give --source=SOURCE'
    raise ValueError(f'{section.source} is no longer what the run was trained on: {"; ".join(changed)}. {where}')
  return dataset


def create(workdir: pathlib.Path, config: ConfigDict, dataset: data.Dataset) -> None:
  """Writes into the folder what is known before training: the resolved config and what the data is like.

  Beside a checkpoint, what the data is like stays as it is: it tells on what the saved model was trained.

  Raises:
    ValueError, FileNotFoundError: as `require_same`.
  """
  workdir.mkdir(parents=True, exist_ok=True)
  require_same(workdir, config, dataset)
  if jax.process_index() == 0:
    if foreign := finished.foreign(workdir / 'checkpoints'):
      names = f'{", ".join(foreign[:5])}{" ..." if len(foreign) > 5 else ""}'
      log.warning('%s holds what is no checkpoint and is left alone: %s', workdir / 'checkpoints', names)
    files.write_json(workdir / 'config.json', config.to_dict())
    trust.remember(config.to_dict(), where=workdir)  # whoever trains it is not asked whether its recipe may run
    if not has_checkpoints(workdir):
      files.write_json(workdir / 'dataset.json', {**dataset.statistics, 'class_names': list(dataset.class_names)})
      (workdir / 'init_from.json').unlink(missing_ok=True)  # of an attempt that was never saved


@contextlib.contextmanager
def claimed(workdir: pathlib.Path) -> Iterator[None]:
  """Makes the folder, and keeps every other training out of it until this one leaves or dies.

  Process 0 holds the lock for all processes of a run, of which each ends with a line where another one dies. It removes
  files that a killed training was writing.

  Raises:
    ValueError: another process trains there.
  """
  workdir.mkdir(parents=True, exist_ok=True)
  with contextlib.ExitStack() as stack:

    def lock() -> int:
      stack.enter_context(locks.take(workdir / '.lock', f'{workdir} is being trained by another process'))
      files.remove_unfinished(workdir, *_OF_TRAINING)
      for folder in (workdir / 'samples', *(workdir / 'checkpoints').glob('*')):
        files.remove_unfinished(folder, '*')
      return 0

    sharding.decided_by_first(lock, f'process 0 could not lock {workdir}')
    with peers.watched(workdir, jax.process_index(), jax.process_count()):
      yield
