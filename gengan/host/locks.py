"""A file that one process at a time holds, so that two programs do not write into one folder."""

import fcntl
import pathlib
from typing import IO


def take(path: pathlib.Path, taken: str) -> IO[str]:
  """Locks a file, made where it is missing, until it is closed or this process ends, however it ends.

  The file stays when the lock is given back: a file that is deleted can be locked by two at once.

  Raises:
    ValueError: another process holds it; `taken` is the message.
  """
  file = path.open('w')
  try:
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
  except BlockingIOError:
    file.close()
    raise ValueError(taken) from None
  except OSError:
    pass  # a file system without locks
  return file
