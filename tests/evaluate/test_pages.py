"""The HTML of pages, read by Python's own parser."""

import html.parser

import numpy as np
import pytest

from gengan.data import images
from gengan.evaluate import pages


class Reader(html.parser.HTMLParser):
  """Collects (tag, class, text) of cells and the classes of images, with what is open around them."""

  def __init__(self, text):
    super().__init__()
    self.cells, self.images, self._open = [], [], []
    self.feed(text)

  def handle_starttag(self, tag, attrs):
    if tag == 'img':
      self.images.append((dict(attrs)['class'], self._open[-1]))
    else:
      self._open.append((tag, dict(attrs).get('class', '')))

  def handle_endtag(self, tag):
    assert self._open.pop()[0] == tag

  def handle_data(self, data):
    if self._open and self._open[-1][0] in ('th', 'td'):
      self.cells.append((*self._open[-1], data))


def test_a_head_is_aligned_as_the_cells_below_it():
  text = pages.table(('Arm', 'Accuracy', 'What'), [('real', '0.5', 'x')], numbers=(1,), meaning=2)
  assert Reader(text).cells == [
    ('th', '', 'Arm'),
    ('th', 'number', 'Accuracy'),
    ('th', 'meaning', 'What'),
    ('td', '', 'real'),
    ('td', 'number', '0.5'),
    ('td', 'meaning', 'x'),
  ]
  assert not any(tag == 'th' for tag, *_ in Reader(pages.table((), [('a', 'b')])).cells)


@pytest.mark.parametrize(('pixels', 'css'), [(True, 'pixels'), (False, 'chart')])
def test_a_picture_scrolls_where_the_screen_is_narrow(pixels, css, tmp_path):
  images.save_png(tmp_path / 'a.png', np.zeros((4, 4, 1), np.uint8))
  assert Reader(pages.picture(tmp_path / 'a.png', pixels=pixels)).images == [(css, ('div', 'wide'))]


def test_a_page_has_colours_for_a_dark_screen_and_no_others_beside_those():
  style = pages.whole('a title', '').partition('<style>')[2].partition('</style>')[0]
  light, _, rest = style.partition('@media (prefers-color-scheme: dark)')
  dark, _, rules = rest.partition('body {')
  named = lambda text: {word.rstrip(':') for word in text.split() if word.startswith('--')}
  assert named(light) == named(dark) and all(f'var({name})' in rules for name in named(light))
