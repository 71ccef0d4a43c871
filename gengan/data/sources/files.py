"""Image files in a folder or in a zip file; the folders, or tables beside the images, give splits and labels."""

import hashlib
import os
import pathlib
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from gengan.data.sources import folders, layout, tables, zips
from gengan.data.sources.listing import TABLES, Listing, chosen, quoted, read, without, without_images
from gengan.data.sources.records import SPLITS, Records, Source
from gengan.host.names import printable, same
from gengan.host.regular import require_file, require_folder

MAX_ZIP_BYTES = 64 << 30  # all images of a zip, unpacked
HASHED_BYTES = 2 << 30  # a folder that holds more is identified by names and sizes alone


def folder(directory: str) -> Source:
  """Image files below a folder; links are followed. What is passed over is told in the notes, see `listing`.

  Raises:
    FileNotFoundError: no such folder.
    ValueError: no image in it, folders that mean nothing as splits and classes (see `layout`), or tables of labels
      that do not fit (see `tables`).
  """
  spec = printable(f'folder:{directory}')
  root = pathlib.Path(directory)
  require_folder(root, spec, of_file='; a zip is opened by zip:')
  found = folders.listing(root, spec)

  def sha256(names: list[str]) -> str:
    digest = hashlib.sha256()
    hashed = sum(found.files[name] for name in names) <= HASHED_BYTES
    for name in names:
      content = _content_hash(found, name) if hashed else str(found.files[name])
      digest.update(os.fsencode(name) + f'\0{content}\n'.encode())
    return digest.hexdigest()

  above = [name for name in TABLES if (root.absolute().parent / name).is_file()]
  return _source(spec, found, sha256, unread=above)


def _content_hash(found: Listing, name: str) -> str:
  try:
    return hashlib.sha256(read(found, name)).hexdigest()
  except (OSError, ValueError) as error:
    return f'unreadable: {getattr(error, "errno", found.files[name])}'


def zip_file(file: str) -> Source:
  """Image files in a zip, read in place: nothing is unpacked to disk.

  Raises:
    FileNotFoundError: no such file.
    ValueError: see `zips.listing`; too large when unpacked, or as for `folder`.
  """
  spec = printable(f'zip:{file}')
  require_file(file, spec)
  found, entries = zips.listing(pathlib.Path(file), spec)

  def sha256(names: list[str]) -> str:
    total = sum(found.files[name] for name in names)
    if total > MAX_ZIP_BYTES:
      raise ValueError(f'{spec} unpacks to {total:,} bytes; the limit is {MAX_ZIP_BYTES:,}')
    identity = '\n'.join(f'{name}\0{entries[name].file_size}\0{entries[name].CRC:08x}' for name in names)
    return hashlib.sha256(identity.encode()).hexdigest()

  return _source(spec, found, sha256)


def _source(spec: str, found: Listing, sha256: Callable[[list[str]], str], *, unread: Sequence[str] = ()) -> Source:
  """Gives every image its split and label; `unread` are tables that lie where none is looked for."""
  names, beside, notes = chosen(found, spec)
  places, paths, remarks = layout.splits([name.split('/') for name in names], spec)
  in_folders = any(len(path) > 1 for path in paths)
  content = lambda name: read(found, name)
  told = tables.labels(names, beside, content, needed=not in_folders, spec=spec, places=places)
  places = told.splits or places or ['train'] * len(names)
  empty = without(found.folders, names)
  lost = layout.empty_splits(names, found.folders, empty)
  notes += [*without_images(empty, [split for split in SPLITS if split in lost - {*places}]), *remarks, *told.notes]
  of_images, used = told.of_images, told.used
  if of_images and _alike(of_images, paths) and not told.called:
    notes.append(f'{quoted(used)} and the folders give the same labels, which are called as the folders are')
    of_images, used = [], used if told.splits else []
  elif of_images and in_folders and not _alike(of_images, paths):
    notes.append(f'labels come from {quoted(used)}; the folders of the images give none')
  class_names = tables.in_order(set(of_images))
  if not of_images:
    of_images = layout.classes(paths, spec)
    class_names = sorted(set(of_images))
    if empty and not class_names:
      notes.append('the images that are left lie in one folder, so that the set has no classes')
  if unread and not of_images:
    notes.append(f'{quoted(unread)} lies beside the folder and is not read; move it into the folder')
  shown = Counter(map(printable, names)).most_common(1)[0]
  if shown[1] > 1:
    raise ValueError(
      f"{spec}: {shown[1]} files are called '{shown[0]}', some with bytes that are not UTF-8; rename one"
    )
  numbers = {name: number for number, name in enumerate(class_names)}
  labels = np.array([numbers[name] for name in of_images] or [0] * len(names), np.int32)
  splits = {}
  for split in SPLITS:
    own = [i for i, place in enumerate(places) if place == split]
    if own:
      splits[split] = _records(found, [names[i] for i in own], labels[own])
  identity = sha256([*names, *used])
  return Source(spec, splits, tuple(told.called.get(name, name) for name in class_names), identity, tuple(notes))


def _alike(labels: Sequence[str], paths: Sequence[layout.Path]) -> bool:
  """Whether every label has a folder of its own, and none the folder that bears the name of another label."""
  pairs = {(label, same(printable(path[0]))) for label, path in zip(labels, paths, strict=True)}
  of_labels, of_folders = ({pair[i] for pair in pairs} for i in range(2))
  alone = len(pairs) == len(of_labels) == len(of_folders) and all(len(path) > 1 for path in paths)
  return alone and not any(label != folder and folder in of_labels for label, folder in pairs)


def _records(found: Listing, names: list[str], labels: np.ndarray) -> Records:
  return Records(names=[*map(printable, names)], labels=labels, read=lambda i: read(found, names[i]))
