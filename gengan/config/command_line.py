"""A config from --config=NAME[:VARIANT] or a file, and what --config.field=value changes in it."""

import ast
import importlib.machinery
import importlib.util
import inspect
import pathlib
import re
import traceback
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any, NamedTuple

from absl import flags
from ml_collections import ConfigDict, config_flags

from gengan.config import defaults, places, saved, schedules
from gengan.config.errors import ConfigError, reading
from gengan.config.fields import find, is_number, is_section, missing_field, walk

CHANGE = re.compile(r'--?(no)?config\.([^=]+)(?:=(.*))?', re.DOTALL)
TYPES = {  # of a field: what its text must be, and whether it is
  bool: ('true or false', lambda text: text.lower() in ('', 'true', 'false', 't', 'f', '1', '0')),
  int: ('a whole number', lambda text: re.fullmatch(r'\s*[+-]?(\d+(_\d+)*|0x[\da-fA-F]+)\s*', text)),
  float: ('a number', lambda text: is_number(_literal(text, float))),
  ConfigDict: ("a section, such as {'field': 1}", lambda text: is_section(_literal(text, ast.literal_eval))),
}


class Loaded(NamedTuple):
  """What `load` gives."""

  config: ConfigDict
  module: ModuleType  # whose comments say what the fields mean
  path: pathlib.Path  # of the file that was read
  name: str  # for the folder of a run: 'dcgan-mnist'

  @property
  def saved(self) -> bool:
    """Whether it is that of a run, which somebody else may have written, and not a Python file."""
    return self.path.suffix == '.json'


def load(value: str) -> Loaded:
  """A config: what the get_config() of a Python file gives, with the variant if there is one, or a saved one.

  Args:
    value: 'NAME', 'FILE' or the folder of a run, and ':VARIANT'; see `places.find`.

  Raises:
    ValueError: in one line, what is wrong with the file.
  """
  path, variant, name = places.find(value)
  if path.suffix == '.json':
    if variant is not None:
      raise ValueError(f'--config={value}: a saved config has no variants; its fields are changed by --config.FIELD=')
    try:
      return Loaded(_read_saved(path), defaults, path, name)
    except (ValueError, OSError) as error:
      raise ValueError(f'--config={value}: {error}') from error
  loader = importlib.machinery.SourceFileLoader('gengan_config_file', str(path))
  module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
  example = f'it must be a file with get_config(), such as {places.folder() / "dcgan.py"}'
  try:
    loader.exec_module(module)
    if not callable(getattr(module, 'get_config', None)):
      raise ValueError(f'it has no get_config(); {example}')
    asked = [] if variant is None else [variant]
    if not _takes(module.get_config, asked):
      raise ValueError('its get_config() takes no variant' if asked else 'its get_config() needs one: FILE:VARIANT')
    config = module.get_config(*asked)
  except SyntaxError as error:
    where = f' in line {error.lineno} of {error.filename}' if error.lineno else ''
    raise ValueError(f'--config={value} is not Python: {error.msg}{where}; {example}') from error
  except (ValueError, TypeError, OSError) as error:  # such as an unknown variant
    raise ValueError(f'--config={value}: {error}') from error
  except Exception as error:  # whatever a file may raise
    frames = traceback.extract_tb(error.__traceback__)
    where = next((frame for frame in reversed(frames) if frame.filename == str(path)), frames[-1])
    what = f'{type(error).__name__} in line {where.lineno} of {where.filename}: {error}'
    raise ValueError(f'--config={value}: {what}; {example}') from error
  if not isinstance(config, ConfigDict):
    raise ValueError(f'--config={value}: get_config() gives no ConfigDict; {example}')
  return Loaded(config, module, path, name)


def _takes(function: Callable, arguments: Sequence[str]) -> bool:
  try:
    inspect.signature(function).bind(*arguments)
  except TypeError:
    return False
  return True


def _read_saved(path: pathlib.Path) -> ConfigDict:
  """Lists are tuples again, as flags change them."""
  back = lambda value: (
    {name: back(each) for name, each in value.items()}
    if isinstance(value, dict)
    else tuple(map(back, value))
    if isinstance(value, list)
    else value
  )
  return saved.read(path, back)


def split(argv: Sequence[str]) -> tuple[list[str], list[str]]:
  """Takes the changes of fields out of a command line: (the rest, changes).

  A change is '--config.seed=3', '--config.seed 3', '--config.data.flip' or '--noconfig.data.flip', with one
   dash or two.
  """
  rest, changes = [], []
  remaining = list(argv)
  while remaining:
    argument = remaining.pop(0)
    change = CHANGE.fullmatch(argument)
    if not change:
      rest.append(re.sub(r'^-config\b', '--config', argument))
      continue
    changes.append(argument)
    if not change[1] and change[3] is None and remaining and re.match(r'[^-]|-[\d.]', remaining[0]):
      changes[-1] = f'{argument}={remaining.pop(0)}'
  return rest, changes


def change(config: ConfigDict, changes: Sequence[str]) -> ConfigDict:
  """Sets fields in place, to values of the type that they have; where a number stands, a schedule may, and vice versa.

  Raises:
    ValueError: in one line, a field that the config has not, or a value of another type.
  """
  typed = []
  for argument in changes:
    path, text = CHANGE.fullmatch(argument).group(2, 3)
    if wrong := missing_field(config, path):
      raise ValueError(wrong)
    if not _swap(config, path, text or ''):
      allowed, valid = TYPES.get(type(dict(walk(config)).get(path)), ('', lambda text: True))
      if text is not None and not valid(text):
        raise ConfigError(path, text, allowed)
      typed.append(argument)
  values = flags.FlagValues()  # its own: nothing that is global is read or changed
  try:
    config_flags.DEFINE_config_dict('config', config, flag_values=values, sys_argv=typed)
    rest = values(['', *typed])[1:]
  except (flags.Error, AttributeError, LookupError, TypeError, ValueError) as error:
    raise ValueError(' '.join(str(error).split())) from error
  if rest:
    raise ValueError(f'unexpected argument {rest[0]!r}; settings are given as --config.name=value')
  return config


def _swap(config: ConfigDict, path: str, text: str) -> bool:
  """Puts a number in the place of a schedule, or a schedule in the place of a number; whether that was meant."""
  old = dict(walk(config)).get(path)  # None: a path with brackets
  new = _literal(text, ast.literal_eval)
  if is_number(old) and is_section(new):
    with reading(path):
      schedules.check(new)
  elif not is_section(old) or 'schedule' not in old or is_section(new):
    return False
  elif not is_number(new):
    raise ConfigError(path, new, f'a number, or a schedule such as {old.to_dict()}')
  section, _, name = path.rpartition('.')
  with config.unlocked():
    parent = find(config, section) if section else config
    del parent[name]
    parent[name] = new if is_section(new) else float(new)
  return True


def _literal(text: str, read: Callable[[str], Any]) -> Any:
  """What a text spells; the text itself where it spells nothing."""
  try:
    return read(text)
  except (SyntaxError, ValueError):
    return text
