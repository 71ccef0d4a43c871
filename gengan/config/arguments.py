"""One style of command line for all tools: their flags, the fields of a config, and a line for every mistake."""

import argparse
import contextlib
import difflib
import logging
import os
import pathlib
import shlex
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence

from gengan.config import checks, command_line, comments, places, saved, trust
from gengan.host import files, output
from gengan.host.errors import ArgumentError
from gengan.host.files import trouble

FIRST = ('--config', '--workdir', '--source', '--name')  # what a person gives to a verb before all else, if it has it


class Parser(argparse.ArgumentParser):
  """Answers a mistake with one line and exit code 2, without the page of usage."""

  example = ''  # a config of this tool; '': it takes none

  def __init__(self, **settings):
    super().__init__(**settings)
    self.register('type', int, _number(int, 'a whole number'))
    self.register('type', float, _number(float, 'a number'))

  def error(self, message: str):
    self.answer(message, code=2)

  def answer(self, message: str, *, code: int):
    """Ends the program with one line."""
    output.settle()  # should that fail, too, it is not told beside this
    self.exit(code, f'{self.tool}: {" ".join(message.split())}\n')

  @property
  def tool(self) -> str:
    """What it is called in messages: 'gengan sample', or 'gengan.sample'."""
    return self.prog.removeprefix('python -m ')

  def text_of(self, error: Exception) -> str:
    """The message; where it is about an argument by the name of a flag, about that flag."""
    if isinstance(error, OSError) and error.errno is not None:
      return trouble(error)
    is_flag = isinstance(error, ArgumentError) and f'--{error.prefix}{error.argument}' in self._option_string_actions
    return f'--{error}' if is_flag else str(error)


def parser(tool: str, description: str) -> Parser:
  """A parser for `python -m gengan.<tool>`, or `gengan <verb>`; the description is printed as it stands."""
  name = f'python -m gengan.{tool}'
  prog = sys.argv[0] if sys.argv[0].startswith('gengan ') else name
  return Parser(
    prog=prog,
    description=description.replace(name, prog),
    formatter_class=argparse.RawDescriptionHelpFormatter,
    allow_abbrev=False,
  )


def add_run(to: argparse.ArgumentParser, *, required: bool = True) -> None:
  """--workdir, --checkpoint, --weights and --seed."""
  to.add_argument('--workdir', type=path, required=required, help='folder of a run')
  to.add_argument('--checkpoint', type=checkpoint, default='latest', help="'latest', 'best' or a step (default latest)")
  to.add_argument(
    '--weights',
    choices=('averaged', 'trained'),
    default='averaged',
    help='moving average of the weights, or the weights as trained (default averaged)',
  )
  to.add_argument('--seed', type=int, default=0, action=_Seed, help='draws the latents (default 0)')
  _add_trust(to, 'the run')


def add_source(to: argparse.ArgumentParser) -> None:
  """--source, for data that has moved since the run was trained."""
  to.add_argument('--source', default='', help="where the run's data is now, such as folder:path/to/images")


def _add_trust(to: argparse.ArgumentParser, what: str) -> None:
  text = f'module or package outside gengan, named by {what}, whose code may run; remembered: see docs/security.md'
  to.add_argument('--trust', metavar='MODULE', default=[], action='append', help=text)


def add_config(to: Parser, *, example: str = 'dcgan') -> None:
  """--config, and --config.field=value for every field of it, which `parse` reads; messages name the example."""
  to.example = example
  names = ', '.join(_alike(example))
  text = f'{names}; a Python file with get_config(); or the folder or config.json of a run'
  to.add_argument('--config', metavar='NAME[:VARIANT]', help=text)
  _add_trust(to, "a run's config.json")
  to.epilog = (
    f'--config.FIELD=VALUE changes a field of the config; this lists them:\n  {to.prog} --config={example} --help'
  )


