"""Image files in a folder or in a zip file; the folders give splits and labels."""

import hashlib
import os
import pathlib
import stat
import zipfile
import zlib

import numpy as np

from gengan.data.sources import SPLITS, Records, Source

SUFFIXES = ('.png', '.jpg', '.jpeg', '.bmp', '.gif', '.tif', '.tiff', '.webp', '.ppm', '.pgm', '.pbm')
MAX_FILE_BYTES = 256 << 20  # one image file, unpacked
MAX_ZIP_BYTES = 64 << 30  # all files of a zip, unpacked
HASHED_BYTES = 2 << 30  # a folder that holds more is identified by names and sizes alone

_SPLIT_FOLDERS = {'val': 'validation', 'valid': 'validation', **{split: split for split in SPLITS}}


def folder(directory: str) -> Source:
  """Image files below a folder. Hidden files and files that are no images by their name are passed over.

  Raises:
    FileNotFoundError: no such folder.
    ValueError: no image in it, or folders that mean nothing as splits and classes (see `layout`).
  """
  spec = f'folder:{directory}'
  root = pathlib.Path(directory)
  if not root.is_dir():
    raise FileNotFoundError(f'{spec}: there is no such folder')
  names = []
  for parent, folders, files in os.walk(root):
    folders[:] = [name for name in folders if not name.startswith(('.', '__MACOSX'))]
    names += [pathlib.Path(parent, name).relative_to(root).as_posix() for name in files if _is_image(name)]
  names.sort()
  # A link that leads nowhere counts as an unreadable image, not as the end.
  sizes = [(root / name).stat().st_size if (root / name).exists() else 0 for name in names]

  def read(name: str) -> bytes:
    path = root / name
    if path.stat().st_size > MAX_FILE_BYTES:
      raise ValueError(f'larger than {MAX_FILE_BYTES >> 20} MiB')
    return path.read_bytes()

  digest = hashlib.sha256()
  hashed = sum(sizes) <= HASHED_BYTES
  for name, size in zip(names, sizes, strict=True):
    content = _file_hash(root / name) if hashed else str(size)
    digest.update(f'{name}\0{content}\n'.encode())
  return _source(spec, names, read, digest.hexdigest())


def _file_hash(path: pathlib.Path) -> str:
  try:
    return hashlib.sha256(path.read_bytes()).hexdigest()
  except OSError as error:
    return f'unreadable: {error.errno}'


def zip_file(file: str) -> Source:
  """Image files in a zip, read in place: nothing is unpacked to disk.

  Raises:
    FileNotFoundError: no such file.
    ValueError: damaged, encrypted, too large when unpacked, a name that leads outside or occurs twice, no image in it,
      or folders that mean nothing as splits and classes (see `layout`).
  """
  spec = f'zip:{file}'
  path = pathlib.Path(file)
  if not path.is_file():
    raise FileNotFoundError(f'{spec}: there is no such file')
  try:
    archive = zipfile.ZipFile(path)
  except (zipfile.BadZipFile, OSError, NotImplementedError) as error:
    raise ValueError(f'{spec} is damaged or not a zip file: {error}') from error
  entries = {}
  for info in archive.infolist():
    if info.is_dir() or not _is_image(info.filename.rpartition('/')[2]) or '__MACOSX' in info.filename:
      continue
    _check_entry(info, spec)
    if info.filename in entries:
      raise ValueError(f'{spec}: {info.filename!r} occurs twice')
    entries[info.filename] = info
  total = sum(info.file_size for info in entries.values())
  if total > MAX_ZIP_BYTES:
    raise ValueError(f'{spec} unpacks to {total:,} bytes; the limit is {MAX_ZIP_BYTES:,}')
  names = sorted(entries)
  identity = '\n'.join(f'{name}\0{entries[name].file_size}\0{entries[name].CRC:08x}' for name in names)

  def read(name: str) -> bytes:
    try:
      # zipfile returns no more than the size checked above, compares the CRC-32, and may be read by several threads.
      return archive.read(entries[name])
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
      raise ValueError(str(error)) from error

  return _source(spec, names, read, hashlib.sha256(identity.encode()).hexdigest())


