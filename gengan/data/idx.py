"""Idx files, in which MNIST and its family are published."""

import gzip
import math
import pathlib
import re
import zlib

import numpy as np

from gengan.data.sources import Source, array_records, sha256_arrays

MAX_BYTES = 16 << 30  # a file that unpacks to more is refused


def idx(directory: str) -> Source:
  """MNIST, Fashion-MNIST, KMNIST, EMNIST: `*train-images*idx3-ubyte[.gz]`, its labels, and the same for t10k or test.

  The labels that occur are the names of the classes, which are numbered from 0 in their order.

  Raises:
    FileNotFoundError: a file is missing.
    ValueError: a file is damaged (gzip checksum, sizes against the header) or images and labels differ in number.
  """
  folder = pathlib.Path(directory)
  if not folder.is_dir():
    raise FileNotFoundError(f'idx:{directory}: there is no such folder')
  arrays = {}
  for split, prefix in (('train', 'train'), ('test', '(?:t10k|test)')):
    images_path, labels_path = _find_idx(folder, f'{prefix}-images', 3), _find_idx(folder, f'{prefix}-labels', 1)
    if images_path is None and split == 'train':
      raise FileNotFoundError(f'idx:{directory}: there is no train-images-idx3-ubyte or train-images-idx3-ubyte.gz')
    if images_path is None:
      continue
    if labels_path is None:
      raise FileNotFoundError(f'idx:{directory}: {images_path.name} is there, but not its labels (…-labels-idx1-ubyte)')
    images, labels = read_idx(images_path, dims=3), read_idx(labels_path, dims=1)
    if len(images) != len(labels):
      raise ValueError(f'{images_path.name} has {len(images)} images, but {labels_path.name} has {len(labels)} labels')
    arrays[split] = images, labels
  values = np.unique(np.concatenate([labels for _, labels in arrays.values()]))  # EMNIST's letters are 1 to 26
  return Source(
    spec=f'idx:{directory}',
    splits={name: array_records(name, images, np.searchsorted(values, y)) for name, (images, y) in arrays.items()},
    class_names=tuple(map(str, values.tolist())),
    sha256=sha256_arrays([array for pair in arrays.values() for array in pair]),
  )


def _find_idx(folder: pathlib.Path, name: str, dims: int) -> pathlib.Path | None:
  pattern = re.compile(rf'(?:.*[-_])?{name}[-.]idx{dims}-ubyte(?:\.gz)?')
  paths = [path for path in sorted(folder.iterdir(), reverse=True) if pattern.fullmatch(path.name)]
  found = {path.name.removesuffix('.gz'): path for path in paths}  # of a raw file and its .gz the raw one
  if len(found) > 1:
    there = ', '.join(sorted(found))
    raise ValueError(f'idx:{folder}: more than one set lies here ({there}); give each its own folder')
  return next(iter(found.values()), None)


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
      header = stream.read(4 + 4 * dims)
      if len(header) < 4 or header[:2] != b'\0\0':
        raise ValueError(f'{path} is not an idx file: it must start with two zero bytes')
      if header[2] != 8 or header[3] != dims:
        found = f'values of type 0x{header[2]:02x} in {header[3]} dimensions'
        raise ValueError(f'{path} holds {found}; unsigned bytes (0x08) in {dims} are needed')
      if len(header) < 4 + 4 * dims:
        raise ValueError(f'{path} is cut short: its header is incomplete')
      shape = tuple(int(n) for n in np.frombuffer(header, '>u4', count=dims, offset=4))
      size = math.prod(shape)
      if size == 0 or size > MAX_BYTES:
        raise ValueError(f'{path} says that its shape is {shape}: it is empty or larger than {MAX_BYTES >> 30} GiB')
      # One byte more than promised: finds files that are too long and makes gzip check its checksum.
      body = stream.read(size + 1)
    except (EOFError, OSError, zlib.error) as error:
      raise ValueError(f'{path} is damaged: {error}') from error
  if len(body) != size:
    found = f'only {len(body):,}' if len(body) < size else 'more'
    raise ValueError(f'{path} is damaged: its header promises {size:,} bytes {shape}, but {found} follow')
  return np.frombuffer(body, np.uint8).reshape(shape)
