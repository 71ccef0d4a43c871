"""Files that are there whole or not at all, JSON files, and whether a folder can be written."""

import contextlib
import errno
import json
import os
import pathlib
import re
import shutil
import tempfile
from collections.abc import Iterator
from typing import Any

from gengan.host import errors, output


def expanded(text: str | os.PathLike) -> str:
  """A path with the ~ or ~name at its beginning, or behind the kind in 'folder:~/images', as that home folder."""
  return re.sub(r'^(\w+:)?(~[^/]*)', lambda found: (found[1] or '') + os.path.expanduser(found[2]), os.fspath(text))


def path(text: str | os.PathLike) -> pathlib.Path:
  """The path that a text means, see `expanded`."""
  return pathlib.Path(expanded(text))


@contextlib.contextmanager
def replacing(
  path: str | os.PathLike, *, beside: str | os.PathLike | None = None, durable: bool = True
) -> Iterator[pathlib.Path]:
  """Where to write a file that takes its place at `path` once the block has ended; after an error nothing has changed.

  Args:
    path: its folder is made where it is missing.
    beside: where it is written until then, on the same file system; None: a hidden file in the folder of `path`, named
      by this process, so that two processes may write the same file.
    durable: wait until the disk has it, for a rename alone does not survive a power cut. False where the caller does
      so for many files at once.
  """
  path = pathlib.Path(path)
  path.parent.mkdir(parents=True, exist_ok=True)
  beside = path.with_name(f'.{path.name}.{os.getpid()}.part') if beside is None else pathlib.Path(beside)
  try:
    with errors.about(path, instead_of=beside):
      yield beside
    if durable:
      sync(beside)
    os.replace(beside, path)
    if durable:
      sync(path.parent)
  finally:
    beside.unlink(missing_ok=True)


def remove_unfinished(folder: pathlib.Path, *names: str) -> None:
  """Removes what killed processes left of files of these names, or patterns, that `replacing` was to write in a folder.

  Only for names that no other process may be writing now.
  """
  for name in names:
    for path in folder.glob(f'.{name}.*.part'):
      path.unlink(missing_ok=True)


def is_full(folder: pathlib.Path, *, need: int = 0) -> bool:
  """Whether fewer bytes than are needed are left on the disk of a folder, or less than 64 KiB."""
  try:
    return shutil.disk_usage(folder).free < max(need, 2**16)
  except OSError:
    return False


def trouble(error: OSError) -> str:
  """What is wrong with a file or its disk, in one line; where the disk is full, also what is left on it."""
  text = errors.reason(error)
  if error.errno not in (errno.ENOSPC, errno.EDQUOT) or error.filename == output.NAME:
    return text
  named = pathlib.Path(error.filename or '.').absolute()  # of a folder it may be the disk's own
  there = next(path for path in (named, *named.parents) if path.exists())
  free = shutil.disk_usage(there).free / 1000
  return f'{text} ({free:,.0f} kB are free); what stands there under its own name is whole'


def sync(path: pathlib.Path) -> None:
  """Waits until the disk has a file or the names in a folder."""
  descriptor = os.open(path, os.O_RDONLY)
  try:
    os.fsync(descriptor)
  finally:
    os.close(descriptor)


def write_text(path: str | os.PathLike, text: str) -> None:
  """Writes a text file in one piece, as UTF-8; a byte of a file name that is none as an escape, which JSON reads."""
  with replacing(path) as beside:
    beside.write_text(text, encoding='utf-8', errors='backslashreplace')


def write_json(path: str | os.PathLike, content: Any) -> None:
  """Writes JSON for people in one piece: the same text for the same content."""
  write_text(path, json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + '\n')


def read_json(path: str | os.PathLike) -> dict[str, Any]:
  """The JSON object in a file.

  Raises:
    FileNotFoundError: there is no file.
    ValueError: it is damaged, or holds something else; one line that names it.
  """
  if pathlib.Path(path).exists() and not pathlib.Path(path).is_file():
    raise ValueError(f'{path} is damaged: it is no file')  # to read a pipe would wait for ever
  try:
    content = json.loads(pathlib.Path(path).read_text(encoding='utf-8'))
  except (ValueError, RecursionError) as error:
    raise ValueError(f'{path} is damaged: {errors.reason(error)}') from error
  if not isinstance(content, dict):
    raise ValueError(f'{path} is damaged: it holds no JSON object')
  return content


def require_writable(folder: pathlib.Path, *, flag: str) -> None:
  """Makes a folder and a file in it, and takes away again what was not there.

  Raises:
    ValueError: files cannot be written there; names the flag that gave the folder.
  """
  made = [path for path in (folder, *folder.parents) if not path.exists()]
  try:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
      pass
  except OSError as error:
    why = 'that is a file' if folder.is_file() else error.strerror
    raise ValueError(f'{flag} is {folder}, where no files can be written: {why}') from error
  finally:
    for path in made:
      if path.is_dir():
        path.rmdir()
