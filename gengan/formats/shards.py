"""What every format is given, and how a file is written in one piece."""

import io
import json
import os
import pathlib
import socket
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
from PIL import Image, PngImagePlugin

from gengan import checksums

PNG_LEVEL = 6  # of zlib; fixed, for the bytes depend on it


class About(NamedTuple):
  """What all shards of a set have in common.

  Attributes:
    name: of the set, as a Python identifier in small letters.
    image_shape: (H, W, C), C = 1 or 3.
    class_names: one a label; empty where images have no label.
    num_shards: of the whole set.
    provenance: written into every image: text by key.
    description: one sentence.
    licence: as the user stated it.
  """

  name: str
  image_shape: tuple[int, int, int]
  class_names: tuple[str, ...]
  num_shards: int
  provenance: Mapping[str, str]
  description: str
  licence: str


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


def png(image: np.ndarray, text: Mapping[str, str]) -> bytes:
  """A PNG file of [H, W, C] uint8 with text metadata: the same bytes for the same input."""
  metadata = PngImagePlugin.PngInfo()
  for key, value in text.items():
    if value.isascii():
      metadata.add_text(key, value)
    else:
      metadata.add_itxt(key, value)
  file = io.BytesIO()
  picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
  picture.save(file, format='png', compress_level=PNG_LEVEL, pnginfo=metadata)
  return file.getvalue()


def pngs(about: About, shard: Shard) -> Iterator[bytes]:
  """Every image of a shard as `png`, with its provenance."""
  for row, image in enumerate(shard.images):
    known = {
      'synthetic' if key == 'synthetic' else f'gengan.{key}': value
      for key, value in provenance(about, shard, row).items()
    }
    yield png(image, known)


def file_name(stem: str, number: int, num_shards: int, suffix: str) -> str:
  """`stem-00003-of-00010.suffix`; without numbers where there is one shard."""
  return f'{stem}{suffix}' if num_shards == 1 else f'{stem}-{number:05d}-of-{num_shards:05d}{suffix}'


def place(root: pathlib.Path, name: str, content: bytes, *, area: str = 'data') -> str:
  """Writes `root`/`area`/`name` beside, in `root`/tmp, makes it durable and renames it. Returns the name."""
  beside = root / 'tmp' / f'file-{socket.gethostname()}-{os.getpid()}'
  beside.write_bytes(content)
  return adopt(root, name, beside, area=area)


def adopt(root: pathlib.Path, name: str, beside: pathlib.Path, *, area: str = 'data') -> str:
  """Makes a finished file durable and gives it its place, `root`/`area`/`name`. Returns the name."""
  path = root / area / name
  path.parent.mkdir(parents=True, exist_ok=True)
  checksums.sync(beside)
  os.replace(beside, path)
  return name


def to_json(content) -> str:
  """JSON for people, the same text for the same content."""
  return json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + '\n'
