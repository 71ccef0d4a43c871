"""The data card as a renderer of Markdown shows it."""

import re

import pytest
from markdown_it import MarkdownIt

from gengan.generate.formats import card
from gengan.generate.formats.shards import About

NAMES = ('<script>alert(1)</script>', '[a](http://x.y)', '![i](j)', 'my_cat', '__init__', '&lt;', 'a`b', 'a|b\\', '*c*')


def page(**changes):
  about = About('set', (8, 8, 1), NAMES, 1, {}, 'Images drawn by m (run <b>, step 7) with gengan.', 'CC0')
  model = {'name': 'my.model', 'step': 7, 'weights': 'averaged', 'weights_sha256': 'ab', 'config_sha256': 'cd'}
  counts = dict.fromkeys(('asked', 'drawn', 'kept'), 9) | {
    'empty': 0,
    'dropped': {},
    'by_class': dict.fromkeys(NAMES, 1),
  }
  content = {
    'name': 'set',
    'load': 'x = 1',
    'format': 'npz',
    'licence': 'CC0',
    'generator': 'gengan',
    'evaluation': None,
    'counts': counts,
    'model': model,
    'request': {'seed': 0},
    'copying': {'text': 'None of [these](x).'},
    'training_data': {'source': 'folder:<img src=x>', 'examples': {'train': 80}, 'sha256': 'ef'},
  }
  return card.readme(about, content | changes)


def shown(text):
  """The cells and paragraphs of a page, what a renderer made of it aside, and the kinds of what it made."""
  tokens = MarkdownIt('commonmark').enable('table').parse(text)
  inline = [token for token in tokens if token.type == 'inline']
  kinds = {child.type for token in inline for child in token.children}
  return [''.join(child.content for child in token.children) for token in inline], kinds


def test_names_are_shown_as_they_are_and_make_neither_html_nor_links():
  texts, kinds = shown(page())
  assert set(NAMES) <= set(texts) and 'folder:<img src=x>, 80 images' in texts and 'None of [these](x).' in texts
  assert any('(run <b>, step 7)' in text for text in texts)
  assert kinds <= {'text', 'text_special', 'code_inline', 'softbreak'}
  assert '| 3 | my_cat | 1 |' in page()


@pytest.mark.parametrize('value', ['`<b>`', 'a``b', '<i>'])
def test_settings_stay_code(value):
  texts, kinds = shown(page(request={'seed': 0, 'classifier': value}))
  assert value in texts and 'html_inline' not in kinds


@pytest.mark.parametrize('text', ['http://x.y', 'HTTPS://x.y', 'see www.x.y', 'ftp://x'])
def test_addresses_are_no_links(text):
  assert not re.search(r'(?i)(https?|ftp)://|www\.', card.plain(text)) and shown(card.plain(text))[0] == [text]
