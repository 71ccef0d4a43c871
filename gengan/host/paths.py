"""Paths that every library can take, whatever their folders are called."""

import contextlib
import os
import pathlib
import re
from collections.abc import Iterator

_PLAIN = re.compile(r'[\w /.,=+@-]+')  # \w: letters of every script, but no bytes that are not UTF-8
_LONGEST = 3000  # bytes; leaves room below PATH_MAX for the names that a library adds
_OPEN_FOLDERS = pathlib.Path('/proc/self/fd')


@contextlib.contextmanager
def plain(folder: pathlib.Path) -> Iterator[pathlib.Path]:
  """The folder, or another name for it while the block lasts, of this process alone.

  Libraries read more than a name in a path: `[v2]`, `*` and a backslash as patterns, `gs:` as a protocol. Such a path,
  one that is not UTF-8 and a very long one become that of an open file descriptor.

  Raises:
    OSError: the folder cannot be opened; or it needs another name, and this system has none.
  """
  if _PLAIN.fullmatch(str(folder)) and len(os.fsencode(folder)) <= _LONGEST:
    yield folder
    return
  if not _OPEN_FOLDERS.is_dir():
    raise OSError(f'{folder} has a character that is special to libraries; use letters, digits, "-" and "_" in paths')
  descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
  try:
    yield _OPEN_FOLDERS / str(descriptor)
  finally:
    os.close(descriptor)
