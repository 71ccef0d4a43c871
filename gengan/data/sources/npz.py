"""Arrays in a NumPy .npz file, or in the shards of a set in one folder."""

import contextlib
import pathlib
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from gengan.data.decoding import ranges
from gengan.data.sources.layout import SPLIT_OF, split_names
from gengan.data.sources.records import Source, array_source
from gengan.host import archives, names
from gengan.host.regular import require_file

MAX_BYTES = 16 << 30  # arrays that unpack to more are refused

# By which images and labels are known, the likeliest first: this project's, dSprites', Keras's, NumPy's own.
_IMAGES = ('images', 'imgs', 'x', 'image', 'data', 'arr_0')
_LABELS = ('labels', 'label', 'y', 'targets', 'target', 'arr_1')
_WORDS = '|'.join(SPLIT_OF)


def npz(file: str, *, wanted: ranges.Range | None = None) -> Source:
  """`images` [N, H, W] or [N, H, W, C] with `labels` [N], or one such pair a split; of a folder, all shards of a set.

  Pairs may be called `train_images`/`train_labels` (likewise `validation_`, `val_`, `test_`), `x_train`/`y_train`
  (`x_val`, `x_test`), or otherwise as in `_IMAGES` and `_LABELS`; what is read under other names than these, and what
  is not read, is told. Labels are whole numbers or strings. Numbers are those of `class_names`; without it the labels
  that occur are the names of the classes, numbered from 0 in their order. Pickled objects are never loaded.

  Args:
    file: a file or a folder.
    wanted: which values are black and white; None: by `ranges.chosen`.

  Raises:
    ArgumentError: of the values in it must be said which are black and white.
    FileNotFoundError: no such file or folder, or no .npz file in it.
    ValueError: damaged, no images in it, or images and labels that do not fit together.
  """
  spec = f'npz:{file}'
  arrays, chosen, notes, generated = _read(pathlib.Path(file), spec)
  images = {split: arrays[key] for split, key in chosen['images'].items()}
  labels = {split: arrays[chosen['labels'][split]] if split in chosen['labels'] else None for split in images}
  _check_images(images, spec)
  with _told(spec):
    labels, class_names, told = _labels(labels, arrays.get('class_names'))
    if not generated:
      _check_names(class_names)
  for split in images:
    if labels[split] is not None and len(labels[split]) != len(images[split]):
      raise ValueError(f'{spec}: {split} has {len(images[split])} images, but {len(labels[split])} labels')
  return array_source(spec, images, labels, class_names, wanted=wanted, notes=(*notes, *told))


def _read(path: pathlib.Path, spec: str) -> tuple[dict[str, np.ndarray], dict[str, dict[str, str]], list[str], bool]:
  """The arrays of a file, or of all shards in a folder one after the other; which are what; what is told of it; and
  whether it was generated, so that another source has let its classes pass.
  """
  files = _shards(path, spec) if path.is_dir() else [path]
  for file in files:
    require_file(file, spec)
  held = [_sizes(file, spec) for file in files]
  chosen = _chosen(list(held[0]))
  if 'train' not in chosen['images']:
    there = _listed(list(map(names.printable, held[0]))) or 'nothing'
    raise ValueError(f'{spec} holds {there}; it must have images, train_images or x_train (and labels, ...)')
  wanted = {'class_names', *chosen['images'].values(), *chosen['labels'].values()}
  size = sum(count for sizes in held for key, count in sizes.items() if key in wanted)
  if size > MAX_BYTES:
    raise ValueError(f'{spec}: its arrays unpack to {size:,} bytes; the limit is {MAX_BYTES:,}')
  parts = [_read_file(file, spec, wanted) for file in files]
  for file, part in zip(files, parts, strict=True):
    kinds = [{key: array.shape[1:] for key, array in each.items() if key != 'class_names'} for each in (part, parts[0])]
    classes = [each.get('class_names', np.array(())).tolist() for each in (part, parts[0])]
    if kinds[0] != kinds[1] or classes[0] != classes[1]:
      raise ValueError(f'{spec}: {file.name} and {files[0].name} differ in arrays, shapes or class_names: not one set')
  join = lambda key: parts[0][key] if key == 'class_names' else np.concatenate([part[key] for part in parts])
  arrays = {key: join(key) for key in parts[0]} if len(parts) > 1 else parts[0]
  return arrays, chosen, _notes(list(held[0]), chosen), 'provenance' in held[0]


