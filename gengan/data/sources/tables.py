"""Labels from tables beside the images: `file_name` and `label`, in labels.csv, metadata.csv or as JSON lines."""

import csv
import io
import json
import posixpath
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from gengan.data.sources.listing import TABLES, quoted
from gengan.host.names import printable, same

_FILE = ('file_name', 'filename', 'file', 'image', 'path')  # of these columns the first that is there
_LABEL = ('label', 'labels', 'class', 'class_name', 'category')
_ALLOWED = 'its columns must be file_name and label'


class Labels(NamedTuple):
  """What the tables say."""

  of_images: list[str]  # one an image; empty where no table gives any
  used: list[str]  # the tables that they come from
  notes: list[str]
  called: Mapping[str, str]  # names of labels that are whole numbers, where a column class_name gives them


class _Row(NamedTuple):
  line: int  # of the table, from 1
  file: str
  label: str
  name: str  # the class_name beside a label; '': there is none


def labels(
  images: Sequence[str], tables: Sequence[str], read: Callable[[str], bytes], *, needed: bool, spec: str
) -> Labels:
  """The label of every image, by the table in its own folder or in the nearest one above.

  Args:
    images: their names.
    tables: their names.
    read: gives the content of a table.
    needed: nothing else gives labels, so that a table that is not understood is an error and no note.
    spec: of the set, for messages.

  Raises:
    ValueError: a table that is damaged or lacks its columns, a row without a label, two labels of one image, or images
      in no row while others have one.
  """
  rows, notes = {}, []  # rows by folder
  used = {}
  for table in sorted(tables, key=lambda name: TABLES.index(posixpath.basename(name).lower())):
    folder = posixpath.dirname(table)
    if folder in used:
      notes.append(f'{quoted([table])} is not used beside {quoted([used[folder]])}')
      continue
    try:
      found, note = _rows(table, read(table))
    except (ValueError, OSError) as error:
      if needed:
        raise ValueError(f'{spec}: {quoted([table])} {error}') from error
      found, note = None, f'is not used: it {error}'
    notes += [f'{quoted([table])} {note}'] if note else []
    if found is not None:
      used[folder], rows[folder] = table, found
  of = {}
  for folder, names in _by_nearest(images, used).items():
    where = f'{spec}: {quoted([used[folder]])}'
    of |= _matched(names, set(images), folder, rows[folder], where, notes)
  without = [name for name in images if name not in of]
  if of and without:
    raise ValueError(f'{spec}: images without a row in {quoted(used.values())}: {len(without):,}, {quoted(without)}')
  if not of:
    return Labels([], [], notes, {})
  of_images = [same(printable(of[name])) for name in images]
  called = _called(set(of_images), [row for each in rows.values() for row in each])
  return Labels(of_images, list(used.values()), notes, called)


def _called(found: set[str], rows: Sequence[_Row]) -> dict[str, str]:
  """The name of every label that was found, where all are whole numbers with one name each; else none."""
  pairs = {(row.label, same(printable(row.name))) for row in rows if row.label in found}
  called = dict(pairs)
  clear = len(pairs) == len(called) == len(set(called.values())) and all(called.values())
  return called if clear and all(label.isdecimal() for label in found) else {}


def _by_nearest(images: Sequence[str], used: Mapping[str, str]) -> dict[str, list[str]]:
  """{folder with a table: the images that lie below it and below no nearer one}."""
  groups = defaultdict(list)
  for name in images:
    folder = posixpath.dirname(name)
    while folder and folder not in used:
      folder = posixpath.dirname(folder)
    if folder in used:
      groups[folder].append(name)
  return groups


def _matched(
  names: Sequence[str], all_names: set[str], folder: str, rows: Sequence[_Row], where: str, notes: list[str]
) -> dict[str, str]:
  """The labels of the images that rows name: by their path from the table, or else all by their name alone."""
  paths = [same(posixpath.normpath(posixpath.join(folder, row.file.replace('\\', '/')))) for row in rows]
  known = {same(name): name for name in names}
  if not any(path in known for path in paths):
    bases = Counter(posixpath.basename(name) for name in known)
    known = {posixpath.basename(path): name for path, name in known.items() if bases[posixpath.basename(path)] == 1}
    paths = [posixpath.basename(path) for path in paths]
  found, missing, repeated = {}, [], []
  for path, row in zip(paths, rows, strict=True):
    name = known.get(path)
    if name is None:
      missing += [] if path in all_names else [row.file]
    elif name in found and found[name].label != row.label:
      both = f'{found[name].label!r} in line {found[name].line} and {row.label!r} in line {row.line}'
      raise ValueError(f'{where} labels {quoted([row.file])} {both}')
    else:
      repeated += [row.file] if name in found else []
      found.setdefault(name, row)
  if not found:
    raise ValueError(f'{where} names none of the images: they are called {quoted(names)}, its rows {quoted(missing)}')
  for what, files in (('names files that are not there', missing), ('names files more than once', repeated)):
    notes += [f'{where.partition(": ")[2]} {what}: {len(files):,}, {quoted(files)}'] if files else []
  return {name: row.label for name, row in found.items()}


