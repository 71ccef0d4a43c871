"""HTML pages that are one file each, with style, tables and pictures inside; other verbs write such pages, too."""

import base64
import html
import importlib.resources
import pathlib
import string
from collections.abc import Sequence


def template(name: str) -> string.Template:
  """One of the files in `templates/`, whose `$names` are to be substituted with HTML."""
  return string.Template(importlib.resources.files('gengan.evaluate').joinpath(f'templates/{name}').read_text('utf-8'))


def whole(title: str, body: str) -> str:
  """A page with this title, as plain text, around a body of HTML."""
  return template('page.html').substitute(title=html.escape(title), body=body)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: Sequence[int] = (), meaning: int = 3) -> str:
  """A table of cells that are HTML; the columns `numbers` are aligned on the right, the column `meaning` is quiet."""
  style = lambda column: ' class="number"' if column in numbers else ' class="meaning"' if column == meaning else ''
  line = lambda tag, cells: ''.join(f'<{tag}{style(column)}>{text}</{tag}>' for column, text in enumerate(cells))
  lines = [*([line('th', heads)] if heads else []), *(line('td', row) for row in rows)]
  return f'<div class="wide"><table>{"".join(f"<tr>{each}</tr>" for each in lines)}</table></div>'


def picture(path: pathlib.Path, *, pixels: bool = True) -> str:
  """A PNG file inside the page: images whose `pixels` are shown as squares, or a chart that is never too small."""
  css = 'pixels' if pixels else 'chart'
  content = base64.b64encode(path.read_bytes()).decode()
  image = f'<img alt="{html.escape(path.stem)}" class="{css}" src="data:image/png;base64,{content}">'
  return f'<div class="wide">{image}</div>'
