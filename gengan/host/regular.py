"""Regular files alone are opened: a pipe would keep its reader waiting, a device has no end."""

import os
import pathlib
import stat

_OTHERS = {
  stat.S_IFDIR: 'a folder',
  stat.S_IFIFO: 'a pipe',
  stat.S_IFSOCK: 'a socket',
  stat.S_IFCHR: 'a device',
  stat.S_IFBLK: 'a device',
}


def what_else(mode: int) -> str:
  """'' for the mode of a regular file, as `os.stat` gives it; else what it is: 'a pipe', 'a folder', ..."""
  return '' if stat.S_ISREG(mode) else _OTHERS.get(stat.S_IFMT(mode), 'no regular file')


def require_file(path: str | os.PathLike, spec: str) -> None:
  """Checks that a file can be opened and read to its end, before anything opens it.

  Raises:
    FileNotFoundError: nothing is there, or a link that leads nowhere; the line begins with `spec`.
    ValueError: a folder, a pipe, a socket or a device.
  """
  try:
    mode = os.stat(path).st_mode
  except (FileNotFoundError, NotADirectoryError) as error:
    leads = f'; it is a link to {os.readlink(path)}' if os.path.islink(path) else ''
    raise FileNotFoundError(f'{spec}: there is no such file{leads}') from error
  if other := what_else(mode):
    raise ValueError(f'{spec}: {path} is {other}; it must be a regular file')


def require_folder(path: str | os.PathLike, spec: str, *, of_file: str = '') -> None:
  """Checks that a folder is there.

  Args:
    of_file: what is right where a file is given.

  Raises:
    FileNotFoundError: nothing is there, or something else; the line begins with `spec`.
  """
  folder = pathlib.Path(path)
  if not folder.is_dir():
    found = f': it is {what_else(folder.stat().st_mode) or f"a file{of_file}"}' if folder.exists() else ''
    raise FileNotFoundError(f'{spec}: there is no such folder{found}')
