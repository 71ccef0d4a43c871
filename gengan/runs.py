"""The folder of a run: what is in it, and how every tool but training opens it, from the folder alone."""

import json
import pathlib
from typing import NamedTuple

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from gengan import checkpoint as checkpoints
from gengan import config as configs
from gengan import core, sharding


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


def load(workdir: str | pathlib.Path, *, checkpoint: str | int = 'latest', ema: bool = True) -> Run:
  """Opens a run on one device.

  Args:
    workdir: the folder that `gengan.main` wrote.
    checkpoint: 'latest', 'best' or a step.
    ema: the moving average of the weights; False: the weights as trained.

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
  with checkpoints.Checkpointer(workdir / 'checkpoints', **checkpoint_options(config)) as checkpointer:
    restored = checkpointer.restore(abstract, step=step)
  dataset = json.loads((workdir / 'dataset.json').read_text())
  state = restored.state if ema else core.without_ema(restored.state)
  return Run(config, algorithm, state, restored.step, len(dataset['class_names']), tuple(dataset['class_names']))


def checkpoint_options(config: ConfigDict) -> dict:
  """The part of `config.checkpoint` that says what is kept."""
  return {name: value for name, value in config.checkpoint.items() if name != 'every_steps'}
