"""What is wrong with an argument, in parts that a program can read."""

import contextlib
import os
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any


class ArgumentError(ValueError):
  """A value that a function cannot work with, in parts: whoever read it from a config or a flag says where it stood.

  Attributes:
    argument: its name.
    value: what it is.
    allowed: what it must be, 'at least 1'.
    why: between the two, where that is not plain: 'but the data has 10 classes'.
    beside: other arguments that make the value impossible, by name.
  """

  prefix = ''  # of a name, in the message

  def __init__(
    self, argument: str, value: Any, allowed: str, *, why: str = '', beside: Mapping[str, Any] | None = None
  ):
    self.argument, self.value, self.allowed, self.why, self.beside = argument, value, allowed, why, dict(beside or {})
    others = ' and '.join(f'{self.prefix}{name} is {shown(other)}' for name, other in self.beside.items())
    reason = ''.join([f' while {others}' if others else '', f', {why}' if why else ''])
    super().__init__(f'{self.prefix}{argument} is {shown(value)}{reason}; it must be {allowed}')


def shown(value: Any) -> str:
  """`repr` of a value for a message: in one line, as that of a config's section is not, of 300 characters at most."""
  text = ' '.join(repr(value).splitlines())
  return text if len(text) <= 300 else f'{text[:296]} ...'


@contextlib.contextmanager
def about(path: str | os.PathLike, *, instead_of: str | os.PathLike | None = None) -> Iterator[None]:
  """An OSError of a file that was opened before names no file, as on a full disk: it gets this one.

  So does one about `instead_of`, where a file is written until it gets its name.
  """
  unnamed = (None,) if instead_of is None else (None, os.fspath(instead_of))
  try:
    yield
  except OSError as error:
    if error.errno is not None and error.filename in unnamed:
      error.filename = os.fspath(path)
    raise


def reason(error: BaseException) -> str:
  """Why something failed, in a line of 300 characters at most; of an OSError what the system says, and the file."""
  if isinstance(error, OSError) and error.strerror:
    text = f'{error.strerror}: {error.filename}' if error.filename else error.strerror
  else:
    kind = '' if isinstance(error, (OSError, ValueError)) else f'{type(error).__name__}: '
    text = f'{kind}{error}'
  return textwrap.shorten(text, 300, placeholder=' ...')
