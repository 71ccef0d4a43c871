"""Space on the disk: what the images of a set will take there, by a few of them, and whether so much is free."""

import pathlib
import shutil
import tempfile

from gengan.generate import stream
from gengan.generate.formats import FORMATS
from gengan.generate.formats.shards import About, Shard


def require(kind: str, about: About, few: stream.Filled, num: int, root: pathlib.Path) -> None:
  """Raises a ValueError where the disk of a folder has no room for `num` more images of a set.

  Args:
    kind: a format, key of `FORMATS`.
    about: of the set.
    few: some of its images, by which the others are measured.
    num: images that are still to be written.
    root: the folder, in which these few are written and taken away again.
  """
  needed, free = num * size(kind, about, few, root) // len(few.slots), shutil.disk_usage(root).free
  if needed > free:
    raise ValueError(
      f'{num:,} images as {kind} take about {_shown(needed)}, and {_shown(free)} are free on the disk of --out; '
      'make room, or choose another place'
    )


def size(kind: str, about: About, few: stream.Filled, root: pathlib.Path) -> int:
  """Bytes on the disk of a shard with these images, by writing it below `root`."""
  with tempfile.TemporaryDirectory(dir=root) as folder:
    trial = pathlib.Path(folder)
    (trial / 'tmp').mkdir()
    FORMATS[kind].write_shard(trial, about, Shard(0, few.images, few.labels, few.slots, few.attempts))
    found = [path.stat() for path in trial.rglob('*') if path.is_file()]
    return sum(max(each.st_size, 512 * each.st_blocks) for each in found)


def _shown(count: int) -> str:
  return f'{count / 2**30:,.1f} GiB' if count >= 2**30 else f'{count / 2**20:,.1f} MiB'
