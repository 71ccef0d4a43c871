"""The data card: what a generated set is, as card.json for programs and README.md for people."""

import pathlib
import re
from collections.abc import Mapping
from typing import Any

from gengan.generate.formats import shards
from gengan.generate.formats.shards import About

# What Markdown makes HTML, links, code, emphasis or formulas of; a _ between two letters stays what it is.
_MARKS = re.compile(
  r'[\\`<>\[\]*~&$]|(?<![^\W_])_|_(?![^\W_])|(?<=http):|(?<=https):|(?<=ftp):|(?<=www)\.', re.IGNORECASE
)


def write(root: pathlib.Path, about: About, card: Mapping[str, Any]) -> list[str]:
  """Writes both files below data (see `shards.place`); returns their names. The same card, the same bytes."""
  return [
    shards.place(root, 'card.json', shards.to_json(card).encode(errors='backslashreplace')),
    shards.place(root, 'README.md', readme(about, card).encode(errors='backslashreplace')),
  ]


def readme(about: About, card: Mapping[str, Any]) -> str:
  """The card as Markdown."""
  counts, model, training = card['counts'], card['model'], card['training_data']
  height, width, channels = about.image_shape
  parts = [
    f'# {card["name"]}: {counts["kept"]:,} synthetic images',
    f'{plain(about.description)} No image is a photograph or a scan: all were drawn by the model below.',
    f'```python\n{card["load"]}\n```',
    _table(
      ['', ''],
      [
        ['images', f'{counts["kept"]:,}, {height} x {width} x {channels}, uint8'],
        ['format', card['format']],
        ['licence', card['licence']],
        ['model', f'{plain(model["name"])}, step {model["step"]:,}, {model["weights"]} weights'],
        ['SHA-256 of the weights', f'`{model["weights_sha256"]}`'],
        ['SHA-256 of the config', f'`{model["config_sha256"]}`'],
        ['seed', card['request']['seed']],
        ['made with', card['generator']],
        ['trained on', f'{plain(training["source"])}, {training["examples"].get("train", 0):,} images'],
        ['SHA-256 of the training data', f'`{training["sha256"]}`'],
      ],
    ),
    '## Counts',
    f'{counts["asked"]:,} asked for, {counts["drawn"]:,} drawn, {counts["kept"]:,} kept, '
    f'{counts["empty"]:,} not found.',
  ]
  if card['request'].get('relabel'):
    other = f'; {counts["relabelled"]:,} were asked for as another class' if 'relabelled' in counts else ''
    parts.append(f'The label of an image is what a classifier found in it{other}.')
  if counts['dropped']:
    parts.append(_table(['dropped because of', 'candidates'], [[k, f'{v:,}'] for k, v in counts['dropped'].items()]))
  if about.class_names:
    rows = [
      [label, plain(name), f'{counts["by_class"].get(name, 0):,}'] for label, name in enumerate(about.class_names)
    ]
    parts.append(_table(['label', 'class', 'images'], rows))
  parts += ['## Copies of training images', plain(card['copying']['text'])]
  parts += ['## How it was made', _table(['', ''], [[k, _code(v)] for k, v in card['request'].items()])]
  parts += ['## What the model is worth', _evaluation(card['evaluation'])]
  parts += ['## Files', '`sha256sum -c SHA256SUMS` checks every file. card.json holds what is on this page.']
  return '\n\n'.join(parts) + '\n'


def plain(text: str) -> str:
  """Text that Markdown shows as it is."""
  return _MARKS.sub(r'\\\g<0>', text).replace('\n', ' ')


def _code(value: Any) -> str:
  """A value as code, whatever backticks are in it."""
  text = str(value)
  if '`' not in text:
    return f'`{text}`'
  fence = '`' * (1 + max(map(len, re.findall('`+', text))))
  return f'{fence} {text} {fence}'


def _evaluation(evaluation: Mapping[str, Any] | None) -> str:
  if not evaluation:
    return (
      'Not measured: there was no evaluation of these weights when this set was begun (`python -m gengan.evaluate`).'
    )
  return f'As these weights were evaluated, with the protocol:\n\n```json\n{shards.to_json(evaluation)}```'


def _table(head: list[str], rows: list[list[Any]]) -> str:
  line = lambda cells: '| ' + ' | '.join(str(cell).replace('|', '\\|').replace('\n', ' ') for cell in cells) + ' |'
  return '\n'.join([line(head), line(['---'] * len(head)), *map(line, rows)])
