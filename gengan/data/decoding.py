"""Decodes one image of any kind to a uint8 square.

The rules, in this order. Of an animation the first frame counts. The EXIF orientation is applied. Palettes are
expanded. 16-bit grey is scaled by its full range (65535 -> 255); of 16-bit colour Pillow keeps the high byte. Alpha is
composited on white. CMYK and YCbCr become RGB. RGB becomes grey by ITU-R 601 luma, and grey becomes RGB by repetition.
The centre square is cut out. It is resized by Pillow's bicubic filter, which is antialiased when it shrinks.
"""

import concurrent.futures
import io
import os
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps

MAX_PIXELS = 1 << 26  # 8192 x 8192; larger pictures are refused before they are decoded
FORMATS = ('PNG', 'JPEG', 'BMP', 'GIF', 'TIFF', 'WEBP', 'PPM')

RESIZE = Image.Resampling.BICUBIC
WHITE = 255
_CHUNK = 64  # images a task of the thread pool


class Decoded(NamedTuple):
  """A picture at its own size, and what it was before it became RGB or grey."""

  image: Image.Image  # mode L or RGB
  mode: str  # as stored: 'L', 'P', 'RGBA', 'I;16', ...
  format: str  # 'PNG', 'JPEG', ...; 'array' for raw pixels


def decode(data: bytes | np.ndarray) -> Decoded:
  """Decodes one image to mode L (grey) or RGB, at its own size.

  Args:
    data: an image file, or uint8 pixels [H, W] or [H, W, C] with C 1, 3 or 4.

  Raises:
    ValueError: not an image of a known format, truncated, damaged, too large, or of a mode that has no plain meaning
      as grey levels (32-bit integers beyond 16 bits, floats, Lab).
  """
  if isinstance(data, np.ndarray):
    pixels = data[..., 0] if data.ndim == 3 and data.shape[2] == 1 else data
    image = Image.fromarray(pixels)
    return Decoded(_plain(image), image.mode, 'array')
  if not data:
    raise ValueError('the file is empty')
  try:
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
      width, height = image.size
      if width * height > MAX_PIXELS:
        raise ValueError(f'{width} x {height} pixels; the limit is {MAX_PIXELS:,}')
      image.load()
      return Decoded(_plain(ImageOps.exif_transpose(image)), image.mode, image.format)
  except Image.UnidentifiedImageError as error:
    raise ValueError(f'not an image in one of the formats {", ".join(FORMATS)}') from error
  except Exception as error:  # Pillow's decoders raise what they please on damaged files
    raise ValueError(str(error) or type(error).__name__) from error


def _plain(image: Image.Image) -> Image.Image:
  """Any mode to L or RGB."""
  mode = image.mode
  if mode in ('L', 'RGB') and 'transparency' not in image.info:
    return image
  if mode.startswith('I'):
    return _from_16_bit(image)
  if mode in ('F', 'LAB'):
    raise ValueError(f'mode {mode} has no fixed range of grey levels; save it as 8-bit or 16-bit PNG')
  if mode in ('LA', 'La') or (mode in ('1', 'L') and 'transparency' in image.info):
    return _on_white(image.convert('LA'))
  if mode == '1':
    return image.convert('L')
  if mode in ('RGBA', 'RGBa', 'PA') or 'transparency' in image.info:
    return _on_white(image.convert('RGBA'))
  return image.convert('RGB')  # P, CMYK, YCbCr, HSV, RGBX


def _from_16_bit(image: Image.Image) -> Image.Image:
  values = np.asarray(image).astype(np.int64)
  if values.min() < 0 or values.max() > 65535:
    raise ValueError(f'32-bit integers from {values.min()} to {values.max()}; 16-bit images must lie in 0..65535')
  grey = np.round(values / 257)  # 65535 / 255
  transparent = image.info.get('transparency')
  if isinstance(transparent, int):
    grey[values == transparent] = WHITE
  return Image.fromarray(grey.astype(np.uint8))


def _on_white(image: Image.Image) -> Image.Image:
  """Composites on white: colour * alpha + 255 * (1 - alpha), rounded."""
  mode = 'L' if image.mode == 'LA' else 'RGB'
  canvas = Image.new(mode, image.size, 'white')
  canvas.paste(image.convert(mode), mask=image.getchannel('A'))
  return canvas


def preprocess(data: bytes | np.ndarray, *, image_size: int, channels: int, crop: bool) -> np.ndarray:
  """One example as training reads it.

  Args:
    data: see `decode`.
    image_size: side of the result in pixels.
    channels: 1 (grey) or 3 (RGB).
    crop: cut out the centre square; otherwise a picture that is no square is stretched.

  Returns:
    uint8 [image_size, image_size, channels].

  Raises:
    ValueError: see `decode`.
  """
  image = decode(data).image.convert('L' if channels == 1 else 'RGB')
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
