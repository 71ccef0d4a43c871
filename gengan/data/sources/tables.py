"""Labels and splits from tables beside the images: `file_name`, `label` and `split`, as CSV or as JSON lines."""

import posixpath
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from gengan.data.sources.layout import split_names
from gengan.data.sources.listing import TABLES, quoted
from gengan.data.sources.rows import Row, SplitError, parsed
from gengan.host.names import printable, same

_HOW = 'call the column split if they are, and give a class that is no split another name'


class Labels(NamedTuple):
  """What the tables say."""

  of_images: list[str]  # one label an image; empty where no table gives any
  used: list[str]  # the tables that they come from
  notes: list[str]
  called: Mapping[str, str]  # names of labels that are whole numbers, where a column class_name gives them
  splits: list[str]  # one of `SPLITS` an image; empty where no table gives any


def labels(
  images: Sequence[str],
  tables: Sequence[str],
  read: Callable[[str], bytes],
  *,
  needed: bool,
  spec: str,
  places: Sequence[str] = (),
) -> Labels:
  """The label and the split of every image, by the table in its own folder or in the nearest one above.

  Args:
    images: their names.
    tables: their names.
    read: gives the content of a table.
    needed: nothing else gives labels, so that a table that is not understood is an error and no note.
    spec: of the set, for messages.
    places: the split of every image by its folder; empty: no folder is a split.

  Raises:
    ValueError: a table that is damaged or lacks its columns, a row without a label or a split, two of them for one
      image, images in no row while others have one, or splits without one for training or other than the folders'.
  """
  notes = []
  used, rows = _read(tables, read, notes, needed=needed, spec=spec)
  of = {}
  for folder, names in _by_nearest(images, used).items():
    where = f'{spec}: {quoted([used[folder]])}'
    found = _matched(names, set(images), folder, rows[folder], where, notes)
    _check_places(found, dict(zip(images, places, strict=True)) if places else {}, where)
    of |= found
  if not of:
    return Labels([], [], notes, {}, [])
  where = f'{spec}: images without a {{}} in {quoted(used.values())}: '
  _check_none([name for name in images if name not in of], where.format('row'))
  found, splits = (_said(of, images, what, where.format(what)) for what in ('label', 'split'))
  if splits and 'train' not in splits:
    raise ValueError(f'{spec}: {quoted(used.values())} gives no image for training')
  of_images = [same(printable(label)) for label in found]
  if len(set((meant := split_names(sorted(set(of_images)))).values())) > 1:
    raise ValueError(f'{spec}: labels in {quoted(used.values())} look like splits: {quoted(meant)}; {_HOW}')
  called = _called(set(of_images), [row for each in rows.values() for row in each])
  return Labels(of_images, list(used.values()), notes, called, splits)


def _read(
  tables: Sequence[str], read: Callable[[str], bytes], notes: list[str], *, needed: bool, spec: str
) -> tuple[dict[str, str], dict[str, list[Row]]]:
  """The tables that are used and their rows, by folder."""
  used, rows = {}, {}
  for table in sorted(tables, key=lambda name: TABLES.index(posixpath.basename(name).lower())):
    folder = posixpath.dirname(table)
    if folder in used:
      notes.append(f'{quoted([table])} is not used beside {quoted([used[folder]])}')
      continue
    try:
      found, note = parsed(table, read(table))
    except (ValueError, OSError) as error:
      if needed or isinstance(error, SplitError):
        raise ValueError(f'{spec}: {quoted([table])} {error}') from error
      found, note = None, f'is not used: it {error}'
    notes += [f'{quoted([table])} {note}'] if note else []
    if found is not None:
      used[folder], rows[folder] = table, found
  return used, rows


def _said(of: Mapping[str, Row], images: Sequence[str], what: str, where: str) -> list[str]:
  """What the rows of all images say, or nothing where none says anything."""
  values = [getattr(of[name], what) for name in images]
  if any(values):
    _check_none([name for name, value in zip(images, values, strict=True) if not value], where)
  return values if any(values) else []


def _check_none(without: Sequence[str], where: str) -> None:
  if without:
    raise ValueError(f'{where}{len(without):,}, {quoted(without)}')


def _check_places(found: Mapping[str, Row], places: Mapping[str, str], where: str) -> None:
  """Refuses a split that is another than that of the image's folder."""
  for name, row in found.items():
    place = places.get(name, row.split)
    if row.split and row.split != place:
      raise ValueError(f'{where} gives {quoted([name])} the split {row.split} in line {row.line}, its folder {place}')


def _called(found: set[str], rows: Sequence[Row]) -> dict[str, str]:
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
  names: Sequence[str], all_names: set[str], folder: str, rows: Sequence[Row], where: str, notes: list[str]
) -> dict[str, Row]:
  """The rows of the images that they name: by their path from the table, or else all by their name alone."""
  paths = [same(posixpath.normpath(posixpath.join(folder, row.file.replace('\\', '/')))) for row in rows]
  known = {same(name): name for name in names}
  alone = not any(path in known for path in paths)
  if alone:
    bases = Counter(posixpath.basename(name) for name in known)
    known = {posixpath.basename(path): name for path, name in known.items() if bases[posixpath.basename(path)] == 1}
    paths = [posixpath.basename(path) for path in paths]
  found, missing, repeated = {}, [], []
  for path, row in zip(paths, rows, strict=True):
    name = known.get(path)
    if name is None:
      missing += [] if path in all_names else [row.file]
    elif name in found and (found[name].label, found[name].split) != (row.label, row.split):
      first = found[name]
      one, other = (first.label, row.label) if first.label != row.label else (first.split, row.split)
      both = f'{one!r} in line {first.line} and {other!r} in line {row.line}'
      raise ValueError(f'{where} labels {quoted([row.file])} {both}')
    else:
      repeated += [row.file] if name in found else []
      found.setdefault(name, row)
  if not found:
    raise ValueError(f'{where} names none of the images: they are called {quoted(names)}, its rows {quoted(missing)}')
  called = where.partition(': ')[2]
  if alone:
    example = next(row.file for row in found.values())
    notes.append(f'{called} has no path of an image, such as {quoted([example])}: images are found by their name alone')
  for what, files in (('names files that are not there', missing), ('names files more than once', repeated)):
    notes += [f'{called} {what}: {len(files):,}, {quoted(files)}'] if files else []
  return found


def in_order(values: set[str]) -> list[str]:
  """Classes sorted: whole numbers by size, all else by the alphabet."""
  numbers = all(re.fullmatch(r'0|-?[1-9][0-9]{0,17}', value) for value in values)
  return sorted(values, key=int if numbers else None)
