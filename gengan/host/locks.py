"""A file that one process at a time holds, so that two programs do not write into one folder."""

import fcntl
import pathlib
from typing import IO

from gengan.host.regular import require_file


def take(path: pathlib.Path, taken: str) -> IO[str]:
  """Locks a file, made where it is missing, until it is closed or this process ends, however it ends.

  The file stays when the lock is given back: a file that is deleted can be locked by two at once.

  Raises:
    ValueError: another process holds it, `taken` is the message; or it is no file.
  """
  if path.exists():
    require_file(path, 'the lock')  # to open a pipe would wait for ever
  file = path.open('a')  # what a link leads to stays as it is
  try:
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
  except BlockingIOError:
    file.close()
    raise ValueError(taken) from None
  except OSError:
    pass  # a file system without locks
  return file