def _rows(table: str, data: bytes) -> tuple[list[_Row] | None, str]:
  """The rows, None where there is no column of labels, and a note on columns that are not used, or ''."""
  columns, records = (_csv if table.lower().endswith('.csv') else _json_lines)(data)
  plain = {column.strip().lower(): column for column in reversed(columns)}
  file, label = (next((plain[name] for name in names if name in plain), None) for names in (_FILE, _LABEL))
  listed = quoted(columns) or 'none'
  if file is None:
    raise ValueError(f'has the columns {listed}; {_ALLOWED}')
  if label is None:
    return None, f'has the columns {listed} and no label: it is not used'
  if columns.count(file) > 1 or columns.count(label) > 1:
    raise ValueError(f'has the columns {listed}, two of one name; {_ALLOWED}')
  name = plain.get('class_name') if label != plain.get('class_name') else None
  named = lambda record: str(record.get(name) or '').strip() if name else ''
  rows = [_Row(line, _text(line, record, file), _text(line, record, label), named(record)) for line, record in records]
  unused = [column for column in columns if column.strip() and column not in (file, label, name)]
  return rows, f'gives the labels by {quoted([label])}; not used: {quoted(unused)}' if unused else ''


def _text(line: int, record: Mapping[str, Any], column: str) -> str:
  value = record.get(column)
  if isinstance(value, bool) or not isinstance(value, str | int | None):
    raise ValueError(f'is wrong in line {line}: {column} is {value!r}; it must be a string or a whole number')
  text = '' if value is None else str(value).strip()
  if not text:
    raise ValueError(f'is wrong in line {line}: {column} is empty')
  return text


def _decoded(data: bytes) -> str:
  if data[:2] in (b'\xff\xfe', b'\xfe\xff'):
    raise ValueError('is UTF-16; save it as UTF-8')
  return data.decode('utf-8-sig', 'surrogateescape')  # so that a name which is not UTF-8 stays that of its file


def _csv(data: bytes) -> tuple[list[str], Iterator[tuple[int, dict[str, str]]]]:
  text = _decoded(data)
  delimiter = max(',;\t', key=text.partition('\n')[0].count)
  reader = csv.reader(io.StringIO(text, newline=''), delimiter=delimiter, skipinitialspace=True, strict=True)
  lines = _csv_lines(reader)
  columns = next(lines, (0, []))[1]

  def records():
    for line, row in lines:
      if len(row) != len(columns):
        raise ValueError(f'is wrong in line {line}: it has {len(row)} fields, but the first line {len(columns)}')
      yield line, dict(zip(columns, row, strict=True))

  return columns, records()


def _csv_lines(reader) -> Iterator[tuple[int, list[str]]]:
  try:
    for row in reader:
      if any(row):
        yield reader.line_num, row
  except csv.Error as error:
    raise ValueError(f'is damaged in line {reader.line_num}: {error}') from error


def _json_lines(data: bytes) -> tuple[list[str], Iterator[tuple[int, dict[str, Any]]]]:
  records = []
  for number, line in enumerate(_decoded(data).split('\n'), start=1):
    try:
      record = json.loads(line) if line.strip() else {}
    except (ValueError, RecursionError) as error:
      raise ValueError(f'is damaged in line {number}: {error}') from error
    if not isinstance(record, dict):
      raise ValueError(f'is wrong in line {number}: it must be an object with file_name and label')
    records += [(number, record)] if record else []
  return list(dict.fromkeys(column for _, record in records for column in record)), iter(records)


def in_order(values: set[str]) -> list[str]:
  """Classes sorted: whole numbers by size, all else by the alphabet."""
  numbers = all(re.fullmatch(r'0|-?[1-9][0-9]{0,17}', value) for value in values)
  return sorted(values, key=int if numbers else None)
