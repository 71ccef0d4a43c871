"""Decodes one image of any kind to a uint8 square.

The rules, in this order. Of an animation the first frame counts. The EXIF orientation is applied. Palettes are
expanded. Values of more than 8 bits become 8 by the range of their set. Alpha is composited on white. CMYK and YCbCr
become RGB. RGB becomes grey by ITU-R 601 luma, and grey becomes RGB by repetition. The centre square is cut out. It is
resized by Pillow's bicubic filter, which is antialiased when it shrinks.
"""

import concurrent.futures
import os
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from PIL import Image

from gengan.data.decoding import pictures, ranges

RESIZE = Image.Resampling.BICUBIC
WHITE = 255
_CHUNK = 64  # images a task of the thread pool


class Decoded(NamedTuple):
  """A picture at its own size, and what it was before it became RGB or grey."""

  image: Image.Image  # mode L or RGB
  mode: str  # as stored: 'L', 'P', 'RGBA', 'I;16', ...
  format: str  # 'PNG', 'JPEG', ...; 'array' for raw pixels


def decode(data: bytes | np.ndarray, levels: ranges.Levels = ranges.AS_STORED) -> Decoded:
  """Decodes one image to mode L (grey) or RGB, at its own size.

  Args:
    data: an image file, or uint8 pixels [H, W] or [H, W, C] with C 1, 3 or 4.
    levels: which values in a file are black and white, as its source says.

  Raises:
    ValueError: not an image of a known format, truncated, damaged, too large, of a mode without grey levels (Lab), or
      with values that `levels` leaves open.
  """
  if isinstance(data, np.ndarray):
    pixels = data[..., 0] if data.ndim == 3 and data.shape[2] == 1 else data
    image = Image.fromarray(pixels)
    return Decoded(_plain(image), image.mode, 'array')
  picture = pictures.read(data)
  if picture.values is not None:
    return Decoded(_plain(_in_8_bits(picture, levels)), picture.image.mode, picture.format)
  image = _plain(picture.image)
  if levels.shallow != ranges.BYTES:
    image = Image.fromarray(ranges.scaled(np.asarray(image), levels.shallow))
  return Decoded(image, picture.image.mode, picture.format)


def _in_8_bits(picture: pictures.Picture, levels: ranges.Levels) -> Image.Image:
  """A picture with more than 8 bits in mode L, RGB or RGBA."""
  values, found = picture.colours, picture.extent()
  if levels.deep is None:
    raise ValueError(f'it is {found}, of which config.data.range must say what is black and white')
  if not levels.clip and not ranges.within(found, levels.deep):
    why = f'beyond {levels.deep}, which was taken for black and white after looking at some of the set'
    raise ValueError(f'it is {found}, {why}; set config.data.range')
  result = ranges.scaled(values, levels.deep)
  if picture.inverted:
    result = 255 - result
  transparent = picture.image.info.get('transparency')
  if isinstance(transparent, (int, tuple)):
    same = values == np.array(transparent)
    result[same.all(-1) if same.ndim == 3 else same] = WHITE
  if picture.alpha is None:
    return Image.fromarray(result)
  result = result if result.shape[2:] == (3,) else result.repeat(3, axis=2)
  return Image.fromarray(np.dstack([result, ranges.scaled(picture.alpha, ranges.WORDS)]))


def _plain(image: Image.Image) -> Image.Image:
  """Any mode of 8 bits to L or RGB."""
  mode = image.mode
  if mode in ('L', 'RGB') and 'transparency' not in image.info:
    return image
  if mode == 'LAB':
    raise ValueError('mode LAB has no grey levels; save it as RGB')
  if mode in ('LA', 'La') or (mode in ('1', 'L') and 'transparency' in image.info):
    return _on_white(image.convert('LA'))
  if mode == '1':
    return image.convert('L')
  if mode in ('RGBA', 'RGBa', 'PA') or 'transparency' in image.info:
    return _on_white(image.convert('RGBA'))
  return image.convert('RGB')  # P, CMYK, YCbCr, HSV, RGBX


def _on_white(image: Image.Image) -> Image.Image:
  """Composites on white: colour * alpha + 255 * (1 - alpha), rounded."""
  mode = 'L' if image.mode == 'LA' else 'RGB'
  canvas = Image.new(mode, image.size, 'white')
  canvas.paste(image.convert(mode), mask=image.getchannel('A'))
  return canvas


def preprocess(
  data: bytes | np.ndarray, levels: ranges.Levels = ranges.AS_STORED, *, image_size: int, channels: int, crop: bool
) -> np.ndarray:
  """One example as training reads it.

  Args:
    data, levels: see `decode`.
    image_size: side of the result in pixels.
    channels: 1 (grey) or 3 (RGB).
    crop: cut out the centre square; otherwise a picture that is no square is stretched.

  Returns:
    uint8 [image_size, image_size, channels].

  Raises:
    ValueError: see `decode`.
  """
  image = decode(data, levels).image.convert('L' if channels == 1 else 'RGB')
  if crop:
    width, height = image.size
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    image = image.crop((left, top, left + side, top + side))
  return np.asarray(image.resize((image_size, image_size), RESIZE)).reshape(image_size, image_size, channels)


def in_threads(work: Callable[[int], None], count: int) -> None:
  """Calls work(0) to work(count - 1) in any order, and raises what one of them raises."""

  def chunk(start: int) -> None:
    for i in range(start, min(start + _CHUNK, count)):
      work(i)

  if count <= _CHUNK:  # not worth a thread
    return chunk(0)
  with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
    list(pool.map(chunk, range(0, count, _CHUNK)))  # list: raises what a thread raised
