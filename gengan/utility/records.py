"""The records of a comparison: a line of JSON for each classifier that was measured, in one file."""

import json
import os
import pathlib
from typing import Any

from gengan.host import errors

FILE = 'results.jsonl'
MEASURED = ('regime', 'arm', 'seed', 'generator_step', 'accuracy')  # fields without which a record is none


def read(path: pathlib.Path) -> list[dict[str, Any]]:
  """All records; a last line that a kill cut short is left out.

  Raises:
    ValueError: a line is damaged.
  """
  if not path.exists():
    return []
  records = []
  for number, line in enumerate(path.read_text().split('\n')[:-1], 1):
    try:
      record = json.loads(line)
      records.append({**record, **{field: record[field] for field in MEASURED}})
    except (ValueError, KeyError, TypeError) as error:
      raise ValueError(
        f'{path} is damaged in line {number}: {error!r}; without that line it is measured anew'
      ) from error
  return records


def append(path: pathlib.Path, record: dict[str, Any]) -> None:
  """Adds a line and waits until the disk has it; a last line that a kill cut short is dropped first.

  Raises:
    OSError: the disk takes no more; names the file. What it took of the line is dropped again.
  """
  if path.exists() and not (text := path.read_bytes()).endswith(b'\n'):
    with open(path, 'r+b') as file:
      file.truncate(text.rfind(b'\n') + 1)
  with errors.about(path), open(path, 'ab', buffering=0) as file:
    whole, line = file.tell(), json.dumps(record).encode() + b'\n'
    try:
      while line:  # a disk that gets full takes a part
        line = line[file.write(line) :]
      os.fsync(file.fileno())
    except OSError:
      file.truncate(whole)
      raise
