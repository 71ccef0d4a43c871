"""Blocks of a report, such as texts and tables, written as Markdown and as one HTML page from the same words."""

import html
import pathlib
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from gengan.evaluate import pages


class Text(NamedTuple):
  """A paragraph, or by its kind a heading: 'h1' or 'h2'; or a 'warning'."""

  text: str
  kind: str = 'p'


class Items(NamedTuple):
  """A list."""

  items: Sequence[str]


class Table(NamedTuple):
  """Cells by row; the columns `words` hold no numbers."""

  heads: Sequence[str]
  rows: Sequence[Sequence[Any]]
  words: Sequence[int] = (0,)


class Picture(NamedTuple):
  """A PNG file."""

  path: pathlib.Path
  caption: str
  pixels: bool = False  # small images, enlarged


Block = Text | Items | Table | Picture


def markdown(blocks: Sequence[Block], folder: pathlib.Path) -> str:
  """The blocks as a Markdown file in a folder, below which the pictures lie."""
  return '\n\n'.join(_markdown(block, folder) for block in blocks) + '\n'


def _markdown(block: Block, folder: pathlib.Path) -> str:
  match block:
    case Text(text, kind):
      plain = _plain(text)
      return {'h1': f'# {plain}', 'h2': f'## {plain}', 'warning': f'**{plain}**'}.get(kind, plain)
    case Items(items):
      return '\n'.join(f'- {_plain(item)}' for item in items)
    case Table(heads, rows, words):
      line = lambda cells: '| ' + ' | '.join(_plain(str(cell)) for cell in cells) + ' |'
      rule = '|' + '|'.join('---' if column in words else '---:' for column in range(len(heads))) + '|'
      return '\n'.join([line(heads), rule, *map(line, rows)])
    case Picture(path, caption):
      return f'![{_plain(caption)}]({path.relative_to(folder).as_posix()})'


def _plain(text: str) -> str:
  """Text that Markdown shows as it stands, in one line."""
  return re.sub(r'([\\`*_\[\]|~])', r'\\\1', html.escape(' '.join(text.split()), quote=False))


def page(blocks: Sequence[Block], title: str) -> str:
  """The blocks as one HTML page, with the pictures in it."""
  return pages.whole(title, '\n'.join(map(_element, blocks)) + '\n')


def _element(block: Block) -> str:
  match block:
    case Text(text, 'warning'):
      return f'<p class="warning">{html.escape(text)}</p>'
    case Text(text, kind):
      return f'<{kind}>{html.escape(text)}</{kind}>'
    case Items(items):
      return '<ul>' + ''.join(f'<li>{html.escape(item)}</li>' for item in items) + '</ul>'
    case Table(heads, rows, words):
      cells = [[html.escape(str(cell)) for cell in row] for row in rows]
      numbers = [column for column in range(len(heads)) if column not in words]
      return pages.table([html.escape(head) for head in heads], cells, numbers=numbers, meaning=-1)
    case Picture(path, caption, pixels):
      return f'<p>{html.escape(caption)}</p>\n{pages.picture(path, pixels=pixels)}'
