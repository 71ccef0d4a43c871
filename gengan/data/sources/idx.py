"""Idx files, in which MNIST and its family are published."""

import gzip
import math
import pathlib
import re
import struct
import zlib

import numpy as np

from gengan.data.decoding import ranges
from gengan.data.sources.listing import quoted
from gengan.data.sources.records import Source, array_source
from gengan.host import archives
from gengan.host.regular import require_file, require_folder

_PREFIXES = {'train': 'train', 'validation': '(?:validation|valid|val)', 'test': '(?:t10k|test)'}
_IDX = re.compile(r'idx\d-\w+(\.gz)?$')
_GLOBS = '*', '*/*'  # where the files of a set are looked for
MAX_BYTES = 16 << 30  # a file that unpacks to more is refused


def idx(directory: str, *, wanted: ranges.Range | None = None) -> Source:
  """MNIST, Fashion-MNIST, KMNIST, EMNIST: `*train-images*idx3-ubyte[.gz]`, its labels, and the same for t10k or
  test, and for validation where it is there.

  Each file lies in the folder, or in a folder within it, as unpackers leave it. The labels that occur are the names of
  the classes, which are numbered from 0 in their order.

  Args:
    directory: the folder.
    wanted: which values are black and white; None: by `ranges.chosen`.

  Raises:
    FileNotFoundError: a file is missing.
    ValueError: a file is a pipe or damaged (gzip checksum, sizes against the header), or images and labels differ
      in number.
  """
  images, labels, names, notes = idx_arrays(directory, spec := f'idx:{directory}')
  return array_source(spec, images, labels, names, wanted=wanted, notes=notes)


def idx_arrays(directory: str, spec: str) -> tuple[dict, dict, tuple[str, ...], list[str]]:
  """What `idx` reads: images [N, H, W] and labels [N] by split, the names of the classes, and what is to be told.

  Args:
    directory: the folder.
    spec: what messages call the set.
  """
  folder = pathlib.Path(directory)
  require_folder(folder, spec)
  images, labels, notes, used = {}, {}, [], []
  for split, prefix in _PREFIXES.items():
    images_path, labels_path = _find_idx(folder, f'{prefix}-images', 3), _find_idx(folder, f'{prefix}-labels', 1)
    if images_path is None and split == 'train':
      raise FileNotFoundError(f'{spec}: there is no file train-images-idx3-ubyte or train-images-idx3-ubyte.gz')
    if images_path is None:
      continue
    if labels_path is None:
      raise FileNotFoundError(f'{spec}: {images_path.name} is there, but not its labels (…-labels-idx1-ubyte)')
    images[split], labels[split] = read_idx(images_path, dims=3), read_idx(labels_path, dims=1)
    counts = len(images[split]), len(labels[split])
    if counts[0] != counts[1]:
      raise ValueError(f'{images_path.name} has {counts[0]} images, but {labels_path.name} has {counts[1]} labels')
    used += [images_path, labels_path]
    within = [path.relative_to(folder).as_posix() for path in (images_path, labels_path) if path.parent != folder]
    notes += [f'read from {name}' for name in within]
  plain = {path.name.removesuffix('.gz') for path in used}  # of a raw file and its .gz the raw is read
  packed = [path.name for path in used if path.with_name(f'{path.name}.gz').is_file()]
  notes += [f'unpacked and packed files lie here, of which the unpacked are read: {quoted(packed)}'] if packed else []
  rest = [path for glob in _GLOBS for path in sorted(folder.glob(glob)) if _IDX.search(path.name) and path.is_file()]
  if rest := [path for path in rest if path.name.removesuffix('.gz') not in plain]:
    notes.append(f'files that are not read: {quoted(path.relative_to(folder).as_posix() for path in rest)}')
  values = np.unique(np.concatenate(list(labels.values())))  # EMNIST's letters are 1 to 26
  labels = {split: np.searchsorted(values, array) for split, array in labels.items()}
  return images, labels, tuple(map(str, values.tolist())), notes


def _find_idx(folder: pathlib.Path, name: str, dims: int) -> pathlib.Path | None:
  """The file of that name in the folder; without one, in a folder within it."""
  pattern = re.compile(rf'(?:.*[-_])?{name}[-.]idx{dims}-ubyte(?:\.gz)?')
  for glob in _GLOBS:
    paths = sorted(folder.glob(glob), reverse=True)
    paths = [path for path in paths if pattern.fullmatch(path.name) and path.exists() and not path.is_dir()]
    found = {path.with_name(path.name.removesuffix('.gz')): path for path in paths}  # of a raw file and its .gz the raw
    if len(found) > 1:
      there = ', '.join(sorted(path.relative_to(folder).as_posix() for path in found))
      raise ValueError(f'idx:{folder}: more than one set lies here ({there}); give each its own folder')
    if found:
      (path,) = found.values()
      require_file(path, f'idx:{folder}')
      return path
  return None


def read_idx(path: pathlib.Path, *, dims: int) -> np.ndarray:
  """Reads one idx file of unsigned bytes (http://yann.lecun.com/exdb/mnist, 'THE IDX FILE FORMAT').

  Gzip is recognised by its first two bytes. The array is uint8, of the shape in the header, with so many `dims`.

  Raises:
    ValueError: not idx, of other dimensions, cut short or too long, or its gzip checksum does not match.
  """
  with path.open('rb') as raw:
    packed = raw.read(2) == b'\x1f\x8b'
    raw.seek(0)
    stream = gzip.GzipFile(fileobj=raw) if packed else raw
    try:
      shape = _shape(stream.read(4 + 4 * dims), path, dims)
      size, there = math.prod(shape), path.stat().st_size - 4 - 4 * dims
      limit = path.stat().st_size * archives.INFLATED if packed else there
      if size > limit or (size != there and not packed):
        found = 'it cannot unpack to so many' if packed else f'{there:,} follow'
        raise ValueError(f'{path} is damaged: its header promises {size:,} bytes {shape}, but {found}')
      body = np.empty(size, np.uint8)
      done = archives.read_into(stream, body)
      longer = bool(stream.read(1))  # also makes gzip check its checksum
    except (EOFError, OSError, zlib.error) as error:
      raise ValueError(f'{path} is damaged: {error}') from error
  if done != size or longer:
    found = 'more' if longer else f'only {done:,}'
    raise ValueError(f'{path} is damaged: its header promises {size:,} bytes {shape}, but {found} follow')
  return body.reshape(shape)


def _shape(header: bytes, path: pathlib.Path, dims: int) -> tuple[int, ...]:
  if len(header) < 4 or header[:2] != b'\0\0':
    raise ValueError(f'{path} is not an idx file: it must start with two zero bytes')
  if header[2] != 8 or header[3] != dims:
    found = f'values of type 0x{header[2]:02x} in {header[3]} dimensions'
    raise ValueError(f'{path} holds {found}; unsigned bytes (0x08) in {dims} are needed')
  if len(header) < 4 + 4 * dims:
    raise ValueError(f'{path} is cut short: its header is incomplete')
  shape = struct.unpack_from(f'>{dims}I', header, 4)
  if not 0 < math.prod(shape) <= MAX_BYTES:
    raise ValueError(f'{path} says that its shape is {shape}: it is empty or larger than {MAX_BYTES >> 30} GiB')
  return shape
