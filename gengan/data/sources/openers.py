"""Opens an image set by its spec, such as 'zip:path/to/images.zip': which kinds there are, and who reads each."""

import dataclasses
import logging
import os

import numpy as np

from gengan.data.decoding import pictures, ranges, squares
from gengan.data.sources import digits, files, idx, npz, stacked, tfds
from gengan.data.sources.records import Source
from gengan.host.errors import ArgumentError
from gengan.host.files import expanded

SOURCES = 'digits, idx:DIR, stacked:DIR, npz:FILE or DIR, folder:DIR, zip:FILE, tfds:NAME'

LOOKED_AT = 1024  # pictures of a set, to find out whether there are more than 8 bits in them

log = logging.getLogger(__name__)

_KINDS = {  # who opens it at a place, and what a place looks like
  'idx': (idx.idx, 'path/to/mnist'),
  stacked.KIND: (stacked.stacked, 'path/to/mnist'),
  'npz': (npz.npz, 'path/to/images.npz'),
  'folder': (files.folder, 'path/to/images'),
  'zip': (files.zip_file, 'path/to/images.zip'),
  'tfds': (tfds.open_tfds, 'mnist'),
}

_ARRAYS = ('idx', stacked.KIND, 'npz')  # whose values are known when they are opened


def open_source(source: str, *, data_dir: str = '', levels: str = 'auto') -> Source:
  """Opens one of `SOURCES`, and warns of what is passed over or assumed, a line each.

  Args:
    source: its spec.
    data_dir: where TFDS keeps its sets; '' is its default.
    levels: which values are black and white, as `config.data.range` says it. For 'auto' `LOOKED_AT` pictures of the set
      are looked at, and those of them that have more than 8 bits are decoded.

  Raises:
    ArgumentError: the spec is of no known kind, or lacks its place; or `range` must be something else.
    ValueError: the files there are empty, damaged, laid out in a way that is not understood or larger than memory.
    FileNotFoundError: there is nothing at that place.
  """
  kind, place = source_parts(source)
  try:
    opened = _opened(kind, place, data_dir, ranges.asked(levels))
  except MemoryError as error:
    raise ValueError(f'{source} needs more memory than there is: {error}') from error
  for note in opened.notes:
    log.warning('%s: %s', opened.spec, note)
  return opened


def _opened(kind: str, place: str, data_dir: str, wanted: ranges.Range | None) -> Source:
  if kind == 'digits':
    return digits.digits(wanted=wanted)
  if kind in _ARRAYS:
    return _KINDS[kind][0](place, wanted=wanted)
  options = {'data_dir': expanded(data_dir)} if kind == 'tfds' else {}
  return _with_levels(_KINDS[kind][0](place, **options), wanted)


def _with_levels(source: Source, wanted: ranges.Range | None) -> Source:
  """A source of files with the range of those that have more than 8 bits, found by looking at some of all."""
  splits = list(source.splits.values())
  ends = np.cumsum([len(records) for records in splits])
  chosen = np.unique(np.linspace(0, ends[-1] - 1, LOOKED_AT).astype(np.int64))
  found: list[ranges.Extent | None] = [None] * len(chosen)

  def look(row: int) -> None:
    part = np.searchsorted(ends, chosen[row], side='right')
    try:
      data = splits[part].read(int(chosen[row] - ends[part] + len(splits[part])))
      if pictures.is_deep(data):
        picture = pictures.read(data)
        found[row] = None if picture.values is None else picture.extent()
    except (ValueError, OSError):  # told where it is decoded
      pass

  squares.in_threads(look, len(chosen))
  extents = [extent for extent in found if extent]
  deep, told = ranges.chosen(ranges.joined(extents), wanted) if extents else (wanted, '')
  shallow = wanted if wanted and wanted.low >= 0 and wanted.high <= ranges.BYTES.high else ranges.BYTES
  if told and len(extents) < len(chosen):
    told = told.replace('images are', f'{len(extents)} of {len(chosen)} images looked at are')
  notes = (*source.notes, told) if told else source.notes
  return dataclasses.replace(source, levels=ranges.Levels(deep, shallow, clip=bool(wanted)), notes=notes)


def source_parts(source: str) -> tuple[str, str]:
  """Splits 'kind:place', with a ~ at the beginning of the place as the home folder; the place of `digits` is ''.

  Raises:
    ArgumentError: the kind is unknown, or its place is missing.
  """
  kind, _, place = expanded(str(source)).partition(':')
  if kind != 'digits' and kind not in _KINDS:
    is_there = '/' in source or os.path.exists(source)
    forgotten = is_there or source.isidentifier()
    as_kind = 'zip' if source.endswith('.zip') else 'npz' if source.endswith(('.npz', '.npy')) else 'folder'
    as_kind = as_kind if is_there else 'tfds'  # where sets are called as plainly as mnist
    why = f'which lacks its kind, as in {as_kind}:{source}' if forgotten else ''
    raise ArgumentError('source', source, f'one of {SOURCES}', why=why)
  if kind == 'digits' and place:
    raise ArgumentError('source', source, "'digits' alone", why='but digits takes no place')
  if kind != 'digits' and not place:
    raise ArgumentError('source', source, f'a kind and its place, as in {kind}:{_KINDS[kind][1]}')
  return kind, place
