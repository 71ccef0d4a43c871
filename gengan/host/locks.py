"""A file that one process at a time holds, so that two programs do not write into one folder."""

import fcntl
import pathlib
from typing import IO


def take(path: pathlib.Path, taken: str) -> IO[str]:
  """Locks a file for this process: until it is closed, or until the process ends, however it ends.

  The file stays when the lock is given back: a file that is deleted can be locked by two at once. File systems without
  locks are let pass.

  Args:
    path: made where it is missing; its folder must exist.
    taken: the message where another process holds it.

  Raises:
    ValueError: `taken`.
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
