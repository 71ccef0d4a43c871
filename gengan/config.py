"""Configs on their way from a file to a run: checked, compared and kept as JSON beside the results."""

import importlib
import json
import os
import pathlib
from typing import Any

from ml_collections import ConfigDict

from gengan import core

INTERVALS = ('log_every_steps', 'eval_every_steps', 'sample_every_steps')
FREE_TO_CHANGE = ('num_steps', *INTERVALS, 'checkpoint.', 'evaluators.', 'mesh.', 'data.data_dir')
POSITIVE = (
  'num_steps',
  'batch_size',
  *INTERVALS,
  'checkpoint.every_steps',
  'checkpoint.keep_latest',
  'evaluators.every_steps',
)
CHOICES = {'mesh.mode': ('jit', 'pmap'), 'checkpoint.best_mode': ('min', 'max')}


def check(config: ConfigDict) -> None:
  """Checks what every recipe shares; the rest is checked by the part that reads it.

  Raises:
    ValueError: one line that names the field, its value and what is allowed.
  """
  flat = _flatten(config.to_dict())
  for field in POSITIVE:
    if flat[field] < 1:
      raise ValueError(f'config.{field} is {flat[field]}; it must be at least 1')
  for field, choices in CHOICES.items():
    if flat[field] not in choices:
      raise ValueError(f'config.{field} is {flat[field]!r}; it must be one of {", ".join(choices)}')
  if config.checkpoint.keep_every_steps < 0:
    raise ValueError(f'config.checkpoint.keep_every_steps is {config.checkpoint.keep_every_steps}; 0 keeps none')
  if config.mesh.mode == 'pmap' and config.mesh.fsdp != 1:
    raise ValueError(
      f"config.mesh.fsdp is {config.mesh.fsdp}; in mode 'pmap' every device holds the state: set it to 1"
    )


def make_algorithm(config: ConfigDict, axis_name: str | None = None) -> core.Algorithm:
  """Finds the recipe by its import path, `config.model.name`, and builds it.

  Raises:
    ValueError: there is no such module, or it has no `make(config)`.
  """
  name = config.model.name
  try:
    module = importlib.import_module(name)
  except ModuleNotFoundError as error:
    raise ValueError(
      f'config.model.name is {name!r}: {error}; it must be the import path of a recipe, such as gengan.models.dcgan'
    ) from error
  if not hasattr(module, 'make'):
    raise ValueError(f'config.model.name is {name!r}, which has no make(config); see docs/adding_a_model.md')
  return module.make(config, axis_name=axis_name)


def write_json(path: pathlib.Path, content: Any) -> None:
  """Writes beside and renames, so that no half-written file bears the name."""
  text = json.dumps(content, indent=2, sort_keys=True) + '\n'
  temporary = path.with_name(f'{path.name}.{os.getpid()}.tmp')
  temporary.write_text(text)
  os.replace(temporary, path)


def load(workdir: str | os.PathLike) -> ConfigDict:
  """The config of a run.

  Raises:
    FileNotFoundError: there is no run in this folder.
  """
  path = pathlib.Path(workdir) / 'config.json'
  if not path.exists():
    raise FileNotFoundError(f'{workdir} is not the folder of a run: it has no config.json')
  return ConfigDict(json.loads(path.read_text()))


def require_same_run(config: ConfigDict, workdir: pathlib.Path) -> None:
  """Refuses to continue a run with settings that would make it another run.

  Raises:
    ValueError: names every field that differs. How long, where and how often may change; what is trained may not.
  """
  kept, wanted = (_flatten(json.loads(json.dumps(c.to_dict()))) for c in (load(workdir), config))
  changed = [
    f'config.{field} is {kept.get(field)!r} there and {wanted.get(field)!r} here'
    for field in sorted(kept.keys() | wanted.keys())
    if kept.get(field) != wanted.get(field) and not field.startswith(FREE_TO_CHANGE)
  ]
  if changed:
    raise ValueError(f'{workdir} holds a run with other settings: {"; ".join(changed)}. Choose another --workdir')


def _flatten(tree: dict[str, Any], prefix: str = '') -> dict[str, Any]:
  flat = {}
  for key, value in tree.items():
    if isinstance(value, dict):
      flat.update(_flatten(value, f'{prefix}{key}.'))
    else:
      flat[prefix + key] = value
  return flat
