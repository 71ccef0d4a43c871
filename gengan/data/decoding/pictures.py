"""Reads image files with Pillow: upright, whole, and with all bits of their values."""

import io
import re
import sys
import warnings
from typing import NamedTuple

import numpy as np
from PIL import ExifTags, Image

from gengan.data.decoding import containers, ranges

MAX_PIXELS = 1 << 26  # 8192 x 8192; larger pictures are refused before they are decoded
FORMATS = ('PNG', 'JPEG', 'BMP', 'GIF', 'TIFF', 'WEBP', 'PPM')

_TURNS = {  # by EXIF orientation
  2: Image.Transpose.FLIP_LEFT_RIGHT,
  3: Image.Transpose.ROTATE_180,
  4: Image.Transpose.FLIP_TOP_BOTTOM,
  5: Image.Transpose.TRANSPOSE,
  6: Image.Transpose.ROTATE_270,
  7: Image.Transpose.TRANSVERSE,
  8: Image.Transpose.ROTATE_90,
}
# Of colours with 16 bits Pillow keeps the high byte; told the other order of bytes it keeps the low one.
_COLOURS = re.compile(r'(RGB[AX]?|LA);16([BLN])')
_OTHER_ORDER = {'B': 'L', 'L': 'B', 'N': 'B' if sys.byteorder == 'little' else 'L'}

warnings.filterwarnings('ignore', module=r'PIL\.')  # of metadata or sizes, without the file's name: we refuse by name


class Picture(NamedTuple):
  """What a file holds, upright."""

  image: Image.Image  # as stored; of 16-bit colours the high bytes
  format: str  # 'PNG', 'JPEG', ...
  values: np.ndarray | None = None  # [H, W], or [H, W, C] with C 2 (grey and alpha), 3 or 4, if they have over 8 bits
  inverted: bool = False  # whether their lowest is white

  @property
  def colours(self) -> np.ndarray:
    """The values without alpha."""
    return self.values if self.values.ndim == 2 else self.values[..., : 1 if self.values.shape[2] == 2 else 3]

  @property
  def alpha(self) -> np.ndarray | None:
    """16 bits [H, W]."""
    return self.values[..., -1] if self.values.shape[2:] in ((2,), (4,)) else None

  def extent(self) -> ranges.Extent:
    """Of `colours`; a ValueError where they are not finite."""
    return ranges.of(self.colours)


def is_deep(data: bytes) -> bool:
  """Whether a file's values have more than 8 bits, by its header; True also of what cannot be read as it stands."""
  try:
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
      return _is_open(image) or bool(_sixteen(image))
  except Exception:
    return True


def read(data: bytes) -> Picture:
  """The picture in a file; of an animation the first. What stands beside the pixels, and is broken, does not matter.

  Raises:
    ValueError: not of `FORMATS`, larger than `MAX_PIXELS`, damaged or cut short.
  """
  if not data:
    raise ValueError('the file is empty')
  try:
    try:
      return _read(data)
    except Exception:  # perhaps for what stands beside the pixels
      plain = containers.without_metadata(data)
      if plain in (None, data):
        raise
      return _read(plain)
  except Image.UnidentifiedImageError as error:
    raise ValueError(f'not an image in one of the formats {", ".join(FORMATS)}') from error
  except Exception as error:  # Pillow's decoders raise what they please on damaged files
    raise ValueError(str(error) or type(error).__name__) from error


def _read(data: bytes) -> Picture:
  with Image.open(io.BytesIO(data), formats=FORMATS) as image:
    width, height = image.size
    if width * height > MAX_PIXELS:
      raise ValueError(f'{width} x {height} pixels; the limit is {MAX_PIXELS:,}')
    containers.check(data, width * height)
    _check_tiff(image)
    sixteen = _sixteen(image)
    white_is_zero = image.format == 'TIFF' and image.tag_v2.get(262) == 0
    image.load()
    turned = _upright(image)
  if sixteen:
    return Picture(turned, image.format, _with_low_bytes(data, sixteen, np.asarray(turned)))
  if _is_open(image):
    return Picture(turned, image.format, np.asarray(turned), white_is_zero)
  if image.mode == 'I':  # of a PGM, which says itself what is white
    turned = Image.fromarray(ranges.scaled(np.asarray(turned), ranges.WORDS))
  return Picture(turned, image.format)


def _check_tiff(image: Image.Image) -> None:
  """Refuses what Pillow reads as other pixels: signed bytes, and planes of more than 8 bits."""
  if image.format == 'TIFF':
    bits, planes, kinds = (image.tag_v2.get(tag, default) for tag, default in ((258, (1,)), (284, 1), (339, (1,))))
    if planes == 2 and len(bits) > 1 and max(bits) > 8:
      raise ValueError('its planes of more than 8 bits are not read; save it with the channels of a pixel side by side')
    if 2 in kinds and max(bits) == 8:
      raise ValueError('its bytes are signed, which is not read; save it as 8 bits from 0, or as 16')


def _is_open(image: Image.Image) -> bool:
  """Whether it is grey with more than 8 bits, and what is white does not stand in the file."""
  return image.mode[0] in 'IF' and (image.format, image.mode) != ('PPM', 'I')


def _sixteen(image: Image.Image) -> re.Match | None:
  """How the colours are stored, of 16 bits each, before they are loaded."""
  modes = {tile[3] if isinstance(tile[3], str) else tile[3][0] for tile in image.tile if tile[3]}
  return _COLOURS.fullmatch(str(modes.pop())) if len(modes) == 1 else None


def _with_low_bytes(data: bytes, sixteen: re.Match, high: np.ndarray) -> np.ndarray:
  """uint16 [H, W, C]."""
  bands, order = sixteen.groups()
  # Grey and alpha of two bytes each are read as four bytes.
  rawmode = 'RGBA' if bands == 'LA' else f'{bands};16{_OTHER_ORDER[order]}'
  with Image.open(io.BytesIO(data), formats=FORMATS) as image:
    args = [rawmode if isinstance(tile[3], str) else (rawmode, *tile[3][1:]) for tile in image.tile]
    image.tile = [tile._replace(args=each) for tile, each in zip(image.tile, args, strict=True)]
    image.load()
    low = np.asarray(_upright(image)).astype(np.uint16)
  return low[..., ::2] << 8 | low[..., 1::2] if bands == 'LA' else high.astype(np.uint16) << 8 | low


def _upright(image: Image.Image) -> Image.Image:
  try:
    turn = _TURNS.get(image.getexif().get(ExifTags.Base.Orientation))
  except Exception:  # an orientation that cannot be read is none
    turn = None
  return image if turn is None else image.transpose(turn)
