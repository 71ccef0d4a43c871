"""Configs on their way from a file to a run: checked, compared and kept as JSON beside the results."""

import difflib
import importlib
import inspect
import json
import math
import os
import pathlib
import re
import tempfile
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any

from ml_collections import ConfigDict

from gengan import core, optimizers

INTERVALS = ('log_every_steps', 'eval_every_steps', 'sample_every_steps')
PLACES = ('data.source', 'data.exclude', 'data.data_dir')  # of data that is compared itself: `runs.require_same`
FREE_TO_CHANGE = ('num_steps', *INTERVALS, 'checkpoint.', 'evaluators.', 'mesh.', *PLACES)
POSITIVE = (
  'num_steps',
  'batch_size',
  *INTERVALS,
  'checkpoint.every_steps',
  'checkpoint.keep_latest',
  'evaluators.every_steps',
  'evaluators.num_generated',
)
ADDED = {'private_data': False}  # fields that came later, and the value that says what runs before them did
CHOICES = {'mesh.mode': ('jit', 'pmap'), 'checkpoint.best_mode': ('min', 'max')}
REQUIRED = (  # of a training config; what a recipe reads beside them, it says itself
  *POSITIVE,
  *CHOICES,
  'seed',
  'private_data',
  'data.source',
  'data.image_size',
  'data.channels',
  'mesh.data',
  'mesh.fsdp',
  'mesh.distributed',
  'checkpoint.keep_every_steps',
  'checkpoint.best_metric',
  'evaluators.metrics',
  'evaluators.network',
  'model.name',
)
MAX_SEED = 2**32 - 1
MAX_WHOLE = 2**31 - 1  # steps and sizes are int32 on the device


def check(config: ConfigDict) -> None:
  """Checks what every recipe shares; the rest is checked by the part that reads it.

  Raises:
    ValueError: one line that names the field, its value and what is allowed; or the field that is missing.
  """
  kind = 'a training config'
  if isinstance(config.get('generator'), ConfigDict):
    kind += " (it looks like a comparison's, for python -m gengan.utility)"
  require_fields(config, REQUIRED, kind=kind, example='configs/dcgan.py')
  check_numbers(config)
  flat = _flatten(config.to_dict())
  for field in POSITIVE:
    if not _is_whole(flat[field]) or flat[field] < 1:
      raise ValueError(f'config.{field} is {flat[field]!r}; it must be at least 1')
  if not _is_whole(config.seed) or not 0 <= config.seed <= MAX_SEED:
    raise ValueError(f'config.seed is {config.seed!r}; it must be a whole number from 0 to {MAX_SEED}')
  if config.model.get('num_classes', 0) < 0:
    raise ValueError(
      f'config.model.num_classes is {config.model.num_classes}; it must be at least 0 (0: as many as the data has)'
    )
  for field, choices in CHOICES.items():
    if flat[field] not in choices:
      raise ValueError(f'config.{field} is {flat[field]!r}; it must be one of {", ".join(choices)}')
  if config.checkpoint.keep_every_steps < 0:
    raise ValueError(f'config.checkpoint.keep_every_steps is {config.checkpoint.keep_every_steps}; 0 keeps none')
  for path, node in _fields(config):
    if isinstance(node, ConfigDict) and {'schedule', 'decay_steps'} <= set(node):
      updates = config.num_steps * updates_a_step(config, path.rpartition('.')[2])
      optimizers.check_length(node, updates, section=f'config.{path}')


def updates_a_step(config: ConfigDict, network: str) -> int:
  """How often a train step updates a network, such as 'discriminator'."""
  return config.get('d_steps_per_g_step', 1) if network == 'discriminator' else 1


def require_fields(config: ConfigDict, fields: Sequence[str], *, kind: str, example: str) -> None:
  """Raises a ValueError that names the first field of `fields`, such as 'mesh.mode', that the config lacks.

  Args:
    config: the whole of it.
    fields: their paths.
    kind: what the config should be, for the message.
    example: a file that is one.
  """
  for field in fields:
    node = config
    for name in field.split('.'):
      if not isinstance(node, ConfigDict) or name not in node:
        raise ValueError(f'this is not {kind}: config.{field} is missing; {example} is one')
      node = node[name]


