"""The form in which every source hands over its images: named splits of raw records, not yet decoded."""

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from gengan.data.decoding import ranges
from gengan.host import names

SPLITS = ('train', 'validation', 'test')


@dataclasses.dataclass(frozen=True)
class Records:
  """The raw examples of one split.

  `read` gives an encoded image (bytes) or uint8 pixels, [H, W] or [H, W, C] with C 1, 3 or 4, for an index. It may be
  called from several threads at once.
  """

  names: Sequence[str]  # one stable, unique name an example: its path, or its split and number
  labels: np.ndarray  # int32 [N]; zeros where the source has no labels
  read: Callable[[int], bytes | np.ndarray]

  def __len__(self) -> int:
    return len(self.names)


@dataclasses.dataclass(frozen=True)
class Source:
  """An image set as it lies on disk.

  Raises:
    ValueError: two classes of one name.
  """

  spec: str  # what it was opened by, such as 'zip:path/to/images.zip'
  splits: Mapping[str, Records]  # 'train' and, where the source has them, 'validation' and 'test'
  class_names: tuple[str, ...]  # one name a label; empty where the source has no labels
  sha256: str  # of the data, the same on every machine; tells sources apart, whatever their path
  notes: tuple[str, ...] = ()  # what was passed over, assumed or replaced in reading it, a line each
  levels: ranges.Levels = ranges.AS_STORED  # which values are black and white; arrays are already scaled by them

  def __post_init__(self):
    name, count = Counter(map(names.same, self.class_names)).most_common(1)[0] if self.class_names else ('', 0)
    if count > 1:
      raise ValueError(f'{self.spec}: {count} classes are called {name!r}; give each a name of its own')


def array_source(
  spec: str,
  images: Mapping[str, np.ndarray],
  labels: Mapping[str, np.ndarray | None],
  class_names: Sequence[str],
  *,
  wanted: ranges.Range | None,
  notes: Sequence[str] = (),
) -> Source:
  """A source of arrays.

  Args:
    spec: what it was opened by.
    images: numbers [N, H, W] or [N, H, W, C] by split.
    labels: whole numbers from 0 [N] by split, or None.
    class_names: one a label.
    wanted: which values are black and white; None: by `ranges.chosen`.
    notes: what is told of it besides.

  Raises:
    ArgumentError: values of which it must be said what is black and white.
    ValueError: values that are not finite.
  """
  try:
    extent = ranges.joined([ranges.of(array) for array in images.values()])
  except ValueError as error:
    raise ValueError(f'{spec}: {error}') from error
  levels, told = ranges.chosen(extent, wanted)
  return Source(
    spec=spec,
    splits={split: array_records(split, ranges.scaled(images[split], levels), labels[split]) for split in images},
    class_names=tuple(class_names),
    sha256=sha256_arrays([array for split in images for array in (images[split], labels[split])]),
    notes=(*notes, *([told] if told else [])),
    levels=ranges.Levels(levels, clip=bool(wanted)),
  )


def array_records(split: str, images: np.ndarray, labels: np.ndarray | None) -> Records:
  """Records of an array: uint8 images [N, H, W] or [N, H, W, C], labels [N] or None."""
  labels = np.zeros(len(images), np.int32) if labels is None else labels.astype(np.int32)
  names = [f'{split}/{i:06d}' for i in range(len(images))]
  return Records(names=names, labels=labels, read=lambda i: images[i])


def sha256_arrays(arrays: Sequence[np.ndarray | None]) -> str:
  """One hash over the dtype, shape and content of every array."""
  digest = hashlib.sha256()
  for array in arrays:
    if array is None:
      digest.update(b'none')
      continue
    digest.update(f'{array.dtype.str}{array.shape}'.encode())
    digest.update(np.ascontiguousarray(array).data)
  return digest.hexdigest()
