"""From a config to the algorithm that it describes, and how many classes that one knows."""

import importlib
import inspect
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ml_collections import ConfigDict

from gengan.config.errors import ConfigError
from gengan.config.fields import MISSING, walk

if TYPE_CHECKING:
  from gengan import core

_RECIPE = 'the import path of a recipe, such as gengan.models.dcgan; see docs/adding_a_model.md'


def make_algorithm(config: ConfigDict, axis_name: str | None = None) -> 'core.Algorithm':
  """Finds the recipe by its import path, `config.model.name`, and builds it.

  Raises:
    ConfigError: there is no such module, it has no `make(config, axis_name=None) -> Algorithm`, or it reads a field
      that the config lacks.
  """
  from gengan import core  # here, for a command line answers before JAX is imported

  name = config.model.name
  make = _recipe(name).make
  try:
    algorithm = make(config, axis_name=axis_name)
  except AttributeError as error:
    if not isinstance(error.obj, ConfigDict):  # not the config lacks something: an error of the recipe's own
      raise
    section = next((f'{path}.' for path, node in walk(config) if node is error.obj), '')
    allowed = 'there, or config.model.name the recipe of this config'
    raise ConfigError(f'{section}{error.name}', MISSING, allowed, why=f'which {name} reads') from error
  if not isinstance(algorithm, core.Algorithm):
    raise ConfigError('model.name', name, _RECIPE, why='whose make(config) gives no Algorithm')
  return algorithm


def classes(config: ConfigDict) -> int:
  """How many classes the model can be asked for; 0: it is unconditional.

  Raises:
    ConfigError: it is conditional, and nobody has said how many, as `set_classes` does.
  """
  if not config.model.get('conditional', False):
    return 0
  number = config.model.get('num_classes', MISSING)
  if number is MISSING or number < 2:
    raise ConfigError('model.num_classes', number, 'at least 2', why='but a conditional model tells classes apart')
  return number


def set_classes(config: ConfigDict, num_classes: int, *, labelled: bool) -> None:
  """Fills in `config.model.num_classes` in place where the config leaves it to the data, which may have no labels.

  Raises:
    ConfigError: a conditional model on images without labels of two classes, or with fewer classes than they have.
  """
  model = config.model
  conditional = model.get('conditional', False)
  if conditional and (num_classes < 2 or not labelled):
    lacks = 'are all of one class' if labelled else 'have no labels'
    raise ConfigError('model.conditional', True, 'False', why=f'but the images of {config.data.source!r} {lacks}')
  if not model.get('num_classes', 0):
    with config.unlocked():
      model.num_classes = num_classes
  elif conditional and model.num_classes < num_classes:
    allowed, why = f'at least {num_classes} (0: as many as the data has)', f'but the data has {num_classes} classes'
    raise ConfigError('model.num_classes', model.num_classes, allowed, why=why)


def _recipe(name: Any) -> ModuleType:
  """The module of that import path, which has a make(config, axis_name=...)."""
  if not isinstance(name, str) or not all(part.isidentifier() for part in name.split('.')):
    raise ConfigError('model.name', name, _RECIPE)
  try:
    module = importlib.import_module(name)
  except ModuleNotFoundError as error:
    raise ConfigError('model.name', name, _RECIPE, why=f'whose import fails: {error}') from error
  make = getattr(module, 'make', None)
  if not callable(make):
    raise ConfigError('model.name', name, _RECIPE, why='which has no make(config)')
  try:
    inspect.signature(make).bind(ConfigDict(), axis_name=None)
  except TypeError as error:
    why = f'whose make cannot be called as make(config, axis_name=None): {error}'
    raise ConfigError('model.name', name, _RECIPE, why=why) from error
  return module
