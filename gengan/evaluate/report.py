"""What an evaluation leaves: `evaluation.json`, and a page for people with everything in one file."""

import dataclasses
import html
import os
import pathlib
import tempfile
from collections.abc import Mapping

from gengan import data, runs
from gengan.evaluate import pages, pictures, summary
from gengan.evaluate.evaluator import Evaluator
from gengan.evaluate.protocol import Evaluation, Protocol, cell
from gengan.host import files
from gengan.host.regular import require_file
from gengan.metrics import family

RECORD, PAGE = 'evaluation.json', 'index.html'
FILES = (RECORD, PAGE, *(f'{name}.png' for name in pictures.NAMES))
ROOM = 16 << 20  # bytes that a report may take


def require_writable(folder: pathlib.Path, *, flag: str) -> None:
  """Raises a ValueError where a report could not be written; `flag` says where the folder comes from."""
  files.require_writable(folder, flag=flag)
  for name in FILES:
    if (folder / name).is_dir():
      raise ValueError(f'{folder / name} is a folder where the report has a file; move it away or give another --out')
  there = next(path for path in (folder, *folder.parents) if path.is_dir())
  try:
    with tempfile.TemporaryFile(dir=there) as file:
      file.write(bytes(ROOM))
      file.flush()
      os.fsync(file.fileno())
  except OSError as error:
    raise ValueError(f'{flag} is {folder}, which has no room for a report: {error.strerror}') from error


def differing(folder: pathlib.Path, protocol: Protocol) -> list[str]:
  """In which fields the protocol of the report in a folder differs; none where there is none, or the same.

  Settings of single families are left aside: they are known when these have been measured.
  """
  old = _old(folder)
  return [name for name in old.protocol.differing(protocol) if name != 'settings'] if old else []


def write(
  folder: pathlib.Path,
  evaluation: Evaluation,
  families: Mapping[str, family.Family],
  run: runs.Run,
  dataset: data.Dataset,
  evaluator: Evaluator,
) -> tuple[pathlib.Path, pathlib.Path]:
  """Draws the pictures and writes both files, each in one piece; returns the paths of the page and of the JSON.

  The families are those asked for, by name; the evaluator is that of the first network, in which images are near.

  A report of another protocol, or with scores that this one lacks, moves into a folder `earlier-1` and so on.
  """
  folder.mkdir(parents=True, exist_ok=True)
  old = _old(folder)
  if old and (old.protocol != evaluation.protocol or old.scores.keys() - evaluation.scores.keys()):
    _set_aside(folder)
  page, record = folder / PAGE, folder / RECORD
  files.write_text(record, evaluation.to_json())
  metrics = pathlib.Path(evaluation.about['workdir']) / 'metrics.jsonl'
  drawn = pictures.draw(folder, run, dataset, evaluator, metrics=metrics)
  elements = {name: pages.picture(path, pixels=name != 'curves') for name, path in drawn.items()}
  files.write_text(page, render(evaluation, elements, families))
  return page, record


def render(evaluation: Evaluation, drawn: dict[str, str], families: Mapping[str, family.Family]) -> str:
  """The page as text; `drawn` are <img> elements by name, `families` those asked for."""
  about, protocol = evaluation.about, dataclasses.asdict(evaluation.protocol)
  said = lambda value: ', '.join(map(str, value)) or 'none' if isinstance(value, tuple) else str(value)
  fields = [(name.replace('_', ' '), f'<code>{html.escape(said(value))}</code>') for name, value in protocol.items()]
  title = f'{about["workdir"]}, step {about["step"]}'
  heading = lambda name, text: f'<h2>{text}</h2>{drawn[name]}' if name in drawn else ''
  body = pages.template('evaluation.html').substitute(
    title=html.escape(title),
    about=html.escape(f'{about["model"]}, trained on {about["source"]} for {about["kimg"]:,.3g} thousand images'),
    warnings=''.join(f'<p class="warning">{html.escape(text)}</p>' for text in summary.lines(evaluation)),
    split=protocol['split'],
    sets=len(protocol['seeds']),
    scores=_scores(evaluation, families),
    by_class=_by_class(about.get('by_class', {})),
    samples=drawn['samples'],
    real=drawn['real'],
    reconstructions=heading(
      'reconstructions', 'Reconstructions: each held-out image, and what the decoder makes of it'
    ),
    neighbours=drawn['neighbours'],
    curves=drawn.get('curves', '<p class="quiet">The run keeps no metrics.</p>'),
    protocol=pages.table((), fields),
  )
  return pages.whole(f'Evaluation: {title}', body)


def _scores(evaluation: Evaluation, families: Mapping[str, family.Family]) -> str:
  rows = []
  for name in evaluation.scores:
    real = f'{evaluation.real[name]:.4g}' if name in evaluation.real else ''
    mark = summary.marks(evaluation, name)
    value = f'{cell(evaluation, name)} <sup>{mark}</sup>' if mark else cell(evaluation, name)
    rows.append((html.escape(name), value, real, *family.meaning(name, families.values())))
  heads = ('Score', 'Value', 'Real images', 'Better', 'Meaning')
  return pages.table(heads, rows, numbers=(1, 2), meaning=4)


def _by_class(scores: dict[str, dict[str, float]]) -> str:
  names = list(dict.fromkeys(name for values in scores.values() for name in values))
  if not names:
    return ''
  shown = lambda values, name: f'{values[name]:.4g}' if name in values else '-'
  rows = [(html.escape(name), *(shown(values, name) for values in scores.values())) for name in names]
  return '<h2>By class</h2>' + pages.table(('Class', *scores), rows, numbers=range(1, 1 + len(scores)))


def _old(folder: pathlib.Path) -> Evaluation | None:
  """The report that lies in a folder; None where there is none, or one that is damaged."""
  try:
    require_file(folder / RECORD, 'the report')
    return Evaluation.from_json((folder / RECORD).read_text(encoding='utf-8'))
  except (OSError, ValueError):
    return None


def _set_aside(folder: pathlib.Path) -> None:
  """Moves the report into the first of `earlier-1`, `earlier-2`, ... that there is not."""
  number = 1
  while (folder / f'earlier-{number}').exists():
    number += 1
  kept = folder / f'earlier-{number}'
  kept.mkdir()
  for name in FILES:
    if (folder / name).exists():
      os.replace(folder / name, kept / name)
