"""Reports in Markdown and HTML show any text as it is and run none of it."""

import html
import html.parser

import numpy as np
import pytest

from gengan.data import images
from gengan.utility import blocks

NAMES = ('<script>alert(1)</script>', 'a & b', '"quoted" \'too\'', 'привет', '猫|犬', 'a\nb', '*_`[x](y)~\\', '$title')


class Reader(html.parser.HTMLParser):
  """What a browser would show, and the tags that it would act on."""

  def __init__(self, text):
    super().__init__()
    self.tags, self.texts = [], []
    self.feed(text)

  def handle_starttag(self, tag, attrs):
    self.tags.append(tag)

  def handle_data(self, data):
    self.texts.append(data)


@pytest.mark.parametrize('name', NAMES)
def test_names_of_any_kind_are_shown_in_html_and_never_run(name, tmp_path):
  images.save_png(tmp_path / 'a.png', np.zeros((2, 2, 1), np.uint8))
  content = [blocks.Text(name, 'h1'), blocks.Text(name), blocks.Text(name, 'warning'), blocks.Items([name])]
  content += [blocks.Table(['Class', name], [[name, 1]]), blocks.Picture(tmp_path / 'a.png', name)]
  read = Reader(blocks.page(content, 'title'))
  assert read.texts.count(name) == 7 and 'script' not in read.tags
  assert {'h1', 'li', 'td', 'th', 'img'} <= set(read.tags)


def test_pictures_are_inside_the_page_and_beside_the_markdown(tmp_path):
  images.save_png(tmp_path / 'samples' / 'a.png', np.zeros((2, 2, 1), np.uint8))
  content = [blocks.Picture(tmp_path / 'samples' / 'a.png', 'Dots', pixels=True)]
  assert 'src="data:image/png;base64,' in blocks.page(content, 'x') and str(tmp_path) not in blocks.page(content, 'x')
  assert blocks.markdown(content, tmp_path) == '![Dots](samples/a.png)\n'


def test_markdown_has_one_line_a_row_and_takes_no_name_for_markup(tmp_path):
  table = blocks.Table(['Class', 'Accuracy'], [[name, i] for i, name in enumerate(NAMES)])
  head, rule, *rows = blocks.markdown([table], tmp_path).strip().split('\n')
  assert (head, rule) == ('| Class | Accuracy |', '|---|---:|') and len(rows) == len(NAMES)
  assert rows[0] == '| &lt;script&gt;alert(1)&lt;/script&gt; | 0 |' and rows[1] == '| a &amp; b | 1 |'
  assert rows[4] == '| 猫\\|犬 | 4 |' and rows[5] == '| a b | 5 |' and rows[6] == r'| \*\_\`\[x\](y)\~\\ | 6 |'
