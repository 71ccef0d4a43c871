"""What a fresh run takes from the weights of another one: `config.init_from`, for fine-tuning."""

import pathlib
from collections.abc import Container, Sequence
from typing import NamedTuple

import jax

from gengan import runs
from gengan.core import FIRST_STAGE, ArgumentError, State
from gengan.host import files
from gengan.runs import leaves

PARTS = ('params', 'model_state', 'ema_params')  # of a state; the optimizer and all memories begin anew
ALLOWED = "a run's folder, or some of its networks as 'runs/a:generator,discriminator'"


class Inherited(NamedTuple):
  """Which leaves begin as they are in a checkpoint of another run."""

  source: pathlib.Path  # folder of that run
  step: int  # of the checkpoint
  taken: dict[str, jax.ShapeDtypeStruct]  # the leaves here, with their layout, by their path there
  places: dict[str, str]  # path here of each of them
  missing: tuple[str, ...]  # paths that the checkpoint does not have
  other: tuple[str, ...]  # path, shape here and shape there, where these differ
  left: tuple[str, ...]  # paths of the same networks that only the checkpoint has

  def __str__(self) -> str:
    """One line."""
    total = len(self.taken) + len(self.missing) + len(self.other)
    taken = f'{len(self.taken)} of {total} arrays of weights begin as in {self.source} at step {self.step}'
    rest = leaves.listed({'missing there': self.missing, 'of another shape there': self.other, 'only there': self.left})
    return f'{taken}; {rest}' if rest else taken


def find(init_from: str, abstract_state: State) -> Inherited:
  """Compares the newest intact checkpoint of another run with a state, by path, shape and dtype; reads no array.

  Args:
    init_from: the other run's folder, 'runs/a', or some of its networks, 'runs/a:generator,discriminator'. The frozen
      first stage of `latent.on` is one more network here, 'runs/vae:first_stage': that of the other run, or else all
      that the other run samples with.
    abstract_state: of jax.ShapeDtypeStruct, in its layout.

  Raises:
    ArgumentError: there is no such checkpoint, no such network here, or nothing fits.
  """
  folder, _, chosen = init_from.partition(':')
  refused = lambda why: ArgumentError('init_from', init_from, ALLOWED, why=why)
  known = [*abstract_state.params, *({FIRST_STAGE} & set(abstract_state.extra))]
  networks = [name.strip() for name in chosen.split(',') if name.strip()] or known
  if unknown := set(networks) - set(known):
    raise refused(f'but this model has no {min(unknown)!r}, it has {" and ".join(known)}')
  source = files.path(folder)
  if not source.is_dir():
    raise refused('but there is no such folder')
  try:
    with runs.Checkpointer(source / 'checkpoints') as checkpointer:
      step, there = checkpointer.described()
  except (OSError, ValueError) as error:
    raise refused(f'but {error}') from error
  taken, places, missing, other, seen = {}, {}, [], [], set()
  for path, leaf in leaves.by_path(abstract_state).items():
    if (source_path := _path_there(path, networks, there)) is None:
      continue
    here = leaves.describe(leaf)
    seen.add(source_path)
    if source_path not in there:
      missing.append(path)
    elif there[source_path] != here:
      other.append(f'{path} is {here} here and {there[source_path]} there')
    else:
      taken[source_path], places[source_path] = leaf, path
  if not taken:
    raise refused('but no array there has the name and shape of one here')
  left = [path for path in there if path not in seen and path.startswith(PARTS) and path.split('/')[1] in networks]
  return Inherited(source, step, taken, places, tuple(missing), tuple(other), tuple(left))


def _path_there(path: str, networks: Sequence[str], there: Container[str]) -> str | None:
  """Where a leaf of this state stands in the other run's; None: it is not to be taken."""
  part, _, rest = path.partition('/')
  if part in PARTS:
    return path if rest.split('/')[0] in networks else None
  frozen = f'extra/{FIRST_STAGE}/'
  if FIRST_STAGE not in networks or not path.startswith(frozen):
    return None
  return path if path in there else path.removeprefix(frozen)


def take(inherited: Inherited, state: State) -> State:
  """The state with those leaves in their layout.

  Raises:
    FileNotFoundError, ValueError: the checkpoint has gone or is damaged since `find`.
  """
  with runs.Checkpointer(inherited.source / 'checkpoints') as checkpointer:
    found = checkpointer.read(inherited.taken, step=inherited.step)
  arrays, own = {inherited.places[path]: array for path, array in found.items()}, leaves.by_path(state)
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
    'taken': sorted(inherited.places.values()),
    'missing': inherited.missing,
    'other': inherited.other,
    'left': inherited.left,
    'dataset': {name: dataset.get(name) for name in ('source', 'sha256')},
  }
  files.write_json(workdir / 'init_from.json', about)
