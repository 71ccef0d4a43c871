"""Flags that the tools which open a run have in common."""

import argparse
import pathlib

from gengan.config import checks, saved


class Parser(argparse.ArgumentParser):
  """Answers a mistake with one line and exit code 2, without the page of usage."""

  def error(self, message: str):
    self.exit(2, f'{self.prog.removeprefix("python -m ")}: {" ".join(message.split())}\n')


def parser(tool: str, description: str) -> Parser:
  """A parser for `python -m gengan.<tool>`; the description is printed as it stands."""
  return Parser(
    prog=f'python -m gengan.{tool}',
    description=description,
    formatter_class=argparse.RawDescriptionHelpFormatter,
    allow_abbrev=False,
  )


def add_run(to: argparse.ArgumentParser, *, required: bool = True) -> None:
  """--workdir, --checkpoint, --ema and --seed."""
  to.add_argument('--workdir', type=pathlib.Path, required=required, help='folder of a run')
  to.add_argument('--checkpoint', type=checkpoint, default='latest', help="'latest', 'best' or a step (default latest)")
  to.add_argument(
    '--ema', type=boolean, nargs='?', const=True, default=True, help='averaged weights, or false: as trained'
  )
  to.add_argument('--seed', type=int, default=0, action=_Seed, help='draws the latents (default 0)')


def check_run(workdir: pathlib.Path) -> None:
  """Raises a FileNotFoundError where the folder is not that of a run, a ValueError where its config is damaged."""
  if not (workdir / 'config.json').exists():
    raise FileNotFoundError(f'--workdir is {workdir}, which is not the folder of a run: it has no config.json')
  saved.load(workdir)


class _Seed(argparse.Action):
  """Refuses what is no seed."""

  def __call__(self, parser, namespace, values, option_string=None):
    if not 0 <= values <= checks.MAX_SEED:
      parser.error(f'--seed is {values}; it must be from 0 to {checks.MAX_SEED}')
    setattr(namespace, self.dest, values)


def boolean(text: str) -> bool:
  """'true', 'false', '1' or '0'."""
  if text.lower() not in ('true', 'false', '1', '0'):
    raise argparse.ArgumentTypeError(f'{text!r} is neither true nor false')
  return text.lower() in ('true', '1')


def labels(text: str) -> list[int]:
  """'0,1,2' -> [0, 1, 2]."""
  if not all(part.strip().isdecimal() for part in text.split(',')):
    raise argparse.ArgumentTypeError(f'{text!r} is not a list of class numbers such as 0,1,2')
  return [int(part) for part in text.split(',')]


def checkpoint(text: str) -> str | int:
  """'latest', 'best' or a step."""
  if text not in ('latest', 'best') and not text.isdecimal():
    raise argparse.ArgumentTypeError(f"{text!r} is neither 'latest' nor 'best' nor a step")
  return int(text) if text.isdecimal() else text
