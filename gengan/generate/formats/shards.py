"""Shards: what every format is given to write, what is known of an image, and how a file gets its place."""

import contextlib
import io
import json
import os
import pathlib
import socket
import struct
import zlib
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
from PIL import Image

from gengan.host import files

PNG_LEVEL = 6  # of zlib; fixed, for the bytes depend on it
_HOST = socket.gethostname()
_HEADER = 33  # bytes of a PNG file before its second chunk


class About(NamedTuple):
  """What all shards of a set have in common."""

  name: str  # of the set, as a Python identifier in small letters
  image_shape: tuple[int, int, int]  # (H, W, C), C = 1 or 3
  class_names: tuple[str, ...]  # one a label; empty where images have no label
  num_shards: int  # of the whole set
  provenance: Mapping[str, str]  # written into every image
  description: str  # one sentence
  licence: str  # as the user stated it


class Shard(NamedTuple):
  """Some images of a set, in ascending order of their index in it."""

  number: int
  images: np.ndarray  # [N, H, W, C] uint8
  labels: np.ndarray  # [N] int32
  indices: np.ndarray  # [N] int64
  attempts: np.ndarray  # [N] int32: candidates dropped before this one


def provenance(about: About, shard: Shard, row: int) -> dict[str, str]:
  """What is known of one image, as text."""
  known = {**about.provenance, 'index': str(shard.indices[row]), 'attempt': str(shard.attempts[row])}
  if about.class_names:
    known |= {'label': str(shard.labels[row]), 'class_name': about.class_names[shard.labels[row]]}
  return known


def record(about: About, shard: Shard, row: int) -> dict[str, str | int | bool]:
  """What is known of one image, for JSON."""
  known = provenance(about, shard, row)
  numbers = {key: int(known[key]) for key in ('index', 'attempt', 'label', 'seed', 'step') if key in known}
  return {**known, **numbers, 'synthetic': True}


def pngs(about: About, shard: Shard) -> Iterator[bytes]:
  """Every image of a shard as a PNG file that says where it comes from: the same bytes for the same input."""
  common = _chunks(
    {'synthetic' if key == 'synthetic' else f'gengan.{key}': text for key, text in about.provenance.items()}
  )
  for row, image in enumerate(shard.images):
    own = {key: text for key, text in provenance(about, shard, row).items() if key not in about.provenance}
    file = io.BytesIO()
    picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    picture.save(file, format='png', compress_level=PNG_LEVEL)
    plain = file.getvalue()
    yield plain[:_HEADER] + common + _chunks({f'gengan.{key}': text for key, text in own.items()}) + plain[_HEADER:]


def _chunks(text: Mapping[str, str]) -> bytes:
  """Text as PNG chunks (tEXt, or iTXt where it is not ASCII), many times faster than through Pillow."""
  parts = []
  for key, value in text.items():
    kind, content = b'tEXt', key.encode() + b'\0' + value.encode()
    if not value.isascii():  # uncompressed, no language, no translated keyword
      kind, content = b'iTXt', key.encode() + b'\0\0\0\0\0' + value.encode()
    parts.append(struct.pack('>I', len(content)) + kind + content + struct.pack('>I', zlib.crc32(kind + content)))
  return b''.join(parts)


def file_name(stem: str, number: int, num_shards: int, suffix: str) -> str:
  """`stem-00003-of-00010.suffix`; without numbers where there is one shard."""
  return f'{stem}{suffix}' if num_shards == 1 else f'{stem}-{number:05d}-of-{num_shards:05d}{suffix}'


@contextlib.contextmanager
def placing(root: pathlib.Path, name: str, *, area: str = 'data', durable: bool = True) -> Iterator[pathlib.Path]:
  """Where in `root`/tmp to write a file that becomes `root`/`area`/`name` once the block has ended.

  `durable` is that of `files.replacing`.
  """
  beside = root / 'tmp' / f'file-{_HOST}-{os.getpid()}'
  with files.replacing(root / area / name, beside=beside, durable=durable):
    yield beside


def place(root: pathlib.Path, name: str, content: bytes, *, area: str = 'data', durable: bool = True) -> str:
  """Writes a file whole, see `placing`. Returns the name."""
  with placing(root, name, area=area, durable=durable) as beside:
    beside.write_bytes(content)
  return name


def to_json(content) -> str:
  """JSON for people, the same text for the same content."""
  return json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + '\n'


def stand_alone(root: pathlib.Path, about: About, lengths: list[int]) -> list[str]:
  """`finish` of the formats whose shards need nothing beside them: no more files."""
  return []
