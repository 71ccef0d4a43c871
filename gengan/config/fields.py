"""The fields of a config by their paths, such as 'optimizers.generator.learning_rate'."""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ml_collections import ConfigDict

from gengan.config.errors import ConfigError


class _Missing:
  """The value of a field that is not there."""

  def __repr__(self) -> str:
    return 'missing'


MISSING = _Missing()


def is_section(value: Any) -> bool:
  """Whether it holds fields, as a ConfigDict or as a dict."""
  return isinstance(value, (Mapping, ConfigDict))


def walk(config: Mapping[str, Any] | ConfigDict, prefix: str = '') -> Iterator[tuple[str, Any]]:
  """Every field and section with its path."""
  for name, value in config.items():
    yield prefix + name, value
    if is_section(value):
      yield from walk(value, f'{prefix}{name}.')


def flatten(config: Mapping[str, Any] | ConfigDict) -> dict[str, Any]:
  """The value of every field by its path."""
  return {path: value for path, value in walk(config) if not is_section(value)}


def find(config: ConfigDict, path: str) -> Any:
  """The field or section at that path; a ConfigError where there is none."""
  node = config
  for name in path.split('.'):
    if not isinstance(node, ConfigDict) or name not in node:
      raise ConfigError(path, MISSING, 'there')
    node = node[name]
  return node


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
      guess = _closest(name, list(node), elsewhere=[field for field, _ in walk(config)])
      hint = f'; did you mean {guess}?' if guess else '.'
      return f'{at} has no field {name!r}{hint} It has: {", ".join(node)}'
    node, at = node[name], f'{at}.{name}'
  return None


def is_whole(value: Any) -> bool:
  """Whether it is an int, and not True or False."""
  return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
  """Whether it is an int or a float, and not True or False."""
  return is_whole(value) or isinstance(value, float)


def _closest(name: str, fields: Sequence[str], *, elsewhere: Sequence[str]) -> str:
  """The field of this section, or else the path of one in another, that was probably meant; '' where none looks so."""
  words = lambda field: ''.join(word[:1] for word in field.split('_'))
  near = difflib.get_close_matches(name, fields, 1) or [field for field in fields if words(field) == name]
  if near:
    return repr(near[0])
  return next((f'config.{field}' for field in elsewhere if field.rpartition('.')[2] == name), '')
