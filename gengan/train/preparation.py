"""All that a run needs, checked before anything compiles."""

import os
import pathlib
from typing import NamedTuple

import jax
from ml_collections import ConfigDict

from gengan import config as configs
from gengan import data, runs, sharding
from gengan.config import reading
from gengan.evaluate import in_training
from gengan.host import files
from gengan.train import examination, setup, starting


class Training(NamedTuple):
  """What `prepare` finds out and `fit` uses."""

  config: ConfigDict  # resolved
  workdir: pathlib.Path  # folder of the run
  dataset: data.Dataset
  setup: setup.Setup
  iterator: data.TrainIterator  # over batches of this process
  inherited: starting.Inherited | None  # the weights of another run to begin with; None: none, or the run goes on


def prepare(config: ConfigDict, workdir: str | os.PathLike) -> Training:
  """Finds everything that is wrong with a config, its data or its folder.

  Raises:
    ConfigError: a field that cannot be, and what would be right.
    ValueError, OSError: one line about the data or the folder.
  """
  config, workdir = ConfigDict(config.to_dict()), pathlib.Path(workdir)
  configs.check(config)
  sharding.initialize(config.mesh.distributed)
  mesh = setup.make_mesh(config)
  with reading('data'):
    dataset = data.load(config.data)
  configs.set_classes(config, dataset.num_classes, labelled=dataset.statistics['labelled'])
  runs.require_same(workdir, config, dataset)
  made = setup.make(config, mesh)
  in_training.check(config, dataset, made.algorithm)
  examination.check(config, made)
  inherited = None
  if config.init_from and not runs.has_checkpoints(workdir):
    with reading():
      inherited = starting.find(config.init_from, made.abstract_state)
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
  return Training(config, workdir, dataset, made, iterator, inherited)
