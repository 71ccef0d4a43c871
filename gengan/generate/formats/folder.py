"""PNG files in a folder for each class, with metadata.jsonl as Hugging Face's `imagefolder` reads it."""

import json
import os
import pathlib
import re
from collections import Counter

from gengan.generate.formats import shards
from gengan.generate.formats.shards import About, Shard

# Words in a path that make `datasets` put a file into another split than 'train', unless a letter is beside them.
_SPLIT_WORD = re.compile(r'(?<![A-Za-z])(validation|valid|val|dev|testing|test|evaluation|eval)(?![A-Za-z])')


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
  return f"from datasets import load_dataset\nimages = load_dataset('imagefolder', data_dir='{out}', split='train')"


def class_folders(class_names: tuple[str, ...]) -> tuple[str, ...]:
  """Folder names whose alphabetical order is that of the labels, for so most readers number the classes.

  They are the names themselves where these are plain and in that order; otherwise the label stands before the name. A
  word that would be taken for the name of a split gets an s: 'test' becomes 'tests'.
  """
  plain = tuple(re.sub(r'[^\w.+-]+', '_', name, flags=re.ASCII).strip('._') for name in class_names)
  plain = tuple(_SPLIT_WORD.sub(r'\1s', name) for name in plain)
  if plain == tuple(class_names) and list(plain) == sorted(set(plain)):
    return plain
  digits = len(str(max(len(class_names) - 1, 0)))
  return tuple(f'{label:0{digits}d}_{name}'.rstrip('_') for label, name in enumerate(plain))
