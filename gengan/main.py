"""python -m gengan.main --config=configs/dcgan.py [--workdir=...] [--config.batch_size=...]

This file is short on purpose: flags in, `train.run` out.
"""

import os
import re
import sys

from absl import app, flags, logging
from ml_collections import config_flags

from gengan import runs, train
from gengan.progress import Diverged

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
    rest = flags.FLAGS(argv)
    if _CONFIG.value is None:
      raise ValueError('--config is missing; try --config=configs/dcgan.py')
    if not os.path.exists(_config_name().partition(':')[0]):
      raise ValueError(f'--config={_config_name()}: there is no such file')
    return rest
  except (flags.Error, AttributeError, KeyError, TypeError, ValueError, OSError) as error:
    sys.exit(f'gengan: {_explain(error)}')


def main(argv: list[str]) -> None:
  logging.set_verbosity(logging.WARNING)
  if argv[1:]:
    sys.exit(f'gengan: unexpected argument {argv[1]!r}; settings are given as --config.name=value')
  try:
    training = train.prepare(_CONFIG.value, _WORKDIR.value or runs.default_workdir(_config_name()))
  except (ValueError, FileNotFoundError) as error:
    sys.exit(f'gengan: {_one_line(error)}')
  try:
    train.fit(training)
  except Diverged as error:
    sys.exit(f'gengan: {error}')


def _config_name() -> str | None:
  return config_flags.get_config_filename(flags.FLAGS['config'])


def _explain(error: Exception) -> str:
  """What was wrong with a flag, without the traceback that config_flags puts into its message."""
  text = str(error).strip()
  if 'Traceback' in text:  # raised inside get_config(): its last line says it
    return text.splitlines()[-1].partition(': ')[2]
  misspelt = re.search(r'Did you mean "([^"]+)" instead of "([^"]+)"', text)
  if misspelt:
    return f'the config has no field {misspelt[2]!r}; did you mean {misspelt[1]!r}?'
  for pattern, expected in ILL_TYPED.items():
    ill_typed = re.search(rf'flag --(config\.[\w.]+)=(.*?): .*{pattern}', text)
    if ill_typed:
      return f'{ill_typed[1]} is {ill_typed[2]!r}; it must be {expected}'
  if isinstance(error, (AttributeError, KeyError)):
    name = text.strip('\'"')
    return f'the config has no field {name!r}; the file given to --config says which there are'
  return _one_line(error)


def _one_line(error: Exception) -> str:
  return ' '.join(str(error).split())


if __name__ == '__main__':
  app.run(main, flags_parser=parse)
