"""Ctrl-C in a command: one line and exit code 130, from the first import on. Output that nobody reads ends it, too."""

import os
import signal
import sys
from types import FrameType

CODE = 130


def command() -> str:
  """The command of gengan that Python is starting, 'gengan.sample' or 'gengan sample'; '' for any other program."""
  if sys.argv[:1] == ['-m']:  # so it is while Python looks for the module
    named = sys.orig_argv[sys.orig_argv.index('-m') + 1] if '-m' in sys.orig_argv[:-1] else ''
    return named if named.partition('.')[0] == 'gengan' else ''
  script = os.path.basename(sys.argv[0]).removesuffix('.exe') if sys.argv else ''
  return ' '.join([script, *sys.argv[1:2]]) if script == 'gengan' else ''


def answer(name: str) -> None:
  """Has Ctrl-C end the command `name` in one line: at once while something is imported, and the second time.

  Otherwise it is KeyboardInterrupt, as ever, so that a command may tidy up and say what it leaves.
  """
  asked = []

  def quit() -> None:
    os.write(2, f'\n{name}: stopped\n'.encode())
    os._exit(CODE)

  def handle(number: int, frame: FrameType | None) -> None:
    asked.append(number)
    if len(asked) > 1 or _importing(frame):
      quit()
    raise KeyboardInterrupt

  def hook(kind, error, traceback, before=sys.excepthook) -> None:
    if issubclass(kind, KeyboardInterrupt):
      quit()
    if issubclass(kind, BrokenPipeError):  # whoever reads the output, `head` or a pager, has seen enough
      os._exit(128 + signal.SIGPIPE)
    before(kind, error, traceback)

  signal.signal(signal.SIGINT, handle)
  sys.excepthook = hook


def _importing(frame: FrameType | None) -> bool:
  """Libraries catch or print what is raised while they are imported."""
  while frame and frame.f_code.co_filename != '<frozen importlib._bootstrap>':
    frame = frame.f_back
  return frame is not None