def _check_entry(info: zipfile.ZipInfo, spec: str) -> None:
  parts = info.filename.split('/')
  if '..' in parts or parts[0] == '' or '\\' in info.filename or ':' in parts[0]:
    how = 'make it anew from plain relative names'
    raise ValueError(f'{spec}: the name {info.filename!r} leads outside of the zip; {how}')
  if stat.S_ISLNK(info.external_attr >> 16):
    raise ValueError(f'{spec}: {info.filename!r} is a link; put the file itself into the zip')
  if info.flag_bits & 0x1:
    raise ValueError(f'{spec}: {info.filename!r} is encrypted')
  if info.file_size > MAX_FILE_BYTES:
    raise ValueError(f'{spec}: {info.filename!r} unpacks to {info.file_size:,} bytes; the limit is {MAX_FILE_BYTES:,}')


def _is_image(name: str) -> bool:
  return not name.startswith('.') and name.lower().endswith(SUFFIXES)


def _source(spec: str, names: list[str], read, sha256: str) -> Source:
  if not names:
    raise ValueError(f'{spec} holds no image; names must end in {" ".join(SUFFIXES)}')
  placed, class_names = layout(names, spec)
  splits = {}
  for split in SPLITS:
    own = [name for name, (place, _) in zip(names, placed, strict=True) if place == split]
    labels = np.array([label for place, label in placed if place == split], np.int32)
    if own:
      splits[split] = Records(names=own, labels=labels, read=lambda i, own=own: read(own[i]))
  return Source(spec=spec, splits=splits, class_names=class_names, sha256=sha256)


def layout(names: list[str], spec: str) -> tuple[list[tuple[str, int]], tuple[str, ...]]:
  """What the folders mean.

  Folders that all files share are passed over. If one of the top folders is then `train`, all must be `train`,
  `validation` (or `val`, `valid`) and `test`. The next folder is the class; what lies deeper belongs to it. Files that
  lie in no class folder have no label.

  Returns:
    (split, label) for every name, which has `/` between folders; and the names of the classes in alphabetical order,
    none if there are no labels.

  Raises:
    ValueError: some files lie beside the split folders or beside the class folders.
  """
  paths = [name.split('/') for name in names]
  while all(len(path) > 1 and path[0] == paths[0][0] for path in paths) and paths[0][0].lower() not in _SPLIT_FOLDERS:
    paths = [path[1:] for path in paths]
  tops = {path[0].lower() for path in paths if len(path) > 1}
  splits = ['train'] * len(paths)
  if tops & set(_SPLIT_FOLDERS):
    outside = [path for path in paths if len(path) == 1 or path[0].lower() not in _SPLIT_FOLDERS]
    if 'train' not in tops or outside:
      problem = f'{"/".join(outside[0])!r} lies in none of them' if outside else 'there is no train/'
      found = ', '.join(sorted(tops)[:5])
      raise ValueError(f'{spec} has top folders {found}, but {problem}; use train/ validation/ test/')
    splits = [_SPLIT_FOLDERS[path[0].lower()] for path in paths]
    paths = [path[1:] for path in paths]
  loose = [path[0] for path in paths if len(path) == 1]
  if len(loose) == len(paths):
    return [(split, 0) for split in splits], ()
  if loose:
    found = f'{len(loose)} images, such as {loose[0]!r}, lie beside the class folders'
    raise ValueError(f'{spec}: {found}; move each into a class folder')
  class_names = tuple(sorted({path[0] for path in paths}))
  labels = {name: i for i, name in enumerate(class_names)}
  return [(split, labels[path[0]]) for split, path in zip(splits, paths, strict=True)], class_names
