"""Standard output that can no longer be written, as on a full disk: told in one line that names it, at the end too."""

import atexit
import io
import os
import signal
import sys

from gengan.host import errors

NAME = 'standard output'


class _Named(io.TextIOWrapper):
  """A text stream whose errors say which it is, as those of a file do."""

  def write(self, text: str) -> int:
    with errors.about(NAME):
      return super().write(text)

  def flush(self) -> None:
    with errors.about(NAME):
      super().flush()


def prepare(name: str) -> None:
  """Names standard output in its errors, also in that of what is written last, which ends `name` with code 1.

  What cannot be encoded is printed as escapes: a path need not be text.
  """
  if not isinstance(before := sys.stdout, io.TextIOWrapper):
    return
  if before is sys.__stdout__:  # that of the process, which keeps it open, and none that stands in for it
    before.flush()
    how = {'line_buffering': before.line_buffering, 'write_through': before.write_through}
    sys.stdout = _Named(before.buffer, before.encoding, **how)
    atexit.register(_end, name)
  sys.stdout.reconfigure(errors='backslashreplace')


def settle() -> OSError | None:
  """Writes what is left to be written; what cannot be is dropped, for Python would complain of it at its end."""
  try:
    if sys.stdout:
      sys.stdout.flush()
  except OSError as error:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
    return error
  return None


def _end(name: str) -> None:
  if error := settle():
    if isinstance(error, BrokenPipeError):  # whoever reads it has seen enough
      os._exit(128 + signal.SIGPIPE)
    os.write(2, f'{name}: {errors.reason(error)}\n'.encode())
    os._exit(1)
