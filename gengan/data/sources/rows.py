"""Rows of a table beside the images, as CSV or JSON lines: which of its columns say what."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from gengan.data.sources.layout import split_names
from gengan.data.sources.listing import quoted

_FILE = ('file_name', 'filename', 'file', 'image', 'image_id', 'path')  # of these columns the first that is there
_LABEL = ('label', 'labels', 'class', 'class_name', 'category')
# All but the first only where every value is that of a split.
_SPLIT = ('split', 'subset', 'set', 'partition', 'usage', 'dataset', 'phase', 'fold')
_PARTITION = {'0': 'train', '1': 'validation', '2': 'test'}  # of CelebA's list_eval_partition
_ALLOWED = 'its columns must be file_name and label'


class SplitError(ValueError):
  """A table that gives splits cannot be read: without it what is for testing would be trained on."""


class Row(NamedTuple):
  line: int  # of the table, from 1
  file: str
  label: str  # '': the table has none
  split: str  # '': the table has none
  name: str  # the class_name beside a label; '': there is none


def parsed(table: str, data: bytes) -> tuple[list[Row] | None, str]:
  """The rows, None where no column gives labels or splits, and a note on the columns, or ''.

  Args:
    table: its name.
    data: its content.

  Raises:
    SplitError: a mistake in a table that has a column for splits.
    ValueError: a mistake in another, or there is no column for names.
  """
  columns, records = (_csv if table.lower().endswith('.csv') else _json_lines)(data)
  plain = {column.strip().lower(): column for column in reversed(columns)}
  file, label = (next((plain[name] for name in names if name in plain), None) for names in (_FILE, _LABEL))
  listed = quoted(columns) or 'none'
  if file is None:
    raise ValueError(f'has the columns {listed}; {_ALLOWED}')
  split, meant, records = _splits(plain, records)
  if label is None and split is None:
    return None, f'has the columns {listed} and no label: it is not used'
  if max(map(columns.count, (file, label, split))) > 1:
    raise (SplitError if split else ValueError)(f'has the columns {listed}, two of one name; {_ALLOWED}')
  name = plain.get('class_name') if label != plain.get('class_name') else None
  named = lambda record: _plain(record, name) if name else ''
  try:
    found = [
      Row(
        line,
        _text(line, record, file),
        _text(line, record, label) if label else '',
        meant[_plain(record, split)] if split else '',
        named(record),
      )
      for line, record in records
    ]
  except ValueError as error:
    raise (SplitError if split else ValueError)(*error.args) from error
  unused = [column for column in columns if column.strip() and column not in (file, label, split, name)]
  gives = [f'the labels by {quoted([label])}'] if label else []
  if split:
    values = ', '.join(f'{quoted([value])} as {meant[value]}' for value in meant)
    gives.append(f'the splits by {quoted([split])} ({values})')
  note = f'gives {" and ".join(gives)}'
  return found, f'{note}; not used: {quoted(unused)}' if unused else note if split else ''


def _splits(
  plain: Mapping[str, str], records: Iterable[tuple[int, dict[str, Any]]]
) -> tuple[str | None, dict[str, str], Iterable[tuple[int, dict[str, Any]]]]:
  """The column that gives splits, None where there is none; what its values mean; and the records."""
  columns = [plain[name] for name in _SPLIT if name in plain]
  if not columns:
    return None, {}, records
  try:
    records = list(records)
  except ValueError as error:
    raise SplitError(*error.args) from error
  for column in columns:
    values = [_plain(record, column) for _, record in records]
    numbered = column == plain.get('partition') and '0' in values and {*values} <= {*_PARTITION}
    meant = {value: _PARTITION[value] for value in sorted({*values})} if numbered else split_names(sorted({*values}))
    strange = [(line, value) for (line, _), value in zip(records, values, strict=True) if value not in meant]
    if values and not strange:
      return column, meant, records
    if strange and column == plain.get(_SPLIT[0]):
      (line, value), *_ = strange
      allowed = 'it must be a word such as train, val or test, or the column must have another name'
      raise SplitError(f'is wrong in line {line}: {column} is {value!r}; {allowed}')
  return None, {}, records


def _plain(record: Mapping[str, Any], column: str) -> str:
  value = record.get(column)
  return '' if value is None else str(value).strip()


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
    except json.JSONDecodeError as error:
      raise ValueError(f'is damaged in line {number}: {error}') from error
    except (ValueError, RecursionError) as error:
      what = 'sections in sections' if isinstance(error, RecursionError) else 'digits of a number'
      raise ValueError(f'is damaged in line {number}: it has thousands of {what}') from error
    if not isinstance(record, dict):
      raise ValueError(f'is wrong in line {number}: it must be an object with file_name and label')
    records += [(number, record)] if record else []
  return list(dict.fromkeys(column for _, record in records for column in record)), iter(records)