def check_numbers(config: ConfigDict) -> None:
  """Raises a ValueError that names a number which is not finite, or a whole one that is too large for the device."""
  for field, value in _flatten(config.to_dict()).items():
    for number in value if isinstance(value, (tuple, list)) else (value,):
      if isinstance(number, float) and not math.isfinite(number):
        raise ValueError(f'config.{field} is {value}; it must be finite')
      if _is_whole(number) and abs(number) > MAX_WHOLE and not field.endswith('seed'):
        raise ValueError(f'config.{field} is {value}; it must be at most {MAX_WHOLE}')


def missing_field(config: ConfigDict, path: str) -> str | None:
  """What is wrong with the path of a field, such as 'optimizers.generator.lr', and what would be right.

  Returns:
    One line; None where the config has the field. A path with brackets is not looked at.
  """
  node, at = config, 'config'
  for name in path.split('.') if re.fullmatch(r'[\w.]+', path) else ():
    if not isinstance(node, ConfigDict):
      return f'{at} has no fields, it is {node!r}'
    if name not in node:
      guess = _closest(name, list(node), elsewhere=[field for field, _ in _fields(config)])
      hint = f'; did you mean {guess}?' if guess else '.'
      return f'{at} has no field {name!r}{hint} It has: {", ".join(node)}'
    node, at = node[name], f'{at}.{name}'
  return None


def set_classes(config: ConfigDict, num_classes: int, *, labelled: bool) -> None:
  """Fills in `config.model.num_classes` where the config leaves it to the data, in place.

  Args:
    config: checked by `check`.
    num_classes: of the data.
    labelled: whether the data has labels.

  Raises:
    ValueError: a conditional model on images without labels of two classes, or with fewer classes than they have.
  """
  model = config.model
  if is_conditional(config) and (num_classes < 2 or not labelled):
    lacks = 'are all of one class' if labelled else 'have no labels'
    raise ValueError(
      f'config.model.conditional is True, but the images of {config.data.source!r} {lacks}; set it to False'
    )
  if 'num_classes' not in model:
    return
  if not model.num_classes:
    model.num_classes = num_classes
  elif model.get('conditional', True) and model.num_classes < num_classes:
    raise ValueError(
      f'config.model.num_classes is {model.num_classes}, but the data has {num_classes} classes; '
      f'it must be at least {num_classes} (0: as many as the data has)'
    )


def is_conditional(config: ConfigDict) -> bool:
  """Whether its model is asked for a class."""
  return bool(config.model.get('conditional', False))


def make_algorithm(config: ConfigDict, axis_name: str | None = None) -> core.Algorithm:
  """Finds the recipe by its import path, `config.model.name`, and builds it.

  Raises:
    ValueError: there is no such module, it has no `make(config, axis_name=None) -> Algorithm`, or it reads a field that
      the config lacks.
  """
  name = config.model.name
  make = _recipe(name).make
  try:
    algorithm = make(config, axis_name=axis_name)
  except AttributeError as error:
    if not isinstance(error.obj, ConfigDict):  # not the config lacks something: an error of the recipe's own
      raise
    section = next((path for path, node in _fields(config) if node is error.obj), '')
    raise ValueError(
      f'config.{section}{section and "."}{error.name} is missing, which {name} reads; '
      'is config.model.name the recipe of this config?'
    ) from error
  if not isinstance(algorithm, core.Algorithm):
    raise ValueError(f'config.model.name is {name!r}, whose make(config) gives no Algorithm; {_RECIPE}')
  return algorithm


def write_json(path: pathlib.Path, content: Any) -> None:
  """Writes beside and renames, so that no half-written file bears the name."""
  text = json.dumps(content, indent=2, sort_keys=True) + '\n'
  temporary = path.with_name(f'{path.name}.{os.getpid()}.tmp')
  temporary.write_text(text)
  os.replace(temporary, path)


def load(workdir: str | os.PathLike) -> ConfigDict:
  """The config of a run, which may have begun before one of its fields existed.

  Raises:
    FileNotFoundError: there is no run in this folder.
    ValueError: its config.json is damaged, or another's.
  """
  path = pathlib.Path(workdir) / 'config.json'
  if not path.exists():
    raise FileNotFoundError(f'{workdir} is not the folder of a run: it has no config.json')
  content = read_json(path)
  if not isinstance(content.get('model'), dict):
    raise ValueError(f'{path} is not the config of a run: it has no model')
  return ConfigDict({**ADDED, **content})


