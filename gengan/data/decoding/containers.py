"""PNG and JPEG files as chunks: their checksums, and the same pictures without what stands beside the pixels."""

import struct
import zlib
from collections.abc import Iterator

_PNG = b'\x89PNG\r\n\x1a\n'
_PIXELS = (b'IHDR', b'PLTE', b'tRNS', b'IDAT', b'IEND', b'eXIf')  # the last holds the orientation
_PIECE = 1 << 20  # bytes inflated at once


def check(data: bytes, pixels: int) -> None:
  """Compares every checksum of a PNG, which decoders do not: those of its chunks, and that of what is compressed.

  Args:
    data: a file; of another format than PNG nothing is checked.
    pixels: how many it has, by its header.

  Raises:
    ValueError: damaged or cut short.
  """
  if not data.startswith(_PNG):
    return
  inflate, left = zlib.decompressobj(), 12 * pixels + _PIECE  # of 8 bytes a pixel, with the filter of every row
  for kind, chunk in _chunks(data):
    part = chunk[8:-4] if kind == b'IDAT' else b''
    while part and left > 0:
      left -= len(inflate.decompress(part, _PIECE))
      part = inflate.unconsumed_tail
  while left > 0 and not inflate.eof:
    if not (rest := inflate.decompress(inflate.unconsumed_tail, _PIECE)):
      raise ValueError('it is cut short')
    left -= len(rest)


def without_metadata(data: bytes) -> bytes | None:
  """A PNG or JPEG of the same pixels and orientation, without texts, profiles and the like; None of another file."""
  if data.startswith(_PNG):
    return _PNG + b''.join(chunk for kind, chunk in _chunks(data) if kind in _PIXELS)
  if not data.startswith(b'\xff\xd8'):
    return None
  kept, position = [data[:2]], 2
  while data[position : position + 1] == b'\xff' and position + 4 <= len(data):
    marker, length = struct.unpack_from('>BH', data, position + 1)
    if marker == 0xDA:  # the pixels
      return b''.join(kept) + data[position:]
    end = position + 2 + length
    applications = marker == 0xFE or 0xE0 <= marker <= 0xEF  # comments, and what programs leave
    colours = marker in (0xE0, 0xEE)  # JFIF's and Adobe's say what the channels are
    if not applications or colours or data[position + 4 : position + 10] == b'Exif\0\0':
      kept.append(data[position:end])
    position = end
  return None


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
  """The kind of every chunk of a PNG, and the chunk: its length, kind, content and checksum."""
  position, kind = len(_PNG), b''
  while kind != b'IEND':
    if position + 12 > len(data):
      raise ValueError('it is cut short')
    length, kind = struct.unpack_from('>I4s', data, position)
    chunk = data[position : position + 12 + length]
    if len(chunk) < 12 + length:
      raise ValueError('it is cut short')
    if zlib.crc32(chunk[4:-4]) != int.from_bytes(chunk[-4:]):
      raise ValueError(f'the checksum of its part {kind.decode("latin-1")!r} is wrong: it is damaged')
    yield kind, chunk
    position += len(chunk)
