"""Folders whose every file can be checked: a list of SHA-256 hashes that also vouches for itself."""

import errno
import hashlib
import os
import pathlib

from gengan.host.files import replacing, sync
from gengan.host.regular import require_file

SUMS = 'SHA256SUMS'  # the format of coreutils: `sha256sum -c SHA256SUMS` checks it by hand


class DamagedError(ValueError):
  """A file is missing or is not what was written."""


def seal(folder: pathlib.Path) -> None:
  """Hashes every file of a folder into SHA256SUMS, in the place of an older one, and makes all of them durable."""
  files = sorted(path for path in folder.rglob('*') if path.is_file() and path != folder / SUMS)
  folders = [path for path in folder.rglob('*') if path.is_dir()]
  for path in [*files, *folders]:
    sync(path)
  _write(folder, ''.join(f'{_sha256(path)}  {path.relative_to(folder).as_posix()}\n' for path in files))


def add(folder: pathlib.Path, name: str) -> None:
  """Lists one more file of a sealed folder; raises DamagedError where it is not sealed."""
  lines = _lines(folder)
  _write(folder, ''.join(line for line in lines if line[66:-1] != name) + f'{_sha256(folder / name)}  {name}\n')


def verify(folder: str | os.PathLike) -> None:
  """Hashes every file of a sealed folder again. Files that were added later are ignored.

  Raises:
    DamagedError: names the first file that is missing or differs.
  """
  folder = pathlib.Path(folder)
  for line in _lines(folder):
    expected, name = line[:64], line[66:-1]
    try:
      if not (folder / name).is_file():  # to open a pipe would wait for ever
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
      found = _sha256(folder / name)
    except OSError as error:
      raise DamagedError(f'{folder / name} is missing or unreadable ({error.strerror})') from None
    if found != expected:
      raise DamagedError(f'{folder / name} is damaged: its SHA-256 is not the one in {SUMS}')


def _lines(folder: pathlib.Path) -> list[str]:
  """'hash  name' of every file, each with its line break."""
  sums = folder / SUMS
  try:
    require_file(sums, SUMS)
    lines, mark, signature = sums.read_text().rpartition('# ')
  except (OSError, ValueError):
    raise DamagedError(f'{sums} is missing or unreadable, so nothing vouches for the other files') from None
  if not lines or mark + signature != _signature(lines):
    raise DamagedError(f'{sums} is damaged: its last line is not the SHA-256 of the lines above')
  return lines.splitlines(keepends=True)


def _write(folder: pathlib.Path, lines: str) -> None:
  with replacing(folder / SUMS) as beside:
    beside.write_text(lines + _signature(lines))


def _signature(lines: str) -> str:
  return f'# {hashlib.sha256(lines.encode()).hexdigest()}\n'


def _sha256(path: pathlib.Path) -> str:
  with path.open('rb') as file:
    return hashlib.file_digest(file, 'sha256').hexdigest()
