"""Paths that every library can take, whatever their folders are called."""

import contextlib
import os
import pathlib
import re
from collections.abc import Iterator

_PLAIN = re.compile(r'[\w /.,=+@-]+')  # \w: letters of every script, but no bytes that are not UTF-8
_LONGEST = 3000  # bytes; leaves room for the names that a library adds
_MOST = 3900  # bytes, likewise for our own names; Linux and macOS take 4,096 or fewer
_OPEN_FOLDERS = pathlib.Path('/proc/self/fd')


@contextlib.contextmanager
def plain(folder: pathlib.Path) -> Iterator[pathlib.Path]:
  """The folder, or another name for it while the block lasts, of this process alone.

  Libraries read more than a name in a path: `[v2]`, `*` and a backslash as patterns, `gs:` as a protocol. Such a path,
  one that is not UTF-8 and a very long one become that of an open file descriptor.

  Raises:
    OSError: the folder cannot be opened.
  """
  if _is_plain(folder):
    yield folder
    return
  descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
  try:
    yield _OPEN_FOLDERS / str(descriptor)
  finally:
    os.close(descriptor)


def check(folder: pathlib.Path) -> None:
  """Raises a ValueError where `plain` will have no other name for a folder that needs one, or its path is too long."""
  if len(os.fsencode(folder)) > _MOST:
    raise ValueError(f'{str(folder)[:60]}... is too long for a path: files in it would have more than 4,096 bytes')
  if not _is_plain(folder) and not _OPEN_FOLDERS.is_dir():
    raise ValueError(f'{folder} has a character that is special to libraries; use letters, digits and - in paths')


def _is_plain(folder: pathlib.Path) -> bool:
  return bool(_PLAIN.fullmatch(str(folder))) and len(os.fsencode(folder)) <= _LONGEST
