"""Which file a --config means: a recipe's that ships with gengan, one of the user's, or that of a run."""

import difflib
import logging
import pathlib
from typing import NamedTuple

from gengan.host import files

log = logging.getLogger(__name__)

SAVED = 'config.json'  # in the folder of a run


class Found(NamedTuple):
  """What `find` finds."""

  path: pathlib.Path  # of a Python file, or of a JSON file
  variant: str | None  # None: none was asked for
  name: str  # for the folder of a run: 'dcgan-mnist'


def folder() -> pathlib.Path:
  """Of the recipes' configs: inside the package where it is installed, beside it in a clone."""
  package = pathlib.Path(__file__).resolve().parents[1]
  inside = package / 'configs'
  return inside if inside.is_dir() else package.parent / 'configs'


def recipes() -> list[str]:
  """The names of the configs that ship with gengan, such as 'dcgan' and 'utility/digits'."""
  return sorted(path.relative_to(folder()).with_suffix('').as_posix() for path in folder().rglob('*.py'))


def find(value: str) -> Found:
  """The file of 'NAME', 'FILE' or the folder of a run, each with or without ':VARIANT' behind it.

  Raises:
    ValueError: in one line, what there is instead and what is nearest.
  """
  splits = [(value, None)] + [(value[:i], value[i + 1 :]) for i, letter in enumerate(value) if letter == ':']
  for text, variant in splits:  # a path may have a colon of its own
    if text and (path := _file(text)):
      stem = path.resolve().parent.name if path.name == SAVED else path.stem
      return Found(path, variant, f'{stem}-{variant}' if variant else stem)
  text = value.partition(':')[0]
  known = recipes()
  plain = text.rpartition('configs/')[2].removesuffix('.py').lower()
  near = [f'{text}.py'] if files.path(f'{text}.py').is_file() else difflib.get_close_matches(plain, known, 1)
  near = near or [name for name in known if name.endswith(f'/{plain}')]
  what = f'that is a folder without a {SAVED}' if text and files.path(text).is_dir() else 'there is no such file'
  guess = f', did you mean --config={near[0]}? It' if near else '; it'
  raise ValueError(f'--config={value}: {what}{guess} {allowed()}')


def allowed() -> str:
  """What a --config may be, after 'it'."""
  return f"must be one of {', '.join(recipes())}, a Python file with get_config(), or a run's folder or {SAVED}"


def _file(text: str) -> pathlib.Path | None:
  path, name = files.path(text), text.removeprefix('configs/').removesuffix('.py')
  shipped = folder() / f'{name}.py' if name in recipes() else None
  if shipped and text == name:
    if path.is_file() or (path / SAVED).is_file():
      log.warning('--config=%s is the config that ships with gengan; --config=./%s means what is here', text, text)
    return shipped
  if path.is_file():
    return path
  if (path / SAVED).is_file():
    return path / SAVED
  if shipped and text.startswith('configs/'):
    log.warning('there is no %s here: reading %s, which ships with gengan', text, shipped)
    return shipped
  return None
