"""What a fresh run takes from the weights of another one: `config.init_from`, for fine-tuning."""

import pathlib
from collections.abc import Sequence
from typing import NamedTuple

import jax

from gengan import runs
from gengan.core import ArgumentError, State
from gengan.host import files
from gengan.runs import leaves

PARTS = ('params', 'model_state', 'ema_params')  # of a state; the optimizer and all memories begin anew
ALLOWED = "a run's folder, or some of its networks as 'runs/a:generator,discriminator'"


class Inherited(NamedTuple):
  """Which leaves begin as they are in a checkpoint of another run.

  Attributes:
    source: the folder of that run.
    step: of the checkpoint.
    taken: shapes and layout of the leaves here, by path.
    missing: paths that the checkpoint does not have.
    other: path, shape here and shape there, where these differ.
  """

  source: pathlib.Path
  step: int
  taken: dict[str, jax.ShapeDtypeStruct]
  missing: tuple[str, ...]
  other: tuple[str, ...]

  def __str__(self) -> str:
    """One line."""
    kinds = {'missing there': self.missing, 'of another shape there': self.other}
    rest = [f'{kind}: {_first(paths)}' for kind, paths in kinds.items() if paths]
    total = len(self.taken) + len(self.missing) + len(self.other)
    taken = f'{len(self.taken)} of {total} arrays of weights begin as in {self.source} at step {self.step}'
    return '; '.join([taken, *rest])


def find(init_from: str, abstract_state: State) -> Inherited:
  """Compares the newest intact checkpoint of another run with a state, by path, shape and dtype; reads no array.

  Args:
    init_from: the other run's folder, 'runs/a', or some of its networks, 'runs/a:generator,discriminator'.
    abstract_state: of jax.ShapeDtypeStruct, in its layout.

  Raises:
    ArgumentError: there is no such checkpoint, no such network here, or nothing fits.
  """
  folder, _, chosen = init_from.partition(':')
  refused = lambda why: ArgumentError('init_from', init_from, ALLOWED, why=why)
  networks = [name.strip() for name in chosen.split(',') if name.strip()] or list(abstract_state.params)
  if unknown := set(networks) - set(abstract_state.params):
    raise refused(f'but this model has no {min(unknown)!r}, it has {" and ".join(abstract_state.params)}')
  source = pathlib.Path(folder)
  try:
    with runs.Checkpointer(source / 'checkpoints') as checkpointer:
      step, there = checkpointer.described()
  except (OSError, ValueError) as error:
    raise refused(f'but {error}') from error
  taken, missing, other = {}, [], []
  for path, leaf in leaves.by_path(abstract_state).items():
    part, _, rest = path.partition('/')
    if part in PARTS and rest.split('/')[0] in networks:
      here = leaves.describe(leaf)
      if path not in there:
        missing.append(path)
      elif there[path] != here:
        other.append(f'{path} is {here} here and {there[path]} there')
      else:
        taken[path] = leaf
  if not taken:
    raise refused('but no array there has the name and shape of one here')
  return Inherited(source, step, taken, tuple(missing), tuple(other))


def take(inherited: Inherited, state: State) -> State:
  """The state with those leaves in their layout.

  Raises:
    FileNotFoundError, ValueError: the checkpoint has gone or is damaged since `find`.
  """
  with runs.Checkpointer(inherited.source / 'checkpoints') as checkpointer:
    arrays = checkpointer.read(inherited.taken, step=inherited.step)
  own = leaves.by_path(state)
  return jax.tree.unflatten(jax.tree.structure(state), [arrays.get(path, leaf) for path, leaf in own.items()])


def record(inherited: Inherited, workdir: pathlib.Path) -> None:
  """Writes into a run's folder whose weights it began with, and the data that those were trained on."""
  try:
    dataset = files.read_json(inherited.source / 'dataset.json')
  except (OSError, ValueError):
    dataset = {}
  about = {
    'source': str(inherited.source.absolute()),
    'step': inherited.step,
    'taken': sorted(inherited.taken),
    'missing': inherited.missing,
    'other': inherited.other,
    'dataset': {name: dataset.get(name) for name in ('source', 'sha256')},
  }
  files.write_json(workdir / 'init_from.json', about)


def _first(paths: Sequence[str]) -> str:
  return ', '.join(paths[:5]) + (f' and {len(paths) - 5} more' if len(paths) > 5 else '')
