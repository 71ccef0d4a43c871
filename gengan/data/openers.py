"""Opens an image set by its spec, such as 'zip:path/to/images.zip': which kinds there are, and who reads each."""

import logging

from gengan.data import digits, files, idx, npz, tfds
from gengan.data.sources import Source
from gengan.host.errors import ArgumentError
from gengan.host.files import expanded

SOURCES = 'digits, idx:DIR, npz:FILE or DIR, folder:DIR, zip:FILE, tfds:NAME'

log = logging.getLogger(__name__)

_KINDS = {  # who opens it at a place, and what a place looks like
  'idx': (idx.idx, 'path/to/mnist'),
  'npz': (npz.npz, 'path/to/images.npz'),
  'folder': (files.folder, 'path/to/images'),
  'zip': (files.zip_file, 'path/to/images.zip'),
  'tfds': (tfds.open_tfds, 'mnist'),
}


def open_source(source: str, *, data_dir: str = '') -> Source:
  """Opens one of `SOURCES` without decoding an image, and warns of what is passed over or assumed, a line each.

  TFDS keeps its sets in `data_dir`, or where it does by default.

  Raises:
    ArgumentError: the spec is of no known kind, or lacks its place.
    ValueError: the files there are empty, damaged or laid out in a way that is not understood.
    FileNotFoundError: there is nothing at that place.
  """
  kind, place = source_parts(source)
  if kind == 'digits':
    return digits.digits()
  options = {'data_dir': expanded(data_dir)} if kind == 'tfds' else {}
  source = _KINDS[kind][0](place, **options)
  for note in source.notes:
    log.warning('%s: %s', source.spec, note)
  return source


def source_parts(source: str) -> tuple[str, str]:
  """Splits 'kind:place', with a ~ at the beginning of the place as the home folder; the place of `digits` is ''.

  Raises:
    ArgumentError: the kind is unknown, or its place is missing.
  """
  kind, _, place = expanded(str(source)).partition(':')
  if kind != 'digits' and kind not in _KINDS:
    raise ArgumentError('source', source, f'one of {SOURCES}')
  if kind == 'digits' and place:
    raise ArgumentError('source', source, "'digits' alone", why='but digits takes no place')
  if kind != 'digits' and not place:
    raise ArgumentError('source', source, f'a kind and its place, as in {kind}:{_KINDS[kind][1]}')
  return kind, place
