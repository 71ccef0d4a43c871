"""Pictures from arrays: grids, PNG files and animations.

Images are [N, H, W, C] with C = 1 (grey) or 3 (RGB), float in [-1, 1] or uint8. Pictures are [H, W, C] uint8.
"""

import io
import math
import os
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image, PngImagePlugin

from gengan.data import lettering
from gengan.host import files

ANIMATION_SUFFIXES = ('.gif', '.webp')
ANIMATION_SIDE = 1_100  # pixels of its frames at most; of 64 images, 128 each
WEBP_BYTES, WEBP_FRAME_BYTES = 1_000_000, 70_000  # of a file, or of each frame of a long one, about
LABEL_WIDTH = 180  # pixels of a text beside a row at most


def to_uint8(images: np.ndarray) -> np.ndarray:
  """The nearest of 256 grey levels: floor((x + 1) * 127.5 + 1/2), the exact inverse of level / 127.5 - 1.

  Args:
    images: [..., H, W, C] float, C = 1 or 3. Values outside [-1, 1] are clipped.

  Returns:
    uint8 array of the same shape.

  Raises:
    ValueError: not float, another shape, or NaN or infinity among the values.
  """
  images = np.asarray(images)
  if images.dtype.kind in 'biuOSUc':
    raise ValueError(f'images must be float in [-1, 1], not {images.dtype}')
  if images.ndim < 3 or images.shape[-1] not in (1, 3):
    raise ValueError(f'images must be [..., H, W, C] with C = 1 or 3, not {list(images.shape)}')
  images = images.astype(np.float32)  # also from bfloat16, which NumPy cannot do arithmetic on
  if not np.isfinite(images).all():
    raise ValueError(f'images hold {np.sum(~np.isfinite(images))} values that are NaN or infinite')
  return np.floor((np.clip(images, -1, 1) + 1) * 127.5 + 0.5).astype(np.uint8)


def as_uint8(images: np.ndarray, *, ndim: int = 4) -> np.ndarray:
  """uint8 images as they are, float images through `to_uint8`.

  Raises:
    ValueError: not [N, H, W, C], or [H, W, C] with `ndim=3`, or empty, or what `to_uint8` refuses.
  """
  images = np.asarray(images)
  if images.ndim != ndim or images.shape[-1] not in (1, 3) or 0 in images.shape:
    layout = '[N, H, W, C]' if ndim == 4 else '[H, W, C]'
    raise ValueError(f'expected {layout} with C = 1 or 3, not {list(images.shape)}')
  return images if images.dtype == np.uint8 else to_uint8(images)


def grid(
  images: np.ndarray,
  *,
  columns: int | None = None,
  padding: int = 2,
  background: int = 255,
  scale: int = 1,
  row_labels: Sequence[str] = (),
) -> np.ndarray:
  """Lays images out row by row in one picture.

  Args:
    images: [N, H, W, C], float in [-1, 1] or uint8.
    columns: images a row; by default the smallest square that holds all N.
    padding: pixels between images and around them.
    background: grey level (0 to 255) of the padding and of cells with no image.
    scale: every pixel becomes a square of this side, so that 8x8 images can be seen.
    row_labels: one text a row, printed on its left.

  Returns:
    [H', W', C] uint8.

  Raises:
    ValueError: a wrong shape, a count below 1, or a number of labels that is not the number of rows.
  """
  images = as_uint8(images)
  if scale < 1 or padding < 0 or (columns is not None and columns < 1):
    raise ValueError(f'a grid needs columns >= 1, scale >= 1 and padding >= 0, not {columns}, {scale}, {padding}')
  images = images.repeat(scale, axis=1).repeat(scale, axis=2)
  count, height, width, channels = images.shape
  columns = columns or math.ceil(math.sqrt(count))
  rows = math.ceil(count / columns)
  if row_labels and len(row_labels) != rows:
    raise ValueError(f'{len(row_labels)} row labels for {rows} rows')
  cells = np.full((rows * columns, height + padding, width + padding, channels), background, np.uint8)
  cells[:count, padding:, padding:] = images
  picture = cells.reshape(rows, columns, height + padding, width + padding, channels).transpose(0, 2, 1, 3, 4)
  picture = picture.reshape(rows * (height + padding), columns * (width + padding), channels)
  picture = np.pad(picture, ((0, padding), (0, padding), (0, 0)), constant_values=background)
  if not row_labels:
    return picture
  return np.concatenate([_label_column(row_labels, height + padding, len(picture), background, channels), picture], 1)