def _chosen(keys: Sequence[str]) -> dict[str, dict[str, str]]:
  """{'images' or 'labels': {split: key}}: of keys that mean the same the likeliest."""
  found = {'images': {}, 'labels': {}}
  for kind, stems in (('images', _IMAGES), ('labels', _LABELS)):
    for stem in stems:
      pattern = re.compile(rf'(?:({_WORDS})_)?{stem}(?:_({_WORDS}))?', re.IGNORECASE)
      for key in keys:
        if (match := pattern.fullmatch(key)) and not (match[1] and match[2]):
          found[kind].setdefault(SPLIT_OF[(match[1] or match[2] or 'train').lower()], key)
  return found


def _notes(keys: Sequence[str], chosen: Mapping[str, Mapping[str, str]]) -> list[str]:
  """What is told of the keys that were read and of those that were not."""
  usual = re.compile(rf'images|labels|imgs|({_WORDS})_(images|labels)|[xy]_({_WORDS})')
  read = {split: [chosen[kind][split] for kind in chosen if split in chosen[kind]] for split in chosen['images']}
  notes = [
    f'{split} images are read from {pair[0]}' + (f', their labels from {pair[1]}' if pair[1:] else '; without labels')
    for split, pair in read.items()
    if not all(map(usual.fullmatch, pair))
  ]
  taken = {'class_names'}.union(*read.values())
  rest = [key for key in keys if key not in taken]
  return [*notes, f'not read: {_listed(list(map(names.printable, rest)))}'] if rest else notes


def _shards(folder: pathlib.Path, spec: str) -> list[pathlib.Path]:
  """The one .npz file of a folder, or those of one set, `images-00000-of-00007.npz` to the last."""
  files = sorted(folder.glob('*.npz'))
  if not files:
    raise FileNotFoundError(f'{spec}: there is no .npz file in this folder')
  numbered = re.fullmatch(r'(.*)-\d{5}-of-(\d{5})\.npz', files[0].name)
  if len(files) == 1 and not numbered:
    return files
  stem, count = numbered.groups() if numbered else ('images', f'{len(files):05d}')
  expected = [f'{stem}-{number:05d}-of-{count}.npz' for number in range(int(count))]
  if wrong := sorted({file.name for file in files} ^ set(expected)):
    allowed = f'one .npz file or all of one set, such as {expected[0]} to {expected[-1]}'
    there = 'too much' if (folder / wrong[0]).exists() else 'missing'
    raise ValueError(f'{spec} must hold {allowed}; {wrong[0]} is {there}')
  return files


def _sizes(file: pathlib.Path, spec: str) -> dict[str, int]:
  with _told(spec, file), zipfile.ZipFile(file) as archive:
    return archives.sizes(archive)


def _read_file(file: pathlib.Path, spec: str, wanted: set[str]) -> dict[str, np.ndarray]:
  # Other keys may be pickled objects, which are not touched.
  with _told(spec, file), zipfile.ZipFile(file) as archive:
    return archives.read(archive, wanted)


@contextlib.contextmanager
def _told(spec: str, file: pathlib.Path | None = None) -> Iterator[None]:
  """Turns what reading a file raises into one line."""
  where = spec if file is None or spec.endswith(file.name) else f'{spec}: {file.name}'
  try:
    yield
  except archives.DAMAGE as error:
    why = names.printable(str(error))
    if where.endswith('.npy'):
      why = "an .npy file is one array; numpy.savez('set.npz', images=array) makes an .npz file"
    raise ValueError(f'{where} is damaged or not an .npz file: {why}') from error
  except MemoryError as error:
    raise ValueError(f'{where} needs more memory than there is: {error}') from error
  except ValueError as error:
    raise ValueError(f'{where}: {names.printable(str(error))}') from error


def _check_images(images: Mapping[str, np.ndarray], spec: str) -> None:
  for split, array in images.items():
    if array.ndim not in (3, 4) or (array.ndim == 4 and array.shape[-1] not in (1, 3, 4)):
      hint = '; move the channels last' if array.ndim == 4 and array.shape[1] in (1, 3, 4) else ''
      allowed = '[N, H, W] or [N, H, W, C] with C 1, 3 or 4'
      raise ValueError(f'{spec}: {split} images have shape {array.shape}; {allowed}{hint}')
    if array.size == 0:
      raise ValueError(f'{spec}: {split} images have shape {array.shape}: there is none')
    if array.dtype.kind not in 'biuf':
      raise ValueError(f'{spec}: {split} images are {array.dtype}; they must be numbers')
  kinds = {array.dtype for array in images.values()}
  if len(kinds) > 1:
    raise ValueError(f'{spec}: the splits have different types, {", ".join(sorted(str(kind) for kind in kinds))}')