def parse(parser: Parser, argv: Sequence[str] | None = None) -> argparse.Namespace:
  """Reads a command line, without the program's name; None: that of this process.

  After `add_config`, `.config` is the ConfigDict with its changes and `.config_name` says which it was, 'dcgan-mnist'.

  Raises:
    SystemExit: with one line and code 2 for a mistake, or after --help.
  """
  logging.basicConfig(format='%(message)s')  # what is told to people has no prefix
  warnings.formatwarning = lambda message, *_, **__: f'{message}\n'  # nor a line of code
  output.prepare(parser.tool)
  argv = list(sys.argv[1:] if argv is None else argv)
  if argv and not argv[0].startswith('-'):  # a flag's name was forgotten: no verb takes anything without one
    flag = next(each for each in FIRST if each in parser._option_string_actions)
    parser.error(f'unexpected argument {argv[0]!r}; did you mean {flag}={argv[0]}?')
  if not parser.example:
    _refuse_flags(parser, argv)
    args, rest = parser.parse_known_args(argv)
    _refuse(parser, rest)
    return args
  hint = 'settings are given as --config.name=value'
  argv, changes = command_line.split(argv)
  first = Parser(add_help=False, allow_abbrev=False, prog=parser.prog)
  first.add_argument('--config')
  first.add_argument('-h', '--help', action='store_true')
  asked, _ = first.parse_known_args(argv)
  with answering(parser):
    if asked.config is not None:
      loaded = command_line.load(asked.config)
      named = trust.foreign(loaded.config) if loaded.saved else ()
      before = loaded.config.to_dict()
      command_line.change(loaded.config, changes)
      if asked.help:
        parser.epilog = f'fields of {loaded.path}:\n{comments.describe(loaded.config, loaded.module)}'
  _refuse_flags(parser, argv, hint)
  args, rest = parser.parse_known_args(argv)
  if asked.config is None:
    parser.error(f'--config is missing; try --config={parser.example}, one of {", ".join(_alike(parser.example))}')
  _refuse(parser, rest, hint)
  with answering(parser):
    if set(named) & set(trust.foreign(loaded.config)):  # what a flag names, the user has named
      trust.require(before, args.trust, where=loaded.path)
  args.config, args.config_name = loaded.config.lock(), loaded.name
  return args


def _alike(example: str) -> list[str]:
  """The recipes' configs in the folder of this one: those of a training, or those of a comparison."""
  return [name for name in places.recipes() if ('/' in name) == ('/' in example)]


def _refuse_flags(parser: Parser, argv: Sequence[str], *hint: str) -> None:
  """`_refuse` of flags that the verb has not: before one that is needed is missed, as its name may be mistyped."""
  known = parser._option_string_actions
  if not {'-h', '--help'} & {*argv}:
    _refuse(parser, [text for text in argv if text[:2] == '--' != text and text.partition('=')[0] not in known], *hint)


def _refuse(parser: Parser, rest: Sequence[str], hint: str = '--help lists the flags') -> None:
  """Ends the program with what is nearest to the first of the arguments that are left."""
  if not rest:
    return
  flag = rest[0].partition('=')[0]
  near = difflib.get_close_matches(flag, parser._option_string_actions, 1) if flag.startswith('--') else []
  parser.error(f'unexpected argument {rest[0]!r}; {f"did you mean {near[0]}?" if near else hint}')


def command(verb: str, **flags: object) -> str:
  """A command to copy, such as 'python -m gengan.sample --workdir=runs/a'; it runs as it stands, where this one ran."""
  beside = lambda name: os.path.dirname(shutil.which(name) or '') == os.path.dirname(sys.executable)
  if sys.argv[0].startswith('gengan ') and beside('gengan'):
    start = f'gengan {verb}'
  else:
    start = f'{"python" if beside("python") else shlex.quote(sys.executable)} -m gengan.{verb}'
  return ' '.join([start, *(shlex.quote(f'--{name}={value}') for name, value in flags.items())])