def load_dataset_facts(workdir: str | os.PathLike) -> dict[str, Any]:
  """What the data of a run is like, with its 'class_names', as `runs.create` kept it.

  Raises:
    FileNotFoundError: it is missing.
    ValueError: its dataset.json is damaged, or something else.
  """
  path = pathlib.Path(workdir) / 'dataset.json'
  if not path.exists():
    raise FileNotFoundError(f'{path} is missing: nothing says on which data the checkpoints there were trained')
  content = read_json(path)
  names = content.get('class_names')
  if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
    raise ValueError(f'{path} is damaged: it has no list of class_names')
  return content


def read_json(path: pathlib.Path) -> dict[str, Any]:
  """The JSON object in a file.

  Raises:
    FileNotFoundError: there is no file.
    ValueError: it is damaged, or holds something else; one line that names it.
  """
  try:
    content = json.loads(path.read_text())
  except ValueError as error:
    raise ValueError(f'{path} is damaged: {error}') from error
  if not isinstance(content, dict):
    raise ValueError(f'{path} is damaged: it holds no JSON object')
  return content


def require_writable(folder: pathlib.Path, *, flag: str) -> None:
  """Makes a folder and a file in it, and takes away again what was not there.

  Args:
    folder: need not exist.
    flag: that names it, for the message.

  Raises:
    ValueError: files cannot be written there.
  """
  made = [path for path in (folder, *folder.parents) if not path.exists()]
  try:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
      pass
  except OSError as error:
    why = 'that is a file' if folder.is_file() else error.strerror
    raise ValueError(f'{flag} is {folder}, where no files can be written: {why}') from error
  finally:
    for path in made:
      if path.is_dir():
        path.rmdir()


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


_RECIPE = 'it must be the import path of a recipe, such as gengan.models.dcgan; see docs/adding_a_model.md'


def _recipe(name: Any) -> ModuleType:
  """The module of that import path, which has a make(config, axis_name=...)."""
  if not isinstance(name, str) or not all(part.isidentifier() for part in name.split('.')):
    raise ValueError(f'config.model.name is {name!r}; {_RECIPE}')
  try:
    module = importlib.import_module(name)
  except ModuleNotFoundError as error:
    raise ValueError(f'config.model.name is {name!r}: {error}; {_RECIPE}') from error
  make = getattr(module, 'make', None)
  if not callable(make):
    raise ValueError(f'config.model.name is {name!r}, which has no make(config); {_RECIPE}')
  try:
    inspect.signature(make).bind(ConfigDict(), axis_name=None)
  except TypeError as error:
    raise ValueError(
      f'config.model.name is {name!r}, whose make cannot be called as make(config, axis_name=None): {error}; {_RECIPE}'
    ) from error
  return module


def _closest(name: str, fields: Sequence[str], *, elsewhere: Sequence[str]) -> str:
  """The field of this section, or else the path of one in another, that was probably meant; '' where none looks so."""
  words = lambda field: ''.join(word[:1] for word in field.split('_'))
  near = difflib.get_close_matches(name, fields, 1) or [field for field in fields if words(field) == name]
  if near:
    return repr(near[0])
  return next((f'config.{field}' for field in elsewhere if field.rpartition('.')[2] == name), '')


def _fields(config: ConfigDict, prefix: str = '') -> Iterator[tuple[str, Any]]:
  """Every field and section with its path."""
  for name, value in config.items():
    yield prefix + name, value
    if isinstance(value, ConfigDict):
      yield from _fields(value, f'{prefix}{name}.')


def _is_whole(value: Any) -> bool:
  return isinstance(value, int) and not isinstance(value, bool)


def _flatten(tree: dict[str, Any], prefix: str = '') -> dict[str, Any]:
  flat = {}
  for key, value in tree.items():
    if isinstance(value, dict):
      flat.update(_flatten(value, f'{prefix}{key}.'))
    else:
      flat[prefix + key] = value
  return flat
