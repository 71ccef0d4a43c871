"""Walks a folder: links are followed, only regular files are listed, and everything else is told."""

import collections
import contextlib
import dataclasses
import os
import pathlib
import stat
from collections.abc import Iterator
from typing import BinaryIO

from gengan.data.sources.layout import split_names
from gengan.data.sources.listing import Listing, hidden_note, is_hidden, is_image_name, quoted
from gengan.host.names import printable
from gengan.host.regular import require_file, what_else

MAX_REPEATED = 100_000  # folders to which several names lead


@dataclasses.dataclass
class _Found:
  files: dict[str, int] = dataclasses.field(default_factory=dict)  # and their bytes
  folders: list[str] = dataclasses.field(default_factory=list)
  hidden: list[str] = dataclasses.field(default_factory=list)  # names without their folders
  special: list[str] = dataclasses.field(default_factory=list)  # pipes, sockets, devices
  dangling: list[str] = dataclasses.field(default_factory=list)  # links that lead nowhere
  loops: list[str] = dataclasses.field(default_factory=list)  # links to a folder that they or the set lie in
  repeated: list[str] = dataclasses.field(default_factory=list)  # folders that were read before, under another name


def listing(root: pathlib.Path, spec: str) -> Listing:
  """All regular files below a folder, with those that links lead to.

  A link that leads nowhere is listed if it is called like an image, which is then unreadable.

  Raises:
    ValueError: a folder that may not be read, a link that leads nowhere and is called like a split, or links that lead
      to the same folders over and over.
  """
  found = _Found()
  first = {os.path.realpath(root): ''}
  # Name, real path, real paths of the folders above, and whether one of those was read before.
  # Those above the root are such, too: a link to one would lead from the set into the rest of the disk.
  outside = frozenset(map(str, pathlib.PurePath(os.path.realpath(root)).parents))
  waiting = collections.deque([('', os.path.realpath(root), outside, False)])
  while waiting:
    folder, real, above, again = waiting.popleft()
    above |= {real}
    for name, is_link in _subfolders(root, folder, found, spec):
      target = os.path.realpath(root / name) if is_link else f'{real}/{os.path.basename(name)}'
      if target in above:
        found.loops.append(name)
        continue
      known = target in first
      if known and (is_link or not again):
        found.repeated.append(f'{first[target]} and {name}')
        if len(found.repeated) > MAX_REPEATED:
          raise ValueError(
            f'{spec}: links lead to the same folders over and over, such as {quoted(found.repeated[-1:])}'
          )
      first.setdefault(target, name)
      found.folders.append(name)
      waiting.append((name, target, above, again or known))

  def open_file(name: str) -> BinaryIO:
    path = os.path.join(root, name)
    require_file(path, printable(name))
    return open(path, 'rb')

  return Listing(found.files, found.folders, open_file, _notes(found))


def _subfolders(root: pathlib.Path, folder: str, found: _Found, spec: str) -> Iterator[tuple[str, bool]]:
  """The folders in a folder by name, and whether each is a link; notes all else that lies there."""
  try:
    entries = sorted(os.scandir(root / folder), key=lambda entry: entry.name)
  except OSError as error:
    raise ValueError(f'{spec}: {quoted([folder or "."])} cannot be read: {error.strerror}') from error
  for entry in entries:
    name = f'{folder}/{entry.name}' if folder else entry.name
    if is_hidden(entry.name):
      found.hidden.append(entry.name)
      continue
    try:
      status = entry.stat()
    except OSError as error:  # nothing there, links in a ring, or not to be looked at
      _unreachable(name, entry, error, found, spec)
      continue
    if stat.S_ISDIR(status.st_mode):
      yield name, entry.is_symlink()
    elif other := what_else(status.st_mode):
      found.special.append(f'{name} is {other}')
    else:
      found.files[name] = status.st_size


def _unreachable(name: str, entry: os.DirEntry, error: OSError, found: _Found, spec: str) -> None:
  leads = f'{name} ({error.strerror})'
  if entry.is_symlink():
    with contextlib.suppress(OSError):  # it has gone by now, as those below /proc do
      leads = f'{name} -> {os.readlink(entry.path)}'
  if is_image_name(entry.name):
    found.files[name] = 0
  elif split_names([entry.name]):
    raise ValueError(f'{spec}: {quoted([leads])} looks like a split, but the link leads nowhere; mend or remove it')
  else:
    found.dangling.append(leads)


def _notes(found: _Found) -> list[str]:
  told = {
    'what is no regular file is passed over': found.special,
    'links that lead nowhere are passed over': found.dangling,
    'links to a folder that they or the set lie in are not followed': found.loops,
    'the same folders are read under two names': found.repeated,
  }
  return hidden_note(found.hidden) + [f'{what}: {quoted(names)}' for what, names in told.items() if names]
