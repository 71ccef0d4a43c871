"""What a train step is compiled from: the mesh, the algorithm and the shapes and layout of its state."""

from typing import NamedTuple

import jax
from ml_collections import ConfigDict

from gengan import config as configs
from gengan import core, runs, sharding
from gengan.config import reading


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


def make(config: ConfigDict, mesh: jax.sharding.Mesh | None = None) -> Setup:
  """Builds a config's algorithm for a mesh (None: of `make_mesh`) and traces its steps; nothing is compiled.

  The config has gone through `config.check` and `config.set_classes`.

  Raises:
    ConfigError: a field that cannot be.
    ValueError: sizes that do not go together.
  """
  mesh = make_mesh(config) if mesh is None else mesh
  axis_name = 'data' if config.mesh.mode == 'pmap' else None
  batch = runs.example_batch(config, config.batch_size)
  algorithm = configs.make_algorithm(config, axis_name=axis_name)
  with reading():
    abstract_state = sharding.abstract_state(algorithm, batch, mesh)
    core.check_steps(algorithm, abstract_state, batch, axis_name=axis_name, devices=mesh.size)
  return Setup(mesh, algorithm, batch, abstract_state)
