"""Which files of a folder or zip are images, which are tables of labels, and what is passed over."""

import posixpath
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import BinaryIO, NamedTuple

from PIL import Image

from gengan.data.decoding.pictures import FORMATS
from gengan.host.names import printable

SUFFIXES = (
  *('.png', '.apng', '.jpg', '.jpeg', '.jpe', '.jfif', '.jif', '.jfi', '.pjpeg', '.pjp', '.mpo', '.bmp', '.dib'),
  *('.gif', '.tif', '.tiff', '.webp', '.ppm', '.pgm', '.pbm', '.pnm'),
)
TABLES = ('labels.csv', 'labels.jsonl', 'metadata.csv', 'metadata.jsonl')  # the first of a folder counts
MAX_FILE_BYTES = 256 << 20  # one file, unpacked

# What systems and programs leave among the files of a user, and every name that begins with a dot.
_SYSTEM = {
  *('__macosx', '__pycache__', 'thumbs.db', 'ehthumbs.db', 'desktop.ini', 'icon\r', 'lost+found'),
  *('$recycle.bin', '$extend', '$windows.~bt', '$windows.~ws', '$winreagent', '$sysreset', 'windowsimagebackup'),
  *('recycler', 'found.000', 'system volume information', 'network trash folder', 'temporary items', '_gsdata_'),
  *('@eadir', '@synoeastream', '@synoresource', '@tmp', '@recycle', '@__thumb', '@recently-snapshot', '@sharebin'),
  *('#recycle', '#snapshot', '#recently-snapshot', '~snapshot'),
}
_SHOWN = 5  # names in a note


class Listing(NamedTuple):
  """The files of a folder or zip: names with / between folders, as the system gives them."""

  files: Mapping[str, int]  # and their sizes in bytes
  folders: Iterable[str]  # all, with and without files
  open: Callable[[str], BinaryIO]  # of a name; raises ValueError or OSError
  notes: list[str]  # on what was passed over


def is_hidden(name: str) -> bool:
  """Whether a file or folder is hidden or the system's own."""
  return name.startswith('.') or name.lower() in _SYSTEM


def is_image_name(name: str) -> bool:
  """Whether a file is an image by its suffix."""
  return name.lower().endswith(SUFFIXES)


def read(listing: Listing, name: str) -> bytes:
  """The content of one file.

  Raises:
    ValueError: larger than `MAX_FILE_BYTES` or than when it was listed, or damaged.
    OSError: it is gone, or may not be read.
  """
  size = listing.files[name]
  if size > MAX_FILE_BYTES:
    raise ValueError(f'larger than {MAX_FILE_BYTES >> 20} MiB')
  try:
    with listing.open(name) as stream:
      content = stream.read(size + 1)
  except (ValueError, OSError):
    raise
  except Exception as error:  # what unpackers raise on damage
    raise ValueError(str(error) or type(error).__name__) from error
  if len(content) > size:
    raise ValueError(f'larger than the {size:,} bytes that it had when the set was opened')
  return content


def chosen(listing: Listing, spec: str) -> tuple[list[str], list[str], list[str]]:
  """The images, sorted; the tables of labels; and notes on all other files, a line each.

  A file without a suffix is an image if its content begins like one.

  Raises:
    ValueError: there is no image.
  """
  images, tables, others = [], [], []
  for name in sorted(listing.files):
    base = posixpath.basename(name)
    if is_image_name(base) or ('.' not in base and _begins_like_an_image(listing, name)):
      images.append(name)
    else:
      (tables if base.lower() in TABLES else others).append(name)
  notes = [*listing.notes, *_passed_over(others)]
  if not images:
    notes += without_images(without(listing.folders, images))
    found = f'; {"; ".join(notes)}' if notes else ''
    raise ValueError(f'{spec} holds no image; names must end in {" ".join(SUFFIXES)}{found}')
  return images, tables, notes


def _begins_like_an_image(listing: Listing, name: str) -> bool:
  try:
    stream = listing.open(name)
  except Exception:  # encrypted, damaged, or gone
    return False
  try:
    with stream, Image.open(stream, formats=FORMATS):
      return True
  except OSError:
    return False
  except Exception:  # its first bytes are those of an image, whatever is wrong with the rest
    return True


def _passed_over(files: list[str]) -> list[str]:
  if not files:
    return []
  kind = lambda name: printable(posixpath.splitext(name)[1].lower()) or 'without a suffix'
  kinds = Counter(map(kind, files))
  example = next(name for name in files if kind(name) == kinds.most_common(1)[0][0])
  return [f'files that are no images are passed over: {counted(kinds)}, such as {quoted([example])}']


def without(folders: Iterable[str], images: Iterable[str]) -> list[str]:
  """Of the folders that hold no image those that lie in one that does, sorted."""
  holding = {''}
  for folder in {posixpath.dirname(name) for name in images}:
    while folder not in holding:
      holding.add(folder)
      folder = posixpath.dirname(folder)
  return sorted(folder for folder in folders if folder not in holding and posixpath.dirname(folder) in holding)


def without_images(empty: Sequence[str], lost: Iterable[str] = ()) -> list[str]:
  """A note on folders without an image, and on splits that the set lacks because of them."""
  lost = list(lost)
  fractions = ' and '.join(f'config.data.{split}_fraction' for split in lost)
  so = f'; images for {" and ".join(lost)} are taken from those for training, by {fractions}' if lost else ''
  return [f'folders without an image: {quoted(empty)}{so}'] if empty else []


def hidden_note(hidden: Iterable[str]) -> list[str]:
  """A note on hidden files and folders, by their names without what they lie in."""
  found = Counter(map(printable, hidden))
  return [f'hidden files and folders are passed over: {counted(found)}'] if found else []


def counted(found: Mapping[str, int]) -> str:
  """{'.txt': 3, '.avif': 1} -> '3 .txt, 1 .avif'; the most frequent first."""
  ranked = Counter(found).most_common()
  more = f' and {len(ranked) - _SHOWN:,} more kinds' if len(ranked) > _SHOWN else ''
  return ', '.join(f'{count:,} {name}' for name, count in ranked[:_SHOWN]) + more


def quoted(names: Iterable[str]) -> str:
  """The first names, printable, and how many more there are."""
  names = list(names)
  more = f' and {len(names) - _SHOWN:,} more' if len(names) > _SHOWN else ''
  return ', '.join(f"'{printable(name)}'" for name in names[:_SHOWN]) + more
