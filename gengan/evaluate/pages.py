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
  head = f'<tr>{"".join(f"<th>{name}</th>" for name in heads)}</tr>' if heads else ''
  style = lambda column: ' class="number"' if column in numbers else ' class="meaning"' if column == meaning else ''
  lines = [''.join(f'<td{style(column)}>{text}</td>' for column, text in enumerate(row)) for row in rows]
  return f'<div class="wide"><table>{head}{"".join(f"<tr>{line}</tr>" for line in lines)}</table></div>'


def picture(path: pathlib.Path, *, pixels: bool = True) -> str:
  """A PNG file inside the page; `pixels` are shown as squares where it is enlarged."""
  css = ' class="pixels"' if pixels else ''
  content = base64.b64encode(path.read_bytes()).decode()
  return f'<img alt="{html.escape(path.stem)}"{css} src="data:image/png;base64,{content}">'
