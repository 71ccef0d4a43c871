"""An evaluation as a person reads it in a terminal: a table of its scores, with its cautions and what it lacks."""

import shutil
import textwrap
from collections.abc import Mapping

from gengan.evaluate import limits
from gengan.evaluate.protocol import Evaluation, as_text, cell
from gengan.metrics import family

ARROWS = {'higher': '↑ higher', 'lower': '↓ lower', '': ''}


def text(evaluation: Evaluation, families: Mapping[str, family.Family]) -> str:
  """Lines for a terminal of this width; families are those asked for, by name."""
  protocol = evaluation.protocol
  sets = f'{len(protocol.seeds)} set{"s" if len(protocol.seeds) > 1 else ""} of {protocol.num_generated:,} samples'
  head = f'{protocol.num_real:,} images of the {protocol.split} split, {sets}, features of {protocol.network}'
  rows = []
  for name in evaluation.scores:
    real = f'{evaluation.real[name]:.4g}' if name in evaluation.real else ''
    better = family.meaning(name, families.values()).better
    rows.append((name, cell(evaluation, name), real, ARROWS.get(better, f'→ {better}'), marks(evaluation, name)))
  table = as_text(('score', 'value', 'real images', 'better', ''), rows) if rows else 'no score could be measured'
  return '\n'.join([_wrapped(head), '', table, *map(_wrapped, ['', *lines(evaluation)])])


def lines(evaluation: Evaluation) -> list[str]:
  """Cautions by their number, and what was left out or not measured, a line each."""
  found = []
  for number, caution in enumerate(evaluation.cautions, start=1):
    found.append(f'[{number}] {"" if caution.scores else "all scores: "}{caution.text}')
  found += [f'left out of {name}: {limits.told(missing)}' for name, missing in evaluation.left_out.items()]
  return found + [f'not measured: {name}: {why}' for name, why in evaluation.not_measured.items()]


def marks(evaluation: Evaluation, score: str) -> str:
  """'[1] [3]', the numbers of the cautions about a score."""
  return ' '.join(f'[{number}]' for number, each in enumerate(evaluation.cautions, start=1) if score in each.scores)


def _wrapped(line: str) -> str:
  width = max(40, shutil.get_terminal_size((120, 24)).columns)
  return textwrap.fill(line, width, subsequent_indent='    ', break_long_words=False, break_on_hyphens=False)
