"""The config of a run as JSON in its folder: read again, and compared with another."""

import json
import os
import pathlib
import tempfile
from typing import Any

from ml_collections import ConfigDict

from gengan.config.checks import INTERVALS
from gengan.config.fields import flatten

PLACES = ('data.source', 'data.exclude', 'data.data_dir')  # of data that is compared itself: `runs.require_same`
FREE_TO_CHANGE = ('num_steps', *INTERVALS, 'checkpoint.', 'evaluators.', 'mesh.', *PLACES)
ADDED = {'private_data': False}  # fields that came later, and the value that says what runs before them did


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


def require_same_run(config: ConfigDict, workdir: pathlib.Path) -> None:
  """Refuses to continue a run with settings that would make it another run.

  Raises:
    ValueError: names every field that differs. How long, where and how often may change; what is trained may not.
  """
  kept, wanted = (flatten(json.loads(json.dumps(c.to_dict()))) for c in (load(workdir), config))
  changed = [
    f'config.{field} is {kept.get(field)!r} there and {wanted.get(field)!r} here'
    for field in sorted(kept.keys() | wanted.keys())
    if kept.get(field) != wanted.get(field) and not field.startswith(FREE_TO_CHANGE)
  ]
  if changed:
    raise ValueError(f'{workdir} holds a run with other settings: {"; ".join(changed)}. Choose another --workdir')


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
