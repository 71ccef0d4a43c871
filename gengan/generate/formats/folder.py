"""PNG files in a folder for each class, with metadata.jsonl as Hugging Face's `imagefolder` reads it."""

import glob
import json
import os
import pathlib
import re
from collections import Counter

from gengan.data.sources import layout
from gengan.data.sources.listing import is_hidden
from gengan.generate.formats import shards
from gengan.generate.formats.shards import About, Shard
from gengan.host.names import printable, same

MAX_NAME = 140  # bytes of a name: most file systems take 255, an encrypted one 143

# Words in a path that are taken for the name of a split, unless a letter is beside them.
_SPLIT_WORD = re.compile(
  r'(?<![a-z])(training|trainval|train|validation|valid|val|dev|testing|test|evaluation|eval)(?![a-z])', re.IGNORECASE
)
_UNFIT = re.compile(r'[/\\:*?"<>|]+')
_DEVICE = re.compile(r'(con|prn|aux|nul|(com|lpt)\d)(\..*)?', re.IGNORECASE)  # of Windows


def write_shard(root: pathlib.Path, about: About, shard: Shard) -> list[str]:
  """Writes the PNG files of a shard and, for `finish`, their lines of metadata.jsonl."""
  folders, names, lines = class_folders(about.class_names), [], []
  for row, content in enumerate(shards.pngs(about, shard)):
    place = f'{folders[shard.labels[row]]}/' if folders else ''
    name = f'{place}{shard.indices[row]:08d}.png'
    names.append(shards.place(root, f'train/{name}', content, durable=False))
    known = {'file_name': name, **shards.record(about, shard, row)}
    lines.append(json.dumps(known, ensure_ascii=False) + '\n')
  shards.place(root, f'{shard.number:05d}.jsonl', ''.join(lines).encode(), area='lines')
  os.sync()  # once for thousands of small files: one by one takes many times as long
  return names


def finish(root: pathlib.Path, about: About, lengths: list[int]) -> list[str]:
  """Joins the lines of metadata.jsonl."""
  with shards.placing(root, 'train/metadata.jsonl') as beside, beside.open('wb') as file:
    for number in range(about.num_shards):
      file.write((root / 'lines' / f'{number:05d}.jsonl').read_bytes())
  return ['train/metadata.jsonl']


def read_back(data: pathlib.Path, about: About) -> Counter:
  """Images by label, counted anew: every line of metadata.jsonl whose file is there, in the folder of its class."""
  folders, found = class_folders(about.class_names), Counter()
  with (data / 'train' / 'metadata.jsonl').open(encoding='utf-8') as file:
    for line in file:
      known = json.loads(line)
      label = known.get('label', 0)
      path = data / 'train' / known['file_name']
      if not path.is_file() or (folders and path.parent.name != folders[label]):
        raise ValueError(f'{path} is missing or lies in the folder of another class')
      found[label] += 1
  return found


def load_command(about: About, out: str) -> str:
  """Python that loads it."""
  place = glob.escape(out).replace('~', '[~]')  # `datasets` takes it for a pattern, and ~ for a home folder
  return f"from datasets import load_dataset\nimages = load_dataset('imagefolder', data_dir={place!r}, split='train')"


def class_folders(class_names: tuple[str, ...]) -> tuple[str, ...]:
  """Folder names whose alphabetical order is that of the labels, for so most readers number the classes.

  They are the names themselves, in any script, where these are in that order and any file system takes them and tells
  them apart; otherwise the label stands before a name, of which `_safe` has made what a file system takes.
  """
  safe = tuple(map(_safe, class_names))
  together = layout.split_names(safe)  # such as 'mytrain' beside 'mytest'
  safe = tuple('' if name in together else name for name in safe)
  if safe == class_names and list(safe) == sorted(safe) and len({same(name.casefold()) for name in safe}) == len(safe):
    return safe
  digits = len(str(max(len(class_names) - 1, 0)))
  return tuple(f'{label:0{digits}d}_{name}'.rstrip('_') for label, name in enumerate(safe))


def _safe(name: str) -> str:
  """A name that any file system takes, that no system or reader hides, and that no reader takes for a split."""
  plain = _UNFIT.sub('_', printable(same(name))).strip('. ')
  plain = _SPLIT_WORD.sub(r'\1s', plain.encode()[:MAX_NAME].decode(errors='ignore').rstrip('. '))
  if layout.split_names([plain]):  # such as 'testset'
    return f'{plain}s'
  return f'{plain}_' if not plain or _DEVICE.fullmatch(plain) or is_hidden(plain) else plain