def _labels(
  labels: Mapping[str, np.ndarray | None], class_names: np.ndarray | None
) -> tuple[dict[str, Any], tuple[str, ...], list[str]]:
  """Whole numbers from 0 [N] or None by split, the names of the classes, and what is told of them."""
  without = [split for split, array in labels.items() if array is None]
  if len(without) == len(labels):
    return dict(labels), (), []
  if without:
    raise ValueError(f'{", ".join(without)} has no labels, but the other splits have')
  labels = {
    split: array.reshape(-1) if array.ndim == 2 and array.shape[1] == 1 else array for split, array in labels.items()
  }
  for split, array in labels.items():
    if array.ndim != 1 or array.dtype.kind not in 'biuUS':
      kind = f'{array.dtype} {array.shape}'
      raise ValueError(f'{split} labels are {kind}; they must be whole numbers or strings, [N]')
  if len({array.dtype.kind in 'US' for array in labels.values()}) > 1:
    raise ValueError('the labels of some splits are numbers, of others strings')
  labels = {split: _signed(array) if array.dtype.kind == 'u' else _text(array) for split, array in labels.items()}
  values = np.unique(np.concatenate(list(labels.values())))
  known = None if class_names is None else _text(class_names.reshape(-1)).astype(str)
  if values.dtype.kind == 'U' and known is not None:
    if missing := sorted(set(values.tolist()) - set(known.tolist())):
      raise ValueError(f'the label {missing[0]!r} is not one of class_names')
    position = {name: number for number, name in reversed(list(enumerate(known.tolist())))}
    numbered = {split: np.array([position[name] for name in array.tolist()]) for split, array in labels.items()}
    told = []
  else:
    numbered, known, told = _numbered(labels, values, known)
  distinct = names.distinct(known.tolist())
  if '' in distinct:
    raise ValueError('there is a class with an empty name; leave out what has no label, or give it a name')
  if changed := [name for name, plain in zip(distinct, known.tolist(), strict=True) if name != plain]:
    told.append(f'classes get names of their own: {_listed(changed)}')
  return {split: array.astype(np.int32) for split, array in numbered.items()}, distinct, told


def _check_names(class_names: Sequence[str]) -> None:
  if len(set((meant := split_names(class_names)).values())) > 1:
    how = 'save splits as x_train, x_test, and give a class that is no split another name'
    raise ValueError(f'the classes {_listed(list(meant))} look like splits; {how}')


def _numbered(
  labels: Mapping[str, np.ndarray], values: np.ndarray, known: np.ndarray | None
) -> tuple[dict[str, np.ndarray], np.ndarray, list[str]]:
  """Labels as numbers from 0, the names of the classes, and what is told; `values` are those that occur, ascending."""
  if values.dtype.kind != 'U' and values[0] < 0:
    count = sum(int((array < 0).sum()) for array in labels.values())
    raise ValueError(f'{count} labels are below 0, such as {values[0]}; leave out what has no label, number from 0')
  if known is None:
    told = f'labels are {_listed(values)}: {len(values)} classes of these names, numbered from 0'
    plain = values.dtype.kind == 'U' or len(values) == int(values[-1]) + 1
    return (
      {split: np.searchsorted(values, array) for split, array in labels.items()},
      values.astype(str),
      [] if plain else [told],
    )
  first = int(values[0] == 1 and values[-1] == len(known))
  if values[-1] - first >= len(known):
    raise ValueError(f'labels go from {values[0]} to {values[-1]}; they must go from 0 to {len(known) - 1}')
  numbered = {split: array.astype(np.int64) - first for split, array in labels.items()}
  return numbered, known, ['labels go from 1: 1 is the first of class_names'] if first else []


def _signed(array: np.ndarray) -> np.ndarray:
  """Unsigned numbers as int64."""
  most = np.iinfo(np.int64).max
  if count := int((array > most).sum()):
    why = f'above {most}, such as {array.max()}, as -1 is where it is stored without a sign'
    raise ValueError(f'{count} labels are {why}; leave out what has no label, number from 0')
  return array.astype(np.int64)


def _text(array: np.ndarray) -> np.ndarray:
  """Bytes as text; other arrays as they are."""
  return np.char.decode(array, 'utf-8', 'backslashreplace') if array.dtype.kind == 'S' else array


def _listed(values: Sequence) -> str:
  shown = [str(value) for value in values[:5]]
  return ', '.join([*shown, f'... {values[-1]}'] if len(values) > 5 else shown)
