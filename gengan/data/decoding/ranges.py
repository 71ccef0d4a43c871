"""Which of the stored values are black and white: 8 bits are taken as they are, all else is asked of the whole set."""

import ast
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from gengan.host.errors import ArgumentError

ALLOWED = "'auto', or the values of black and of white: '0,4095'"

_BITS = (8, 10, 12, 14, 16)  # of whole numbers that cameras, scanners and microscopes give
_ROUNDING = 1e-3  # of a range; floats that are so much beyond it, a quarter of a grey level, are in it
_CHUNK = 1 << 20  # values scaled at once


class Range(NamedTuple):
  """The values of black and of white."""

  low: float
  high: float

  def __str__(self) -> str:
    return ','.join(f'{value:.6g}' if value % 1 else f'{value:.0f}' for value in self)


BYTES = Range(0, 255)
WORDS = Range(0, 65535)


class Levels(NamedTuple):
  """What is black and white in the files of a set."""

  deep: Range | None = None  # in those of more than 8 bits; None: none was seen
  shallow: Range = BYTES  # in the others
  clip: bool = False  # whether values beyond are black or white, or else an error


AS_STORED = Levels()


class Extent(NamedTuple):
  """Of what kind the values of a set are, and their least and their greatest."""

  kind: str  # a NumPy dtype, or several of them
  low: float
  high: float

  def __str__(self) -> str:
    return f'{self.kind} from {self.low:.6g} to {self.high:.6g}'


def asked(text: Any) -> Range | None:
  """What `config.data.range` says: None for 'auto'.

  Raises:
    ArgumentError: neither 'auto' nor two finite numbers, the lower one first.
  """
  if text == 'auto':
    return None
  try:
    low, high = ast.literal_eval(text) if isinstance(text, str) else text
    if math.isfinite(low) and math.isfinite(high) and low < high:
      return Range(low, high)
  except (SyntaxError, TypeError, ValueError, OverflowError, MemoryError, RecursionError):
    pass
  raise ArgumentError('range', text, ALLOWED)


def joined(extents: Sequence[Extent]) -> Extent:
  """The extent of all values of several."""
  kinds = ' and '.join(sorted({extent.kind for extent in extents}))
  return Extent(kinds, min(extent.low for extent in extents), max(extent.high for extent in extents))


def of(array: np.ndarray) -> Extent:
  """The extent of an array's values.

  Raises:
    ValueError: NaN or infinity among them.
  """
  low, high = float(array.min()), float(array.max())
  if not math.isfinite(low) or not math.isfinite(high):
    raise ValueError('NaN or infinity among its values')
  return Extent(array.dtype.name, low, high)


def within(extent: Extent, levels: Range) -> bool:
  """Whether all values lie in a range, those of floats but for rounding."""
  slack = _ROUNDING * (levels.high - levels.low) if 'float' in extent.kind else 0
  return levels.low - slack <= extent.low and extent.high <= levels.high + slack


def chosen(extent: Extent, wanted: Range | None) -> tuple[Range, str]:
  """The range that was asked for, or (None) that which is assumed; and a line about it, '' where nothing is unusual.

  Assumed are, of values in any type
  - whole numbers: 0 to 1 if none is above 1, else 0 to 2^b - 1 for the least b of 8, 10, 12, 14, 16 that holds them
  - floats, but for rounding: 0 to 1; -1 to 1 if they come below -1/2; 0 to 2^b - 1 if they come above 127

  Raises:
    ArgumentError: other values, of which the config must say what is black and white.
  """
  kind, low, high = extent
  if wanted:
    beyond = low < wanted.low or high > wanted.high
    return wanted, f'images are {extent}: what lies beyond {wanted} is black or white' if beyond else ''
  floating = 'float' in kind
  assumed = [Range(0, 1)]
  if floating and low < -0.5 - _ROUNDING:  # else perhaps from -1/2 to 1/2, of which -1 to 1 would be grey
    assumed.append(Range(-1, 1))
  if not floating or high > 127:
    assumed += [Range(0, 2**bits - 1) for bits in _BITS]
  found = next((levels for levels in assumed if within(extent, levels)), None)
  if not found:
    allowed = f"the values of black and of white, such as '{_example(extent)}'"
    raise ArgumentError('range', 'auto', allowed, why=f'but images are {extent}')
  usual = kind == 'bool' or (kind == 'uint8' and high > 127) or (floating and found == (0, 1) and high > 0.5)
  told = f'images are {extent}: {found.low} is taken for black and {found.high} for white (config.data.range)'
  return found, '' if usual else told


def _example(extent: Extent) -> Range:
  """A range with all values in it: theirs, or with 0 where they are one, which cannot be black and white."""
  found = Range(extent.low, extent.high)
  black, white = str(found).split(',')
  return found if black != white else Range(min(found.low, 0), max(found.high, 0))


def scaled(values: np.ndarray, levels: Range) -> np.ndarray:
  """Values of any type as uint8, from black (0) to white (255); what lies beyond is clipped."""
  if values.dtype == np.uint8 and levels == BYTES:
    return values
  result = np.empty(values.shape, np.uint8)
  flat, out = values.reshape(-1), result.reshape(-1)
  for start in range(0, values.size, _CHUNK):
    part = (flat[start : start + _CHUNK].astype(np.float64) - levels.low) * (255 / (levels.high - levels.low))
    out[start : start + _CHUNK] = np.clip(np.round(part), 0, 255)
  return result
