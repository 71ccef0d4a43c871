"""The config of a run as JSON in its folder: read again, and compared with another."""

import json
import os
import pathlib
from collections.abc import Callable
from typing import Any

from ml_collections import ConfigDict

from gengan.config.checks import INTERVALS, REQUIRED
from gengan.config.fields import flatten, walk
from gengan.host import files
from gengan.host.errors import reason, shown
from gengan.host.files import read_json

PLACES = ('data.source', 'data.exclude', 'data.data_dir')  # of data that is compared itself: `runs.require_same`
FREE_TO_CHANGE = ('num_steps', *INTERVALS, 'checkpoint.', 'evaluators.', 'mesh.', *PLACES)


def read(path: pathlib.Path, change: Callable[[dict], dict] = dict) -> ConfigDict:
  """The config in a JSON file; `change` makes of its content what becomes one.

  Raises:
    ValueError: it is damaged, or a training's of another version of gengan; one line that names it.
  """
  content = read_json(path)
  try:
    config = ConfigDict(change(content))
    odd = [field for field, _ in walk(config) if not field.isprintable() or len(field) > 300]
  except (AttributeError, TypeError, ValueError, RecursionError) as error:  # names that no field can have; a deep nest
    raise ValueError(f'{path} is damaged: {reason(error)}') from error
  if odd:
    raise ValueError(f'{path} is damaged: {shown(odd[0])} is the name of no field')
  if isinstance(config.get('model'), ConfigDict) and (missing := set(REQUIRED) - set(flatten(config))):
    fields = f'{", ".join(sorted(missing)[:3])}{" ..." if len(missing) > 3 else ""}'
    raise ValueError(f'{path} has no {fields}: another version of gengan made this run, and that one can read it')
  return config


def load(workdir: str | os.PathLike) -> ConfigDict:
  """The config of a run.

  Raises:
    FileNotFoundError: there is no run in this folder.
    ValueError: its config.json is damaged, or another's.
  """
  path = files.path(workdir) / 'config.json'
  if not path.exists():
    raise FileNotFoundError(f'{workdir} is not the folder of a run: it has no config.json')
  config = read(path)
  if not isinstance(config.get('model'), ConfigDict):
    raise ValueError(f'{path} is not the config of a run: it has no model')
  return config


def load_dataset_facts(workdir: str | os.PathLike) -> dict[str, Any]:
  """What the data of a run is like, with its 'class_names', as `runs.create` kept it.

  Raises:
    FileNotFoundError: it is missing.
    ValueError: its dataset.json is damaged, or something else.
  """
  path = files.path(workdir) / 'dataset.json'
  if not path.exists():
    raise FileNotFoundError(f'{path} is missing: nothing says on which data the checkpoints there were trained')
  content = read_json(path)
  hashes, facts = ('sha256', 'chosen_sha256', 'decoded_sha256'), ('examples', 'excluded', 'subset', 'preprocessing')
  for field in (*hashes, *facts):
    if not isinstance(content.get(field), (str if field in hashes else dict, type(None))):
      raise ValueError(f'{path} is damaged: {field} is {content[field]!r}')
  names = content.get('class_names')
  if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
    raise ValueError(f'{path} is damaged: it has no list of class_names')
  return content


def require_same_run(config: ConfigDict, workdir: pathlib.Path) -> None:
  """Refuses to continue a run with settings that would make it another run.

  Raises:
    ValueError: names every field that differs. How long, where and how often may change; what is trained may not.
  """
  kept, wanted = (flatten(json.loads(json.dumps(c.to_dict()))) for c in (load(workdir), config))
  said = lambda fields, name: shown(fields[name]) if name in fields else 'missing'
  changed = [
    f'config.{field} is {said(kept, field)} there and {said(wanted, field)} here'
    for field in sorted(kept.keys() | wanted.keys())
    if kept.get(field) != wanted.get(field) and not field.startswith(FREE_TO_CHANGE)
  ]
  if changed:
    raise ValueError(f'{workdir} holds a run with other settings: {"; ".join(changed)}. Choose another --workdir')
