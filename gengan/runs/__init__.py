"""The folder of a run: what is in it, and how every tool but training opens it, from the folder alone."""

import contextlib
import pathlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from ml_collections import ConfigDict

from gengan.runs import checkpoint as checkpoints
from gengan import config as configs
from gengan import core, data, sharding
from gengan.host import locks
from gengan.data.statistics import differences

REFERENCES = 64  # real images beside which samples are looked at


class Run(NamedTuple):
  """A trained model and what it was trained on."""

  config: ConfigDict
  algorithm: core.Algorithm
  state: core.State
  step: int
  num_classes: int
  class_names: tuple[str, ...]


def default_workdir(config_flag: str) -> pathlib.Path:
  """`configs/dcgan.py:mnist` -> `runs/dcgan-mnist`."""
  path, _, variant = config_flag.partition(':')
  name = pathlib.Path(path).stem
  return pathlib.Path('runs') / (f'{name}-{variant}' if variant else name)


def example_batch(config: ConfigDict, rows: int = 1) -> core.Batch:
  """Shapes and dtypes of a batch of this run's images."""
  size = config.data.image_size
  return {
    'image': jax.ShapeDtypeStruct((rows, size, size, config.data.channels), jnp.float32),
    'label': jax.ShapeDtypeStruct((rows,), jnp.int32),
  }


def require_same(workdir: pathlib.Path, config: ConfigDict, dataset: data.Dataset) -> None:
  """Refuses to continue a run as another one. A folder without a checkpoint holds nothing that could be continued.

  Raises:
    ValueError: the settings or the data are not those of the run; names what differs.
    FileNotFoundError: there are checkpoints, but not what says how they were made.
  """
  if not checkpoints.finished_steps(workdir / 'checkpoints'):
    return
  configs.require_same_run(config, workdir)
  kept = configs.load_dataset_facts(workdir)
  if changed := differences(kept, dataset.statistics):
    raise ValueError(
      f'{workdir} holds a run on other data, {kept.get("source")}: {"; ".join(changed)}. '
      'Give it the data that it was trained on, or choose another --workdir'
    )


@contextlib.contextmanager
def claimed(workdir: pathlib.Path) -> Iterator[None]:
  """Makes the folder, and keeps every other training out of it until this one leaves or dies.

  Process 0 holds the lock for all processes of a run.

  Raises:
    ValueError: another process trains there.
  """
  workdir.mkdir(parents=True, exist_ok=True)
  with contextlib.ExitStack() as stack:
    refusal = None
    if jax.process_index() == 0:
      try:
        stack.enter_context(locks.take(workdir / '.lock', f'{workdir} is being trained by another process'))
      except (ValueError, OSError) as error:
        refusal = error
    refused = refusal is not None
    if jax.process_count() > 1:
      refused = bool(multihost_utils.broadcast_one_to_all(np.int32(refused)))
    if refused:
      raise refusal or ValueError(f'process 0 could not lock {workdir}')
    yield


def create(workdir: pathlib.Path, config: ConfigDict, dataset: data.Dataset) -> None:
  """Writes into the folder what is known before training: the resolved config and what the data is like.

  Beside a checkpoint, what the data is like stays as it is: it tells on what the saved model was trained.

  Raises:
    ValueError, FileNotFoundError: as `require_same`.
  """
  workdir.mkdir(parents=True, exist_ok=True)
  require_same(workdir, config, dataset)
  if jax.process_index() == 0:
    configs.write_json(workdir / 'config.json', config.to_dict())
    if not checkpoints.finished_steps(workdir / 'checkpoints'):
      about = {**dataset.statistics, 'class_names': list(dataset.class_names)}
      configs.write_json(workdir / 'dataset.json', about)


def open_checkpoints(workdir: pathlib.Path, config: ConfigDict) -> checkpoints.Checkpointer:
  """The run's checkpoints, kept as `config.checkpoint` says."""
  options = {name: value for name, value in config.checkpoint.items() if name != 'every_steps'}
  return checkpoints.Checkpointer(workdir / 'checkpoints', **options)


def reference_batch(dataset: data.Dataset, config: ConfigDict) -> core.Batch:
  """Up to 64 held-out images, classes in turn: what samples are compared with, and what is reconstructed."""
  split = dataset.validation if len(dataset.validation) > 1 else dataset.train
  batch, mask = next(data.eval_batches(split, config.data, batch_size=min(len(split), 16 * REFERENCES)))
  labels = batch['label'][mask]
  rank = np.array([np.sum(labels[:i] == label) for i, label in enumerate(labels)])  # among those of its class
  chosen = np.lexsort((labels, rank))[:REFERENCES]
  return {name: array[chosen] for name, array in batch.items()}


def summary(workdir: pathlib.Path, pictures: Sequence[pathlib.Path]) -> str:
  """What a finished run left, for a person."""
  files = [workdir / 'samples', *pictures, workdir / 'metrics.jsonl', workdir / 'tensorboard', workdir / 'checkpoints']
  return ''.join(f'\n  {path}' for path in files)


def load(workdir: str | pathlib.Path, *, checkpoint: str | int = 'latest', weights: str = 'averaged') -> Run:
  """Opens a run on one device.

  Args:
    workdir: the folder that `gengan.main` wrote.
    checkpoint: 'latest', 'best' or a step.
    weights: 'averaged', their moving average, or 'trained'.

  Raises:
    FileNotFoundError: no run, or no checkpoint, in this folder.
    ValueError: the checkpoint is damaged, or was made with other code.
  """
  workdir = pathlib.Path(workdir)
  config = configs.load(workdir)
  algorithm = configs.make_algorithm(config)
  mesh = sharding.make_mesh(devices=jax.local_devices()[:1])
  abstract = sharding.abstract_state(algorithm, example_batch(config), mesh)
  step = None if checkpoint == 'latest' else checkpoint
  with open_checkpoints(workdir, config) as checkpointer:
    restored = checkpointer.restore(abstract, step=step)
  class_names = tuple(configs.load_dataset_facts(workdir)['class_names'])
  state = restored.state if weights == 'averaged' else core.with_trained_weights(restored.state)
  return Run(config, algorithm, state, restored.step, len(class_names), class_names)
