"""Whose code may run: the modules outside gengan to which a saved config leads, and what this user has trusted."""

import hashlib
import importlib.util
import json
import logging
import os
import pathlib
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from ml_collections import ConfigDict

from gengan.config.fields import walk
from gengan.host.names import printable

log = logging.getLogger(__name__)


def foreign(config: Mapping[str, Any] | ConfigDict) -> tuple[str, ...]:
  """The modules outside gengan that a config has imported: recipes, and metrics by their import path."""
  named = set()
  for path, value in walk(config):
    if isinstance(value, str) and f'.{path}'.endswith('.model.name'):
      named.add(value)
    elif isinstance(value, str) and f'.{path}'.endswith('.evaluators.metrics'):
      named |= {name.strip() for name in value.split(',') if '.' in name}
  return tuple(sorted(name for name in named if not _covered(name, ['gengan'])))


def require(config: Mapping[str, Any] | ConfigDict, given: str | Sequence[str] = (), *, where: str | os.PathLike):
  """Refuses a saved config that leads to code which this user has not trusted; what is given is remembered.

  Args:
    config: as it was saved.
    given: modules, or packages for all modules in them.
    where: the file it was read from, for messages.

  Raises:
    ValueError: one line that says what would be imported, and how to allow it.
  """
  if names := foreign(config):
    _require(names, given, _digest(config), f'{where} names')


def require_modules(names: Sequence[str], given: str | Sequence[str] = (), *, flag: str) -> None:
  """The same for modules that a flag names beside somebody's run; one is remembered with the place of its package.

  Raises:
    ValueError: as `require`.
  """
  for name in names:
    if not _covered(name, ['gengan']):
      _require([name], given, _digest({'module': name, 'place': _place(name)}), f'{flag} names')


def remember(config: Mapping[str, Any] | ConfigDict, *, where: str | os.PathLike) -> None:
  """That this user trains or has trusted just this config; nothing is written where all its code is gengan's."""
  if names := foreign(config):
    _remember(_digest(config), names, where)


def _require(names: Sequence[str], given: str | Sequence[str], digest: str, who: str) -> None:
  given = [given] if isinstance(given, str) else given
  unknown = ','.join(name for name in names if not _covered(name, given))
  if not unknown:
    _remember(digest, names, who.removesuffix(' names'))
  elif digest not in _remembered():
    flag = shlex.quote(printable(f'--trust={unknown}'))
    raise ValueError(
      f"{who} {printable(unknown)}, code that is not gengan's and would run as you. "
      f'If you trust it, say so once: {flag} (in Python, trust={unknown!r})'
    )


def _covered(name: str, given: Sequence[str]) -> bool:
  """Whether a module is one of those, or in one of those packages; each text may name several, with commas."""
  return any(f'{name}.'.startswith(f'{each.strip()}.') for text in given for each in text.split(',') if each.strip())


def _place(name: str) -> str:
  """Where the import of a module would look, without importing anything."""
  try:
    spec = importlib.util.find_spec(name.partition('.')[0])
  except (ImportError, ValueError):
    return ''
  return str(spec and (spec.origin or list(spec.submodule_search_locations or ())))


def _digest(content: Mapping[str, Any] | ConfigDict) -> str:
  content = content.to_dict() if isinstance(content, ConfigDict) else content
  return hashlib.sha256(json.dumps(json.loads(json.dumps(content)), sort_keys=True).encode()).hexdigest()


def _store() -> pathlib.Path:
  """A line for everything trusted: its digest, and for people the modules and where they were named."""
  state = os.environ.get('XDG_STATE_HOME') or os.path.expanduser('~/.local/state')
  return pathlib.Path(state, 'gengan', 'trusted')


def _remembered() -> set[str]:
  try:
    return {line.partition(' ')[0] for line in _store().read_text(encoding='utf-8', errors='replace').splitlines()}
  except OSError:
    return set()


def _remember(digest: str, names: Sequence[str], where: str | os.PathLike) -> None:
  if digest in _remembered():
    return
  line = f'{digest} {printable(",".join(names))} {os.path.abspath(where)!r}\n'
  try:
    _store().parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open(_store(), 'a', encoding='utf-8', opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
      file.write(line)
  except OSError as error:
    log.warning('%s cannot be written (%s): opening this run will need --trust=%s', _store(), error, ','.join(names))
