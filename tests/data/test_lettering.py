"""Text in pictures: by fonts made here, whose letters are known, and by matplotlib's own."""

import logging

import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen

from gengan.data import lettering


@pytest.fixture
def machine(tmp_path, monkeypatch):
  """Adds fonts to a machine that has none but matplotlib's: `machine(name, letters)`, each letter a black square."""
  monkeypatch.setattr('matplotlib.font_manager.findSystemFonts', lambda: list(map(str, tmp_path.glob('*.ttf'))))

  def add(name, letters, *, glyphs=None):
    pen = TTGlyphPen(None)
    pen.moveTo((100, 0))
    for corner in ((900, 0), (900, 800), (100, 800)):
      pen.lineTo(corner)
    pen.closePath()
    square, empty = pen.glyph(), TTGlyphPen(None).glyph()
    names = glyphs or [f'letter{ord(letter)}' for letter in letters]
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder(['.notdef', *dict.fromkeys(names)])
    builder.setupCharacterMap(dict(zip(map(ord, letters), names, strict=True)))
    builder.setupGlyf({'.notdef': empty, **dict.fromkeys(names, square)})
    builder.setupHorizontalMetrics(dict.fromkeys(('.notdef', *names), (1000, 100)))
    builder.setupHorizontalHeader(ascent=900, descent=-100)
    builder.setupOS2()
    builder.setupPost()
    builder.save(tmp_path / f'{name}.ttf')
    clear()

  def clear():
    for cached in (lettering._legible, lettering._runs, lettering._fonts, lettering._letters, lettering._font):
      cached.cache_clear()

  clear()
  yield add
  clear()


def ink(picture):
  return int((picture < 128).all(axis=-1).sum())


def test_names_that_no_font_can_write_become_numbers_and_are_told_once(machine, caplog):
  with caplog.at_level(logging.WARNING):
    assert lettering.legible(['cat', '猫', '', '\udcff']) == ('cat', 'class 1', 'class 2', 'class 3')
    lettering.legible(['cat', '猫', '', '\udcff'])
  (record,) = caplog.records
  assert "no font on this machine can write 3 of 4 class names ('猫', '', '\\udcff')" in record.getMessage()
  assert '\n' not in record.getMessage()


def test_what_matplotlib_brings_is_enough_for_many_scripts(machine, caplog):
  names = ('naïve', 'кошка', 'γάτα', 'gato\nnegro', 'cat ❤️')
  assert lettering.legible(names) == names and not caplog.records
  assert all(ink(lettering.line(name, 16)) > 20 for name in names)


def test_a_font_that_has_the_letters_is_found(machine):
  machine('Han', '猫')
  assert lettering.legible(['猫', '猫 and cat', '犬']) == ('猫', '猫 and cat', 'class 2')
  square = lettering.line('猫', 20)
  assert abs(ink(square) - 16 * 16) <= 40  # 800 of 1,000 units of 20 pixels, both ways
  alone, both = lettering.line(' and cat', 20), lettering.line('猫 and cat', 20)
  assert both.shape[1] == square.shape[1] + alone.shape[1]
  np.testing.assert_array_equal(both[:, : square.shape[1]], square)


def test_one_plain_font_for_the_whole_text_is_preferred(machine):
  machine('Some-Bold', '猫犬')
  machine('Zoo', '猫犬')
  machine('Cats', '猫')
  assert [path.rpartition('/')[2] for path, _ in lettering._runs('猫犬')] == ['Zoo.ttf']


def test_fonts_that_only_have_boxes_are_passed_over(machine, tmp_path):
  machine('LastResort', [chr(0x4E00 + i) for i in range(100)], glyphs=['box'] * 100)
  (tmp_path / 'broken.ttf').write_bytes(b'no font')
  assert lettering.legible([chr(0x4E00)]) == ('class 0',)


def test_a_long_text_is_cut_and_says_so(machine):
  whole = lettering.line('a long name of a class', 12)
  cut = lettering.line('a long name of a class', 12, most=64)
  assert whole.shape[1] > 100 and 40 < cut.shape[1] <= 64
  np.testing.assert_array_equal(lettering.line('short', 12, most=64), lettering.line('short', 12))
  assert lettering.line('WWW', 12, most=4).shape[1] <= 4


def test_ink_stands_out_from_its_ground():
  assert lettering.line('x', 14, background=255).min() < 100
  assert lettering.line('x', 14, background=0).max() > 155
