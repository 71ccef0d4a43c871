"""python -m gengan.main --config=configs/dcgan.py [--workdir=...] [--config.batch_size=...]

This file is short on purpose: flags in, `train.run` out.
"""

import os
import re
import sys
import traceback

from absl import app, flags, logging
from ml_collections import ConfigDict, config_flags

from gengan import config as configs
from gengan import runs, train
from gengan.train.progress import Diverged

_CONFIG = config_flags.DEFINE_config_file('config', None, 'A file with get_config(), and a variant: file.py:variant')
_WORKDIR = flags.DEFINE_string('workdir', None, 'Folder of the run; default: runs/<config>-<variant>')

ILL_TYPED = {  # what absl's parsers say
  'invalid literal for int': 'a whole number',
  'could not convert string to float': 'a number',
  'Non-boolean argument': 'true or false',
}


def parse(argv: list[str]) -> list[str]:
  """absl's flag parser, but a mistake in a flag or a config ends in one line."""
  try:
    _check_config(argv)
    rest = flags.FLAGS(argv)
    if _CONFIG.value is None:
      raise ValueError('--config is missing; try --config=configs/dcgan.py')
    return rest
  except (flags.Error, AttributeError, KeyError, TypeError, ValueError, OSError) as error:
    sys.exit(f'gengan: {_explain(error)}')


def main(argv: list[str]) -> None:
  logging.set_verbosity(logging.WARNING)
  if argv[1:]:
    sys.exit(f'gengan: unexpected argument {argv[1]!r}; settings are given as --config.name=value')
  try:
    training = train.prepare(_CONFIG.value, _WORKDIR.value or runs.default_workdir(_config_name()))
  except (ValueError, OSError) as error:
    sys.exit(f'gengan: {_one_line(error)}')
  try:
    train.fit(training)
  except (train.Refused, Diverged) as error:
    sys.exit(f'gengan: {_one_line(error)}')


def _check_config(argv: list[str]) -> None:
  """Loads the file of --config and looks for the fields of all --config.field; ValueError for what is wrong there."""
  given = [re.fullmatch(r'--?config(?:=(.*))?', argument) for argument in argv]
  values = [
    match[1] if match[1] is not None else ''.join(argv[i + 1 : i + 2]) for i, match in enumerate(given) if match
  ]
  if not values:
    return
  config = _load(values[-1])
  for argument in argv:
    field = re.match(r'--?(?:no)?config\.([^=]+)', argument)
    if field and (wrong := configs.missing_field(config, field[1])):
      raise ValueError(wrong)


def _load(value: str) -> ConfigDict:
  """What the get_config() of the file gives."""
  path, example = value.partition(':')[0], 'it must be a file with get_config(), such as configs/dcgan.py'
  if not os.path.isfile(path):
    raise ValueError(
      f'--config={value}: {"that is a folder" if os.path.isdir(path) else "there is no such file"}; {example}'
    )
  try:
    config = flags.FLAGS['config'].parser.parse(value)
    getattr(config, 'lock', None)  # raises the OSError that config_flags holds back
  except SyntaxError as error:
    where = f'line {error.lineno} of {error.filename}'
    raise ValueError(f'--config={value} is not Python: {error.msg} in {where}; {example}') from error
  except Exception as error:  # whatever a file may raise
    text = str(error).strip()
    if 'Traceback' in text:  # config_flags puts it into its message; the last line says it
      raise ValueError(f'--config={value}: {text.splitlines()[-1].partition(": ")[2]}') from error
    if isinstance(error, OSError):
      raise ValueError(f'--config={value}: {error.__cause__}') from error
    if isinstance(error, AttributeError) and error.name == 'get_config':
      raise ValueError(f'--config={value} has no get_config(); {example}') from error
    frames = traceback.extract_tb(error.__traceback__)
    where = next((frame for frame in reversed(frames) if frame.filename == path), frames[-1])
    raise ValueError(
      f'--config={value}: {type(error).__name__} in line {where.lineno} of {where.filename}: {text}; {example}'
    ) from error
  if not isinstance(config, ConfigDict):
    raise ValueError(f'--config={value}: get_config() gives no ConfigDict; {example}')
  return config


def _config_name() -> str | None:
  return config_flags.get_config_filename(flags.FLAGS['config'])


def _explain(error: Exception) -> str:
  """What was wrong with a flag, in one line."""
  text = str(error).strip()
  for pattern, expected in ILL_TYPED.items():
    ill_typed = re.search(rf'flag --(config\.[\w.]+)=(.*?): .*{pattern}', text)
    if ill_typed:
      return f'{ill_typed[1]} is {ill_typed[2]!r}; it must be {expected}'
  return _one_line(error)


def _one_line(error: Exception) -> str:
  return ' '.join(str(error).split())


if __name__ == '__main__':
  app.run(main, flags_parser=parse)
