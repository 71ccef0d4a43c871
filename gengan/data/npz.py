"""Arrays in a NumPy .npz file, or in the shards of a set in one folder."""

import contextlib
import pathlib
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence

import numpy as np

from gengan.data.sources import Source, array_records, sha256_arrays

MAX_BYTES = 16 << 30  # a file that unpacks to more is refused

# The names by which images and labels are known: this project's, Keras's, MedMNIST's and dSprites'.
_KEYS = {
  'train': (('images', 'labels'), ('train_images', 'train_labels'), ('x_train', 'y_train'), ('imgs', 'labels')),
  'validation': (('validation_images', 'validation_labels'), ('val_images', 'val_labels'), ('x_val', 'y_val')),
  'test': (('test_images', 'test_labels'), ('x_test', 'y_test')),
}


def npz(file: str) -> Source:
  """`images` [N, H, W] or [N, H, W, C] with `labels` [N], or one such pair a split; of a folder, all shards of a set.

  Pairs may be called `train_images`/`train_labels` (likewise `validation_`, `val_`, `test_`) or `x_train`/`y_train`
  (`x_val`, `x_test`). Labels are whole numbers from 0, or strings; `class_names` may name the numbers. Pickled objects
  are never loaded. Grey levels: see `grey_levels`.

  Raises:
    FileNotFoundError: no such file or folder, or no .npz file in it.
    ValueError: damaged, no images in it, or images and labels that do not fit together.
  """
  spec = f'npz:{file}'
  arrays = _read(pathlib.Path(file), spec)
  images, labels = {}, {}
  for split, pairs in _KEYS.items():
    for images_key, labels_key in pairs:
      if images_key in arrays:
        images[split], labels[split] = arrays[images_key], arrays.get(labels_key)
        break
  if 'train' not in images:
    raise ValueError(f'{spec} holds {", ".join(arrays) or "nothing"}; it must have images, train_images or x_train')
  images = grey_levels(images, spec)
  labels, class_names = _labels(labels, arrays.get('class_names'), spec)
  for split in images:
    if labels[split] is not None and len(labels[split]) != len(images[split]):
      raise ValueError(f'{spec}: {split} has {len(images[split])} images, but {len(labels[split])} labels')
  return Source(
    spec=spec,
    splits={split: array_records(split, images[split], labels[split]) for split in images},
    class_names=class_names,
    sha256=sha256_arrays([array for split in images for array in (images[split], labels[split])]),
  )


def _read(path: pathlib.Path, spec: str) -> dict[str, np.ndarray]:
  """The arrays of a file, or of all shards in a folder one after the other."""
  files = _shards(path, spec) if path.is_dir() else [path]
  if not files[0].is_file():
    raise FileNotFoundError(f'{spec}: there is no such file')
  _check_size(files, spec)
  parts = [_read_file(file, spec) for file in files]
  for file, part in zip(files, parts, strict=True):
    kinds = [{key: array.shape[1:] for key, array in each.items() if key != 'class_names'} for each in (part, parts[0])]
    names = [each.get('class_names', np.array(())).tolist() for each in (part, parts[0])]
    if kinds[0] != kinds[1] or names[0] != names[1]:
      raise ValueError(f'{spec}: {file.name} and {files[0].name} differ in arrays, shapes or class_names: not one set')
  join = lambda key: parts[0][key] if key == 'class_names' else np.concatenate([part[key] for part in parts])
  return {key: join(key) for key in parts[0]} if len(parts) > 1 else parts[0]


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


def _check_size(files: Sequence[pathlib.Path], spec: str) -> None:
  size = 0
  for file in files:
    with _told(file, spec), zipfile.ZipFile(file) as archive:
      size += sum(info.file_size for info in archive.infolist())
  if size > MAX_BYTES:
    raise ValueError(f'{spec}: it unpacks to {size:,} bytes; the limit is {MAX_BYTES:,}')


def _read_file(file: pathlib.Path, spec: str) -> dict[str, np.ndarray]:
  wanted = {key for pairs in _KEYS.values() for pair in pairs for key in pair} | {'class_names'}
  with _told(file, spec), np.load(file, allow_pickle=False) as content:
    # Other keys may be pickled objects, which are not touched.
    return {key: content[key] for key in content.files if key in wanted}


