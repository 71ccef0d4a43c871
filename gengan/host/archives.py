"""Arrays of an .npz file, each checked against the file before memory is taken; nothing in it can run code."""

import io
import math
import struct
import zipfile
import zlib
from collections.abc import Collection
from typing import BinaryIO

import numpy as np
from numpy.lib import format as npy

KINDS = 'biufUS'  # of values: booleans, whole numbers, floats and strings
# What zipfile raises where a file is not whole, or not what its directory says.
DAMAGE = zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, RuntimeError, OverflowError

INFLATED = 1032  # bytes that one byte of deflate becomes at most
_PIECE = 1 << 24  # bytes read at once


def sizes(archive: zipfile.ZipFile) -> dict[str, int]:
  """Bytes of every array, by key, once unpacked.

  Raises:
    ValueError: packed in a way that NumPy does not write, encrypted, a size that what is packed cannot become, or two
      arrays of one key.
  """
  infos = archive.infolist()
  for info in infos:
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or info.flag_bits & 1:
      raise ValueError(f'{info.filename} is encrypted, or compressed in another way than NumPy does')
    if info.file_size > info.compress_size * INFLATED:
      raise ValueError(f'{info.filename} cannot unpack to {info.file_size:,} bytes: it is damaged')
  if sum(info.compress_size for info in infos) > archive.fp.seek(0, io.SEEK_END):
    raise ValueError('its parts are larger than the file: it is damaged')
  found = {}
  for info in infos:
    key = info.filename.removesuffix('.npy')
    if key in found:
      raise ValueError(f'{key} is there twice')
    found[key] = info.file_size
  return found


def read(archive: zipfile.ZipFile, keys: Collection[str]) -> dict[str, np.ndarray]:
  """The arrays of these keys, of those that the archive has.

  Raises:
    ValueError: a pickled object, values of another kind than `KINDS`, or a header that does not fit what follows it.
    *DAMAGE: the file is not whole.
  """
  return {key: _array(archive, key) for key in sizes(archive) if key in keys}


def read_into(stream: BinaryIO, values: np.ndarray) -> int:
  """Fills uint8 values [N] from a stream, in pieces, so that no more memory is taken than comes; how many came."""
  view, done = memoryview(values), 0
  while count := stream.readinto(view[done : done + _PIECE]):
    done += count
  return done


def _array(archive: zipfile.ZipFile, key: str) -> np.ndarray:
  name = f'{key}.npy' if f'{key}.npy' in archive.namelist() else key
  with archive.open(name) as member:
    shape, fortran, dtype = _header(member, key)
    size = math.prod(shape) * dtype.itemsize
    there = archive.getinfo(name).file_size - member.tell()
    if size != there:
      raise ValueError(f'{key} is {dtype} {list(shape)} by its header, which is {size:,} bytes, but {there:,} follow')
    values = np.empty(size, np.uint8)
    if read_into(member, values) != size or member.read(1):  # at the end the checksum is compared
      raise ValueError(f'{key} is cut short')
  return values.view(dtype).reshape(shape, order='F' if fortran else 'C')


def _header(member, key: str) -> tuple[tuple[int, ...], bool, np.dtype]:
  try:
    version = npy.read_magic(member)
    readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    shape, fortran, dtype = readers[version](member)
  except DAMAGE:
    raise
  except Exception as error:  # its tokenizer, its literals and its types raise what they please
    raise ValueError(f'{key} has no header of a NumPy array: it is damaged') from error
  if dtype.hasobject:
    raise ValueError(
      f'{key} is a pickled object, and those are never loaded; save it as an array of numbers or strings'
    )
  if dtype.kind not in KINDS or not dtype.itemsize:
    raise ValueError(f'{key} holds values of type {dtype}; they must be numbers or strings')
  if any(type(length) is not int or length < 0 for length in shape):
    raise ValueError(f'{key} has the shape {list(shape)} by its header')
  return shape, fortran, dtype