@contextlib.contextmanager
def answering(parser: Parser, *mistakes: type[Exception], code: int = 2, stopped: str = 'stopped') -> Iterator[None]:
  """Ends the program with one line: with `code` for a mistake, with 130 for Ctrl-C.

  Mistakes are errors of the kinds given, or else ValueError and OSError. Too little memory ends it with 1. Other errors
  are bugs, and keep their traceback.
  """
  told = mistakes or (ValueError, OSError)
  try:
    yield
  except told as error:
    parser.answer(parser.text_of(error), code=code)
  except KeyboardInterrupt:
    parser.answer(stopped, code=130)
  except Exception as error:
    if not (memory := _memory(error)):
      raise
    parser.answer(f'{memory}; a narrower model, smaller images or smaller batches need less', code=1)


def _memory(error: Exception) -> str:
  """What an error says of memory that a device or this machine has not; '' where it is about something else."""
  if isinstance(error, MemoryError):
    return f'there is not enough memory: {error}' if str(error) else 'there is not enough memory'
  is_of_device = type(error).__name__ == 'JaxRuntimeError'  # by its name: JAX takes a second to import
  said = str(error).partition('\n')[0].strip()
  return f'there is not enough memory: {said}' if is_of_device and said.startswith('RESOURCE_EXHAUSTED') else ''


def check_run(workdir: pathlib.Path) -> None:
  """Raises a FileNotFoundError where the folder is not that of a run, a ValueError where its config is damaged."""
  if not (workdir / 'config.json').exists():
    near = [shlex.quote(str(path)) for path in _runs_near(workdir)]
    hint = f'; did you mean {" or ".join(near)}?' if near else ''
    raise FileNotFoundError(f'--workdir is {workdir}, which is not the folder of a run: it has no config.json{hint}')
  saved.load(workdir)


def _runs_near(workdir: pathlib.Path) -> list[pathlib.Path]:
  """Folders of runs that somebody may have meant: in this one, or beside it, of a name like its own if there is one."""
  if workdir.name == 'config.json':
    return [workdir.parent]
  inside = workdir.is_dir()
  there = sorted(path.parent for path in (workdir if inside else workdir.parent).glob('*/config.json'))
  alike = [] if inside else difflib.get_close_matches(workdir.name, [path.name for path in there], 1)
  return [workdir.with_name(alike[0])] if alike else there[:3]


class _Seed(argparse.Action):
  """Refuses what is no seed."""

  def __call__(self, parser, namespace, values, option_string=None):
    if not 0 <= values <= checks.MAX_SEED:
      parser.error(f'--seed is {values}; it must be from 0 to {checks.MAX_SEED}')
    setattr(namespace, self.dest, values)


def _number(read: Callable[[str], float], what: str) -> Callable[[str], float]:
  """As `read`, which is the type of a flag, but says in plain words what the text is not."""

  def checked(text: str) -> float:
    try:
      return read(text)
    except ValueError as error:
      raise argparse.ArgumentTypeError(f'{text!r} is not {what}') from error

  return checked


def path(text: str) -> pathlib.Path:
  """A path, with ~ as the home folder."""
  if not text.strip():  # pathlib takes it for the current folder
    raise argparse.ArgumentTypeError("it is empty, as an unset variable is; '.' is the current folder")
  return files.path(text)


def boolean(text: str) -> bool:
  """'true', 'false', '1' or '0'."""
  if text.lower() not in ('true', 'false', '1', '0'):
    raise argparse.ArgumentTypeError(f'{text!r} is neither true nor false')
  return text.lower() in ('true', '1')


def checkpoint(text: str) -> str | int:
  """'latest', 'best' or a step."""
  if text not in ('latest', 'best') and not text.isdecimal():
    raise argparse.ArgumentTypeError(f"{text!r} is neither 'latest' nor 'best' nor a step")
  return int(text) if text.isdecimal() else text