@contextlib.contextmanager
def _told(file: pathlib.Path, spec: str) -> Iterator[None]:
  """Turns what reading a file raises into one line."""
  where = spec if spec.endswith(file.name) else f'{spec}: {file.name}'
  try:
    yield
  except (zipfile.BadZipFile, EOFError, OSError, zlib.error, NotImplementedError) as error:
    raise ValueError(f'{where} is damaged or not an .npz file: {error}') from error
  except ValueError as error:
    raise ValueError(f'{where}: {error}') from error


def grey_levels(images: dict[str, np.ndarray], spec: str) -> dict[str, np.ndarray]:
  """Brings the images of all splits to uint8 by one rule.

  - integers up to 255 are taken as they are; if none in the whole set is above 1, they are black (0) and white (1)
  - uint16 is scaled by its full range, 65535 -> 255
  - booleans are black and white
  - floats must lie in [0, 1] and are scaled by 255

  Raises:
    ValueError: another type, range or shape.
  """
  for split, array in images.items():
    if array.ndim not in (3, 4) or (array.ndim == 4 and array.shape[-1] not in (1, 3, 4)):
      hint = '; move the channels last' if array.ndim == 4 and array.shape[1] in (1, 3, 4) else ''
      allowed = '[N, H, W] or [N, H, W, C] with C 1, 3 or 4'
      raise ValueError(f'{spec}: {split} images have shape {array.shape}; {allowed}{hint}')
    if array.size == 0:
      raise ValueError(f'{spec}: {split} images have shape {array.shape}: there is none')
  kinds = {array.dtype for array in images.values()}
  if len(kinds) > 1:
    raise ValueError(f'{spec}: the splits have different types, {", ".join(sorted(str(kind) for kind in kinds))}')
  kind = kinds.pop()
  low, high = min(array.min() for array in images.values()), max(array.max() for array in images.values())
  if kind.kind == 'b' or (kind.kind in 'iu' and low >= 0 and high <= 1):
    return {split: array.astype(np.uint8) * np.uint8(255) for split, array in images.items()}
  if kind == np.uint16:
    return {split: np.round(array / 257).astype(np.uint8) for split, array in images.items()}
  if kind.kind in 'iu' and low >= 0 and high <= 255:
    return {split: array.astype(np.uint8) for split, array in images.items()}
  if kind.kind == 'f' and low >= 0 and high <= 1:
    return {split: np.round(array * 255).astype(np.uint8) for split, array in images.items()}
  allowed = 'uint8, uint16, bool, or float from 0 to 1'
  raise ValueError(f'{spec}: images are {kind} from {low} to {high}; they must be {allowed}')


def _labels(
  labels: dict[str, np.ndarray | None], names: np.ndarray | None, spec: str
) -> tuple[dict[str, np.ndarray | None], tuple[str, ...]]:
  """int32 labels [N] by split, and the names of the classes."""
  without = [split for split, array in labels.items() if array is None]
  if len(without) == len(labels):
    return labels, ()
  if without:
    raise ValueError(f'{spec}: {", ".join(without)} has no labels, but the other splits have')
  labels = {
    split: array.reshape(-1) if array.ndim == 2 and array.shape[1] == 1 else array for split, array in labels.items()
  }
  for split, array in labels.items():
    if array.ndim != 1 or array.dtype.kind not in 'iuUS':
      kind = f'{array.dtype} {array.shape}'
      raise ValueError(f'{spec}: {split} labels are {kind}; they must be whole numbers or strings, [N]')
  everything = np.concatenate(list(labels.values()))
  if everything.dtype.kind in 'US':
    classes = np.unique(everything)
    codes = {split: np.searchsorted(classes, array).astype(np.int32) for split, array in labels.items()}
    return codes, tuple((np.char.decode(classes) if classes.dtype.kind == 'S' else classes).tolist())
  low, high = int(everything.min()), int(everything.max())
  names = range(1 + high) if names is None else names
  count = min(len(names), 1 << 20)
  if low < 0 or high >= count:
    raise ValueError(f'{spec}: labels go from {low} to {high}; they must go from 0 to {count - 1}')
  return {split: array.astype(np.int32) for split, array in labels.items()}, tuple(map(str, names))
