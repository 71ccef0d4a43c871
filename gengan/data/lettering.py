"""Letters in pictures: class names in any script, by the fonts that this machine has."""

import functools
import logging
import pathlib
import unicodedata
from collections.abc import Iterable, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont, features

log = logging.getLogger(__name__)

HEIGHT = 1.45  # of a line, in sizes of its letters
_DRESSED = ('bold', 'italic', 'oblique', 'serif', 'mono', 'condensed', 'light', 'thin', 'black')  # taken last
_STRIKES = (109, 136, 160, 128)  # pixels of fonts that are bitmaps: Noto's, Apple's and others' colour emoji


def legible(class_names: Iterable[str]) -> tuple[str, ...]:
  """What can be written for each class: its name, or 'class 3' where no font of this machine has its letters.

  The names that are replaced are told once, in one line of the log.
  """
  return _legible(tuple(class_names))


@functools.cache
def _legible(names: tuple[str, ...]) -> tuple[str, ...]:
  shown = tuple(name if name.strip() and _runs(name) else f'class {label}' for label, name in enumerate(names))
  if lost := [repr(name) for name, text in zip(names, shown, strict=True) if name != text]:
    which = ', '.join(lost[:3]) + (', ...' if len(lost) > 3 else '')
    log.warning(
      'no font on this machine can write %d of %d class names (%s): pictures show their numbers. '
      'A font that has them helps, such as those of the package fonts-noto',
      *(len(lost), len(names), which),
    )
  return shown


def line(text: str, size: int, *, most: int | None = None, background: int = 255) -> np.ndarray:
  """One line of text, black or white, whatever stands out: [H, W, 3] uint8, H and W as the text needs them.

  Args:
    text: as `legible` gives it; what no font can write is left out.
    size: of the letters, in pixels.
    most: pixels of the width; a longer text is cut and ends with an ellipsis. None: as long as it is.
    background: grey level behind the text.
  """
  drawn = _draw(text, size, background)
  while most is not None and drawn.shape[1] > most and len(text) > 1:
    text = text.removesuffix('…')[:-1].rstrip() + '…'
    drawn = _draw(text, size, background)
  return drawn if most is None else drawn[:, :most]


def _draw(text: str, size: int, background: int) -> np.ndarray:
  height, parts = round(HEIGHT * size), []
  for path, part in _runs(text) or ():
    font, scale = _font(path, size)
    width = max(1, round(font.getlength(part)))
    canvas = Image.new('RGB', (width, round(height / scale)), (background,) * 3)
    baseline, ink = (0, round(canvas.height * 0.74)), (0 if background > 127 else 255,) * 3
    ImageDraw.Draw(canvas).text(baseline, part, fill=ink, font=font, anchor='ls', embedded_color=scale != 1)
    parts.append(np.asarray(canvas if scale == 1 else canvas.resize((max(1, round(width * scale)), height))))
  return np.concatenate(parts, axis=1) if parts else np.full((height, 1, 3), background, np.uint8)


@functools.cache
def _runs(text: str) -> tuple[tuple[str, str], ...]:
  """The text in parts, each with the path of a font that has all its letters; empty where there is none for some."""
  written = ''.join(' ' if unicodedata.category(letter) in ('Cc', 'Zl', 'Zp') else letter for letter in text)
  if not features.check('raqm') and any(_needs_shaping(letter) for letter in written):
    return ()
  needed = {letter for letter in written if not _unseen(letter)}
  for path in _fonts():  # one font for all looks best, and its letters are joined
    if needed <= _letters(path):
      return ((path, _kept(written, path)),)
  runs: list[tuple[str, str]] = []
  for letter in written:
    if runs and (_unseen(letter) or letter in _letters(runs[-1][0])):
      runs[-1] = runs[-1][0], runs[-1][1] + letter
    elif path := next((path for path in _fonts() if letter in _letters(path)), None):
      runs.append((path, letter))
    elif not _unseen(letter):
      return ()
  return tuple((path, _kept(part, path)) for path, part in runs)


def _unseen(letter: str) -> bool:
  """Whether it only says how others are joined or shown, as between the parts of an emoji."""
  return unicodedata.category(letter) == 'Cf' or '\ufe00' <= letter <= '\ufe0f'


def _kept(text: str, path: str) -> str:
  """Without the unseen letters that the font does not know, for which it would draw a box."""
  return ''.join(letter for letter in text if not _unseen(letter) or letter in _letters(path))


def _needs_shaping(letter: str) -> bool:
  """Written from the right, or around its neighbours: only Pillow with libraqm can."""
  return unicodedata.bidirectional(letter) in ('R', 'AL') or unicodedata.category(letter) == 'Mc'


@functools.cache
def _fonts() -> Sequence[str]:
  """Paths of fonts, DejaVu Sans of matplotlib first, then plain ones of this machine before bold and slanted ones."""
  from matplotlib import font_manager, get_data_path  # here, for it takes half a second to import

  def order(path: str) -> tuple[int, str]:
    name = pathlib.Path(path).stem.lower()
    return sum(word in name for word in _DRESSED), name

  own = pathlib.Path(get_data_path(), 'fonts', 'ttf', 'DejaVuSans.ttf')
  return [str(own), *sorted(font_manager.findSystemFonts(), key=order)]


@functools.cache
def _letters(path: str) -> frozenset[str]:
  """The letters that Pillow can draw by this font; none of a font that has only boxes for them."""
  from fontTools import ttLib

  try:
    _font(path, 16)
    with ttLib.TTFont(path, fontNumber=0, lazy=True) as font:
      glyphs = font.getBestCmap() or {}
  except (OSError, ttLib.TTLibError, ValueError, KeyError, AssertionError):
    return frozenset()
  if len(glyphs) > 10 * len(set(glyphs.values())):  # as of a font of last resort
    return frozenset()
  return frozenset(map(chr, glyphs))


@functools.cache
def _font(path: str, size: int) -> tuple[ImageFont.FreeTypeFont, float]:
  """The font, and by how much what it draws is to be scaled; not 1 for one that is bitmaps of other sizes."""
  for actual in (size, *_STRIKES):
    try:
      return ImageFont.truetype(path, actual), size / actual
    except OSError as error:
      failed = error
  raise failed
