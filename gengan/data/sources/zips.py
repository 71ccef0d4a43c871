"""Lists a zip, read in place: the names of its entries, and what is refused before anything is unpacked."""

import io
import itertools
import os
import pathlib
import posixpath
import re
import stat
import zipfile
from typing import BinaryIO

from gengan.data.sources.listing import MAX_FILE_BYTES, TABLES, Listing, hidden_note, is_hidden, is_image_name, quoted

_OUTSIDE = re.compile(r'/|[a-z]:|(.*/)?\.\.(/|$)', re.IGNORECASE | re.DOTALL)  # absolute, of a drive, or upwards
_METHODS = {zipfile.ZIP_STORED: 1, zipfile.ZIP_DEFLATED: 1032, zipfile.ZIP_BZIP2: None, zipfile.ZIP_LZMA: None}
MAX_DEPTH = 100  # folders in each other
_STEP = 64  # bytes; of bzip2 they unpack to 90 MB at most


def listing(path: pathlib.Path, spec: str) -> tuple[Listing, dict[str, zipfile.ZipInfo]]:
  """The files of a zip, and their entries.

  Names are UTF-8 where their bytes are, whether or not they are marked so, and code page 437 elsewhere. Backslashes
  are read as slashes.

  Raises:
    ValueError: damaged, encrypted, a name that leads outside, occurs twice or is marked as UTF-8 and is not, a link, or
      an image that is too large, is packed in a way that is not known, or says of its size what cannot be.
  """
  try:
    archive = zipfile.ZipFile(path)
  except UnicodeDecodeError as error:
    name = quoted([error.object.decode(errors='surrogateescape')])
    raise ValueError(f'{spec}: the name {name} is marked as UTF-8, which it is not; make the zip anew') from error
  except Exception as error:  # zipfile raises what it pleases on damaged files
    raise ValueError(f'{spec} is damaged or not a zip file: {error}') from error
  size = os.path.getsize(path)
  entries, folders, hidden, told = {}, set(), set(), {}
  for info in archive.infolist():
    name = _decoded(info, told)
    if _OUTSIDE.match(name):
      how = 'make it anew from plain relative names'
      raise ValueError(f'{spec}: the name {quoted([name])} leads outside of the zip; {how}')
    parts = [part for part in name.split('/') if part not in ('', '.')]
    if len(parts) > MAX_DEPTH:
      raise ValueError(f'{spec}: {quoted([posixpath.basename(name)])} lies in more than {MAX_DEPTH} folders')
    shown = [*itertools.takewhile(lambda part: not is_hidden(part), parts)]
    is_file = shown == parts and not name.endswith('/')
    folders.update('/'.join(shown[: depth + 1]) for depth in range(len(shown) - is_file))
    if shown != parts:
      hidden.add('/'.join(parts[: len(shown) + 1]))
    elif is_file and parts:
      name = '/'.join(parts)
      _check(info, name, spec, size, twice=name in entries)
      entries[name] = info

  def open_file(name: str) -> BinaryIO:
    if problem := _problem(entries[name], size):
      raise ValueError(problem)
    return _stream(archive, entries[name])

  sizes = {name: info.file_size for name, info in entries.items()}
  notes = hidden_note(map(posixpath.basename, hidden))
  notes += [f'{what}, such as {quoted([name])}' for what, name in told.items()]
  return Listing(sizes, folders, open_file, notes), entries


def _decoded(info: zipfile.ZipInfo, told: dict[str, str]) -> str:
  """The name of an entry, and in `told` what was assumed of it."""
  name = info.orig_filename
  if not info.flag_bits & 0x800 and not name.isascii():  # not marked as UTF-8: zipfile has read it as code page 437
    try:
      name = name.encode('cp437').decode('utf-8')
    except UnicodeError:
      name = info.filename
      told.setdefault('names that are not UTF-8 are read as code page 437', name)
  if '\\' in name:
    name = name.replace('\\', '/')
    told.setdefault('backslashes in names are read as folders', name)
  return name


def _check(info: zipfile.ZipInfo, name: str, spec: str, size: int, *, twice: bool) -> None:
  if stat.S_ISLNK(info.external_attr >> 16):
    raise ValueError(f'{spec}: {quoted([name])} is a link; put the file itself into the zip')
  base = posixpath.basename(name)
  if not is_image_name(base) and base.lower() not in TABLES:
    return
  if problem := 'occurs twice' if twice else _problem(info, size):
    raise ValueError(f'{spec}: {quoted([name])} {problem}')


def _problem(info: zipfile.ZipInfo, size: int) -> str:
  """Why an entry of a zip of `size` bytes is not unpacked, or ''."""
  if info.flag_bits & 0x1:
    return 'is encrypted; make the zip anew without a password'
  if info.compress_type not in _METHODS:
    kind = zipfile.compressor_names.get(info.compress_type, 'unknown')
    return f'is packed by method {info.compress_type} ({kind}), which is not read; make the zip anew with deflate'
  if info.file_size > MAX_FILE_BYTES:
    return f'unpacks to {info.file_size:,} bytes; the limit is {MAX_FILE_BYTES:,}'
  if not 0 <= info.header_offset < size:
    return f'is damaged: it cannot lie at byte {info.header_offset:,} of {size:,}'
  ratio = _METHODS[info.compress_type]
  if info.compress_size > size or (ratio and info.file_size > ratio * info.compress_size):
    found = f'{info.file_size:,} bytes, packed to {info.compress_size:,}'
    return f'is damaged: it cannot hold {found}, in a zip of {size:,}'
  return ''


def _stream(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> BinaryIO:
  stream = archive.open(info)
  if _METHODS[info.compress_type]:
    return stream
  # Of these methods zipfile unpacks all that it has read at once, whatever size the entry claims.
  stream.MIN_READ_SIZE = _STEP
  content = bytearray()
  while part := stream.read1(_STEP):
    content += part
  return io.BytesIO(content)
