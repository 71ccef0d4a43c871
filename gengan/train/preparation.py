"""All that a run needs, checked and traced before anything compiles."""

import os
import pathlib
from typing import NamedTuple

import jax
from ml_collections import ConfigDict

from gengan import core, data, runs, sharding
from gengan.config import ConfigError, check, make_algorithm, reading, set_classes
from gengan.evaluate import in_training
from gengan.host import files
from gengan.metrics import collapse
from gengan.train import starting


class Setup(NamedTuple):
  """A config's step before it is compiled."""

  mesh: jax.sharding.Mesh  # of all devices
  algorithm: core.Algorithm  # made for the mesh's mode
  batch: core.Batch  # shapes and dtypes of the whole batch
  abstract_state: core.State  # shapes, dtypes and layout


def make_mesh(config: ConfigDict) -> jax.sharding.Mesh:
  """The mesh of all devices.

  Raises:
    ConfigError: its sizes, its mode or the batch size do not fit the devices.
  """
  with reading('mesh', {'batch_size': ''}):
    mesh = sharding.make_mesh(data=config.mesh.data, fsdp=config.mesh.fsdp)
    sharding.check_mode(config.mesh.mode, mesh)
    sharding.check_batch_size(config.batch_size, mesh)
  return mesh


def set_up(config: ConfigDict, mesh: jax.sharding.Mesh | None = None) -> Setup:
  """Builds a config's algorithm for a mesh (None: of `make_mesh`) and traces its steps; nothing is compiled.

  The config has gone through `config.check` and `config.set_classes`.

  Raises:
    ConfigError: a field that cannot be.
    ValueError: sizes that do not go together.
  """
  mesh = make_mesh(config) if mesh is None else mesh
  axis_name = 'data' if config.mesh.mode == 'pmap' else None
  batch = runs.example_batch(config, config.batch_size)
  algorithm = make_algorithm(config, axis_name=axis_name)
  with reading():
    abstract_state = sharding.abstract_state(algorithm, batch, mesh)
    core.check_steps(algorithm, abstract_state, batch, axis_name=axis_name, devices=mesh.size)
  return Setup(mesh, algorithm, batch, abstract_state)


class Training(NamedTuple):
  """What `prepare` finds out and `fit` uses."""

  config: ConfigDict  # resolved
  workdir: pathlib.Path  # folder of the run
  dataset: data.Dataset
  setup: Setup
  iterator: data.TrainIterator  # over batches of this process
  inherited: starting.Inherited | None  # the weights of another run to begin with; None: none, or the run goes on


def prepare(config: ConfigDict, workdir: str | os.PathLike) -> Training:
  """Finds everything that is wrong with a config, its data or its folder.

  Raises:
    ConfigError: a field that cannot be, and what would be right.
    ValueError, OSError: one line about the data or the folder.
  """
  config, workdir = ConfigDict(config.to_dict()), files.path(workdir)
  check(config)
  sharding.initialize(config.mesh.distributed)
  mesh = make_mesh(config)
  dataset = _data(config, workdir)
  _check_private(config, dataset)
  set_classes(config, dataset.num_classes, labelled=dataset.statistics['labelled'])
  runs.require_same(workdir, config, dataset)
  setup = set_up(config, mesh)
  in_training.check(config, dataset, setup.algorithm)
  _check_best_metric(config, setup)
  inherited = None
  if config.init_from and not runs.has_checkpoints(workdir):
    with reading():
      inherited = starting.find(config.init_from, setup.abstract_state)
  if jax.process_index() == 0:
    files.require_writable(workdir, flag='--workdir')
  with reading('data', {'batch_size': '', 'seed': ''}):
    iterator = data.train_iterator(
      dataset.train,
      config.data,
      batch_size=config.batch_size,
      seed=config.seed,
      process_index=jax.process_index(),
      process_count=jax.process_count(),
    )
  return Training(config, workdir, dataset, setup, iterator, inherited)


def _data(config: ConfigDict, workdir: pathlib.Path) -> data.Dataset:
  """The data; a run whose data is no longer there is told how it goes on."""
  try:
    with reading('data'):
      return data.load(config.data)
  except FileNotFoundError as error:
    if not runs.has_checkpoints(workdir):
      raise
    where = 'if the data of this run has moved, say where it is now: --config.data.source=...'
    raise FileNotFoundError(f'{error}; {where}') from error


def _check_private(config: ConfigDict, dataset: data.Dataset) -> None:
  """Refuses a range of values that was found by looking at private images."""
  low, high = dataset.statistics['preprocessing']['range']
  if config.private_data and config.data.range == 'auto' and (low, high) != (0, 255):
    why = 'but that would choose by real images, which tells of them'
    raise ConfigError('data.range', 'auto', f"said, as in '{low},{high}'", why=why, beside={'private_data': True})


def _check_best_metric(config: ConfigDict, setup: Setup) -> None:
  """Refuses, with those that there are, a `config.checkpoint.best_metric` that no examination of this run will give."""
  wanted = config.checkpoint.best_metric
  key = jax.eval_shape(lambda: jax.random.key(0))
  values = jax.eval_shape(setup.algorithm.eval_step, setup.abstract_state, setup.batch, key)
  known = [*(f'validation/{name}' for name in sorted(values)), *collapse.METRICS]
  beginnings = in_training.score_names(config)
  if wanted and wanted not in known and not wanted.startswith(beginnings):
    known += [f'{name}...' if name.endswith('_') else name for name in beginnings]
    raise ConfigError('checkpoint.best_metric', wanted, f'one of {", ".join(known)}')
