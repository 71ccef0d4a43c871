"""Pictures from arrays: grids, PNG files and animations.

Images are [N, H, W, C] with C = 1 (grey) or 3 (RGB), float in [-1, 1] or uint8. Pictures are [H, W, C] uint8.
"""

import math
import os
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image, PngImagePlugin

from gengan.data import lettering
from gengan.host import files

ANIMATION_SIDES = {'.gif': 65_535, '.webp': 16_383}  # pixels at most
ANIMATION_SUFFIXES = tuple(ANIMATION_SIDES)
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
  path: str | os.PathLike, frames: Sequence[np.ndarray], *, seconds: float = 0.1, hold: float = 0.0
) -> None:
  """Writes frames as an endless GIF or WebP (lossless), by the suffix, in one piece.

  Args:
    path: ends with .gif or .webp.
    frames: pictures of one shape [H, W, C], uint8 or float in [-1, 1]. A GIF has at most 256 colours a frame.
    seconds: how long a frame is shown; GIF counts in hundredths.
    hold: how much longer the last frame is shown.

  Raises:
    ValueError: another suffix, no frames, frames of several shapes or too large, or a time that is not positive.
  """
  suffix = pathlib.Path(path).suffix.lower()
  if suffix not in ANIMATION_SUFFIXES:
    raise ValueError(f'{path}: the suffix must be one of {", ".join(ANIMATION_SUFFIXES)}')
  shapes = sorted({np.shape(frame) for frame in frames})
  if len(shapes) != 1:
    raise ValueError(f'an animation needs one or more frames of one shape, not {shapes or "none"}')
  if max(shapes[0][:2]) > ANIMATION_SIDES[suffix]:
    allowed = f'sides of at most {ANIMATION_SIDES[suffix]:,} pixels'
    raise ValueError(f'{path}: {allowed}, not {max(shapes[0][:2]):,}; take fewer images')
  if not seconds > 0 or not hold >= 0:
    raise ValueError(f'an animation needs seconds > 0 and hold >= 0, not {seconds} and {hold}')
  durations = [round(1000 * seconds)] * len(frames)
  durations[-1] += round(1000 * hold)
  options = {'duration': durations, 'loop': 0, 'optimize': False, 'lossless': True}  # of a GIF, and of a WebP
  first, *others = map(_pillow, frames)
  with files.replacing(path) as beside:
    first.save(beside, format=suffix[1:], save_all=True, append_images=others, **options)
