"""python -m gengan.main --config=configs/dcgan.py [--workdir=...] [--config.batch_size=...]

This file is short on purpose: flags in, `train.run` out.
"""

import sys

from absl import app, flags
from ml_collections import config_flags

from gengan import runs, train

_CONFIG = config_flags.DEFINE_config_file('config', None, 'A file with get_config(), and a variant: file.py:variant')
_WORKDIR = flags.DEFINE_string('workdir', None, 'Folder of the run; default: runs/<config>-<variant>')


def parse(argv: list[str]) -> list[str]:
  """absl's flag parser, but a mistake in a flag or a config ends in one line."""
  try:
    rest = flags.FLAGS(argv)
    if _CONFIG.value is None:
      raise ValueError('--config is missing; try --config=configs/dcgan.py')
    return rest
  except (flags.Error, AttributeError, KeyError, TypeError, ValueError, OSError) as error:
    sys.exit(f'gengan: {_one_line(error)}')


def main(argv: list[str]) -> None:
  if argv[1:]:
    sys.exit(f'gengan: unexpected argument {argv[1]!r}; settings are given as --config.name=value')
  filename = config_flags.get_config_filename(_CONFIG)
  try:
    training = train.prepare(_CONFIG.value, _WORKDIR.value or runs.default_workdir(filename))
  except (ValueError, FileNotFoundError) as error:
    sys.exit(f'gengan: {_one_line(error)}')
  try:
    train.fit(training)
  except train.Diverged as error:
    sys.exit(f'gengan: {error}')


def _one_line(error: Exception) -> str:
  text = error.args[0] if isinstance(error, KeyError) and error.args else error
  return ' '.join(str(text).split())


if __name__ == '__main__':
  app.run(main, flags_parser=parse)
