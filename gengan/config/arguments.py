"""One style of command line for all tools: their flags, the fields of a config, and a line for every mistake."""

import argparse
import contextlib
import pathlib
import sys
from collections.abc import Iterator, Sequence

from gengan.config import checks, command_line, comments, saved
from gengan.host.errors import ArgumentError


class Parser(argparse.ArgumentParser):
  """Answers a mistake with one line and exit code 2, without the page of usage."""

  example = ''  # a config of this tool; '': it takes none

  def error(self, message: str):
    self.answer(message, code=2)

  def answer(self, message: str, *, code: int):
    """Ends the program with one line."""
    self.exit(code, f'{self.prog.removeprefix("python -m ")}: {" ".join(message.split())}\n')

  def text_of(self, error: Exception) -> str:
    """The message; where it is about an argument by the name of a flag, about that flag."""
    is_flag = isinstance(error, ArgumentError) and f'--{error.prefix}{error.argument}' in self._option_string_actions
    return f'--{error}' if is_flag else str(error)


def parser(tool: str, description: str) -> Parser:
  """A parser for `python -m gengan.<tool>`; the description is printed as it stands."""
  return Parser(
    prog=f'python -m gengan.{tool}',
    description=description,
    formatter_class=argparse.RawDescriptionHelpFormatter,
    allow_abbrev=False,
  )


def add_run(to: argparse.ArgumentParser, *, required: bool = True) -> None:
  """--workdir, --checkpoint, --weights and --seed."""
  to.add_argument('--workdir', type=pathlib.Path, required=required, help='folder of a run')
  to.add_argument('--checkpoint', type=checkpoint, default='latest', help="'latest', 'best' or a step (default latest)")
  to.add_argument(
    '--weights',
    choices=('averaged', 'trained'),
    default='averaged',
    help='moving average of the weights, or the weights as trained (default averaged)',
  )
  to.add_argument('--seed', type=int, default=0, action=_Seed, help='draws the latents (default 0)')


def add_config(to: Parser, *, example: str = 'configs/dcgan.py') -> None:
  """--config, and --config.field=value for every field of it, which `parse` reads; messages name the example."""
  to.example = example
  to.add_argument('--config', metavar='FILE[:VARIANT]', help='Python file with get_config(), and what to give to it')
  to.epilog = (
    f'--config.FIELD=VALUE changes a field of the config; this lists them:\n  {to.prog} --config={example} --help'
  )


def parse(parser: Parser, argv: Sequence[str] | None = None) -> argparse.Namespace:
  """Reads a command line, without the program's name; None: that of this process.

  After `add_config`, `.config` is the ConfigDict with its changes and `.config_name` the text of the flag.

  Raises:
    SystemExit: with one line and code 2 for a mistake, or after --help.
  """
  argv = list(sys.argv[1:] if argv is None else argv)
  if not parser.example:
    return parser.parse_args(argv)
  argv, changes = command_line.split(argv)
  first = Parser(add_help=False, allow_abbrev=False, prog=parser.prog)
  first.add_argument('--config')
  first.add_argument('-h', '--help', action='store_true')
  asked, _ = first.parse_known_args(argv)
  with answering(parser):
    if asked.config is not None:
      config, module = command_line.load(asked.config)
      command_line.change(config, changes)
      if asked.help:
        parser.epilog = f'fields of {asked.config}:\n{comments.describe(config, module)}'
  args, rest = parser.parse_known_args(argv)
  if asked.config is None:
    parser.error(f'--config is missing; try --config={parser.example}')
  if rest:
    parser.error(f'unexpected argument {rest[0]!r}; settings are given as --config.name=value')
  args.config, args.config_name = config.lock(), asked.config
  return args


@contextlib.contextmanager
def answering(parser: Parser, *mistakes: type[Exception], code: int = 2, stopped: str = 'stopped') -> Iterator[None]:
  """Ends the program with one line: with `code` for a mistake, with 130 for Ctrl-C.

  Mistakes are errors of the kinds given, or else ValueError and OSError. Others are bugs, and keep their traceback.
  """
  told = mistakes or (ValueError, OSError)
  try:
    yield
  except told as error:
    parser.answer(parser.text_of(error), code=code)
  except KeyboardInterrupt:
    parser.answer(stopped, code=130)


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