def _label_column(labels: Sequence[str], row_height: int, height: int, background: int, channels: int) -> np.ndarray:
  """Text right-aligned beside each row, cut where it is long: [height, W, channels] uint8, W as the longest needs."""
  size = min(max(10, row_height // 4), 18, max(6, round(row_height / lettering.HEIGHT)))
  lines = [lettering.line(label, size, most=LABEL_WIDTH, background=background)[:row_height] for label in labels]
  column = np.full((height, max(line.shape[1] for line in lines) + 8, 3), background, np.uint8)
  for row, line in enumerate(lines):
    top = row * row_height + (row_height - len(line)) // 2 + 1
    column[top : top + len(line), -4 - line.shape[1] : -4] = line
  return column if channels == 3 else np.asarray(Image.fromarray(column).convert('L'))[..., None]


def as_picture(images: np.ndarray) -> np.ndarray:
  """One picture [H, W, C] uint8 from one image [H, W, C], or from several [N, H, W, C] laid out as a grid."""
  return grid(images) if np.ndim(images) == 4 else as_uint8(images, ndim=3)


def _pillow(picture: np.ndarray) -> Image.Image:
  picture = as_uint8(picture, ndim=3)
  return Image.fromarray(picture[..., 0] if picture.shape[-1] == 1 else picture)


def save_png(path: str | os.PathLike, picture: np.ndarray, *, text: Mapping[str, str] | None = None) -> None:
  """Writes one picture [H, W, C] (uint8, or float in [-1, 1]) in one piece, with `text` as PNG metadata.

  Raises:
    ValueError: the suffix is not .png or the array is not a picture.
  """
  if pathlib.Path(path).suffix.lower() != '.png':
    raise ValueError(f'{path}: the suffix must be .png')
  metadata = PngImagePlugin.PngInfo()
  for key, value in (text or {}).items():
    metadata.add_text(key, value)
  image = _pillow(picture)
  with files.replacing(path) as beside:
    image.save(beside, format='png', pnginfo=metadata)


def save_animation(
  path: str | os.PathLike,
  frames: Sequence[np.ndarray | pathlib.Path],
  *,
  seconds: float = 0.1,
  hold: float = 0.0,
) -> str:
  """Writes frames as an endless GIF or WebP, by the suffix, in one piece; returns in words how it came out.

  A GIF has at most 256 colours a frame. A WebP is lossless where that makes a small file, as of enlarged small images,
  and otherwise of the best quality that does. Frames with a side above 1,100 pixels are shrunk by a whole factor.

  Args:
    path: ends with .gif or .webp.
    frames: pictures of one shape [H, W, C], uint8 or float in [-1, 1]; or paths of such, each read when it is its turn.
    seconds: how long a frame is shown; GIF counts in hundredths.
    hold: how much longer the last frame is shown.

  Raises:
    ValueError: another suffix, no frames, frames of several shapes, or a time that is not positive.
    OSError: a path cannot be read as a picture.
  """
  path = pathlib.Path(path)
  suffix = path.suffix.lower()
  if suffix not in ANIMATION_SUFFIXES:
    raise ValueError(f'{path}: the suffix must be one of {", ".join(ANIMATION_SUFFIXES)}')
  shapes = sorted({shape_of(frame) for frame in frames})
  if len(shapes) != 1:
    raise ValueError(f'an animation needs one or more frames of one shape, not {shapes or "none"}')
  if not seconds > 0 or not hold >= 0:
    raise ValueError(f'an animation needs seconds > 0 and hold >= 0, not {seconds} and {hold}')
  factor = math.ceil(max(shapes[0][:2]) / ANIMATION_SIDE)
  first, *others = frames
  first, others = _frame(first, factor), (_frame(frame, factor) for frame in others)
  durations = [round(1000 * seconds)] * len(frames)
  durations[-1] += round(1000 * hold)
  options = {'optimize': False} if suffix == '.gif' else _webp_options(first, len(frames))
  with files.replacing(path) as beside:
    first.save(beside, format=suffix[1:], save_all=True, append_images=others, duration=durations, loop=0, **options)
  size = f'{len(frames):,} frames of {first.width} x {first.height} pixels, {path.stat().st_size / 1e6:.1f} MB'
  return size + (f', shrunk by {factor}' if factor > 1 else '')


def shape_of(picture: np.ndarray | pathlib.Path) -> tuple[int, ...]:
  """(H, W, C) of a picture; of a file, without decoding it. Raises OSError where that is none."""
  if not isinstance(picture, pathlib.Path):
    return np.shape(picture)
  with Image.open(picture) as image:
    return image.height, image.width, len(image.getbands())


def _frame(picture: np.ndarray | pathlib.Path, factor: int) -> Image.Image:
  if not isinstance(picture, pathlib.Path):
    return _pillow(picture).reduce(factor)
  with Image.open(picture) as image:
    return image.convert('L' if len(image.getbands()) == 1 else 'RGB').reduce(factor)


def _webp_options(first: Image.Image, count: int) -> dict[str, int]:
  """The best that keeps the file small, as far as the first frame tells."""
  choices = ({'lossless': True, 'method': 1}, {'quality': 90}, {'quality': 75}, {'quality': 50})
  for options in choices:
    written = io.BytesIO()
    first.save(written, format='webp', **options)
    if written.tell() <= max(WEBP_BYTES / count, WEBP_FRAME_BYTES):
      break
  return options
