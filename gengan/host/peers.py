"""Other processes of a run: noticed when they die, for whoever is left would wait for them, or be aborted."""

import contextlib
import fcntl
import os
import pathlib
import threading
import time
from collections.abc import Iterator

_LEFT = 'left'  # in the file of a process that has ended as it should; else who died, if that has ended this one too
_SECONDS = 0.2  # between two looks at a process that has not begun


@contextlib.contextmanager
def watched(folder: pathlib.Path, index: int, count: int) -> Iterator[None]:
  """While the block lasts, ends this process with one line and code 1 as soon as one of the others has died.

  Every process holds a lock on a file of its own, which the kernel gives back however a process ends. The folder is one
  that all of them share; where its file system has no locks, or none between machines, nothing is noticed.

  Args:
    folder: there already.
    index: of this process, from 0.
    count: of all processes; 1: there is nothing to watch.
  """
  if count == 1:
    yield
    return
  with _file(folder, index).open('w') as own:
    with contextlib.suppress(OSError):
      fcntl.flock(own, fcntl.LOCK_EX)
    for other in set(range(count)) - {index}:
      threading.Thread(target=_watch, args=(folder, other, index, count), daemon=True).start()
    try:
      yield
    except BaseException:
      time.sleep(5 * _SECONDS)  # perhaps an error of the network, because another one has died: then that is told
      raise
    own.write(_LEFT)


def _file(folder: pathlib.Path, index: int) -> pathlib.Path:
  return folder / f'.lock-{index:05d}'


def _watch(folder: pathlib.Path, other: int, index: int, count: int) -> None:
  path = _file(folder, other)
  while not _is_locked(path):
    time.sleep(_SECONDS)
  with path.open() as file:
    fcntl.flock(file, fcntl.LOCK_SH)  # waits until it has ended
    said = file.read()
    if said != _LEFT:
      first = said or str(other)
      _file(folder, index).write_text(first)
      what = f'process {first} of {count} has died, and this one ends with it'
      os.write(2, f'{folder}: {what}; the same command continues from the last checkpoint\n'.encode())
      os._exit(1)


def _is_locked(path: pathlib.Path) -> bool:
  try:
    with path.open() as file:
      fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
  except BlockingIOError:
    return True
  except OSError:  # not there yet
    pass
  return False
