"""Writes the pages of docs/ that are generated, from the parsers and the comments: python -m tests.reference"""

import contextlib
import importlib
import io
import os
import pathlib
import sys
from unittest import mock

from gengan.config import command_line, comments, defaults, places
from gengan.config.fields import flatten
from gengan.host import console

DOCS = pathlib.Path(__file__).parents[1] / 'docs'
HOW = 'This page is generated: `python -m tests.reference` writes it anew, and a test compares.'


def command_line_page() -> str:
  """The help of every verb."""
  parts = [
    '# The command line',
    f'{HOW}\n\n`gengan train` and `python -m gengan.main` are the same; so are `gengan clean` and '
    '`python -m gengan.data.clean`,\n`gengan sample` and `python -m gengan.sample`, and so on. The fields of a config, '
    '`--config.FIELD=VALUE`, are on\n[a page of their own](config_fields.md). A mistake is answered with one line and '
    'exit code 2.',
    f'```\n{console.usage()}\n```',
  ]
  for verb in console.VERBS:
    parts.append(f'## gengan {verb}\n\n```\n{helped(verb)}\n```')
  return '\n\n'.join(parts) + '\n'


def helped(verb: str) -> str:
  """What `gengan <verb> --help` prints."""
  text = io.StringIO()
  wide = mock.patch.dict(os.environ, {'COLUMNS': '118'})
  name = mock.patch.object(sys, 'argv', [f'gengan {verb}'])
  with wide, name, contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
    importlib.import_module(console.VERBS[verb][0]).main(['--help'])
  return text.getvalue().strip()


def config_page() -> str:
  """Every field of every config that ships, with its value and its comment."""
  loaded = {name: command_line.load(name) for name in places.recipes()}
  first, seen = loaded['dcgan'], set()
  parts = [
    '# The fields of a config',
    f'{HOW}\n\nThe meaning of a field stands once, as the comment beside it in\n'
    '[`gengan/config/defaults.py`](../gengan/config/defaults.py) or in the config itself. '
    '`gengan train --config=NAME --help`\nprints the same for one config, with the values that its variant and the '
    'flags give it. `--config.FIELD=VALUE` changes a\nfield. A number that may change over a run takes a schedule: see '
    '[watching a run](training.md#numbers-that-change).',
    '## Variants\n\n`--config=dcgan:mnist` is the config `dcgan` for the variant `mnist`; without one it is the first.',
    variants(),
    f'## Every training config\n\nThe values are those of `dcgan`.\n\n{table(first, seen)}',
  ]
  for name, config in loaded.items():
    if config is not first and 'generator' not in config.config:
      more = table(config, seen)
      heading = f'## {name}\n\nOther than in `dcgan`: {", ".join(differences(first, config))}.'
      parts.append(f'{heading}\n\nOf its own:\n\n{more}' if more else heading)
  comparison = loaded['utility/digits']
  parts.append(
    '## Comparisons (`gengan utility`)\n\nThe values are those of `utility/digits`; `generator` is a training config, '
    f'that of `conditional_dcgan`.\n\n{table(comparison, seen, leave_out="generator.")}'
  )
  return '\n\n'.join(parts) + '\n'


def variants() -> str:
  lines = ['| variant | `data.source` | `data.image_size` | `data.channels` | `data.flip` |', '|---|---|---:|---:|---|']
  for name in defaults.VARIANTS:
    data = defaults.data(name)
    lines.append(f'| {name} | `{data.source}` | {data.image_size} | {data.channels} | {data.flip} |')
  return '\n'.join(lines)


def table(loaded: command_line.Loaded, seen: set[str], *, leave_out: str = 'no field') -> str:
  """The fields that have not been seen; '' where there are none."""
  escaped = lambda text: text.replace('|', '\\|')
  lines = []
  for path, value, text in comments.rows(loaded.config, loaded.module):
    if path in seen or path.startswith(leave_out):
      continue
    seen.add(path)
    lines.append(f'| `{path}{"" if value else ".*"}` | {f"`{escaped(value)}`" if value else ""} | {escaped(text)} |')
  return '\n'.join(['| field | value | meaning |', '|---|---|---|', *lines]) if lines else ''


def differences(one: command_line.Loaded, other: command_line.Loaded) -> list[str]:
  """The fields that both have, as 'loss is `hinge`'."""
  before, after = flatten(one.config), flatten(other.config)
  return [f'`{path}` is `{value!r}`' for path, value in after.items() if before.get(path, value) != value] or [
    'nothing'
  ]


PAGES = {'command_line.md': command_line_page, 'config_fields.md': config_page}

if __name__ == '__main__':
  for page, make in PAGES.items():
    (DOCS / page).write_text(make())
