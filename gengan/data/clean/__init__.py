"""Finds what is wrong with an image set, and writes a report and a list of examples to leave out.

python -m gengan.data.clean --source=folder:path/to/images --out=report
"""

import json
import pathlib
from typing import Any

from gengan.data.clean import report
from gengan.data.clean.examine import Examined, examine
from gengan.data.clean.findings import EXCLUDABLE, KINDS, Group, exclusions, find
from gengan.data.config import SOURCES
from gengan.data.manifest import write_manifest, write_whole
from gengan.data.sources import open_source


def clean(
  source: str,
  out: str,
  *,
  data_dir: str = '',
  exclude: tuple[str, ...] = EXCLUDABLE,
  blank_deviation: float = 2.0,
  near_distance: int = 4,
  near_colour: int = 32,
  min_per_class: int = 20,
) -> dict[str, int]:
  """Examines a source and writes `report.html`, `findings.json` and `exclude.json` into a folder.

  Args:
    source: as in `config.data.source`.
    out: the folder; made where it is missing.
    data_dir: as in `config.data.data_dir`.
    exclude: kinds of findings whose examples are left out: any of `findings.EXCLUDABLE`.
    blank_deviation: grey levels of 255; images whose standard deviation is below are blank.
    near_distance: bits of 64, 0 to 8, in which the perceptual hashes of near duplicates may differ.
    near_colour: grey levels of 255 by which any of their 16x16 cells may differ.
    min_per_class: train examples below which a label is rare.

  Returns:
    Examples by kind of finding; under 'excluded', how many are left out.

  Raises:
    ValueError: an unknown kind, a number out of range, a source that cannot be opened, or a folder that cannot be made.
    FileNotFoundError: there is no such source.
  """
  unknown = [kind for kind in exclude if kind not in EXCLUDABLE]
  if unknown:
    raise ValueError(f'exclude names {unknown[0]!r}; it may name {", ".join(EXCLUDABLE)}')
  for name, value, high, unit in (
    ('near_distance', near_distance, 8, 'bits'),
    ('near_colour', near_colour, 255, 'grey levels'),
    ('blank_deviation', blank_deviation, 255, 'grey levels'),
    ('min_per_class', min_per_class, 10**9, 'examples'),
  ):
    if not 0 <= value <= high:
      raise ValueError(f'{name} is {value}; it must be from 0 to {high} {unit}')
  opened = open_source(source, data_dir=data_dir)
  folder = pathlib.Path(out)
  try:
    folder.mkdir(parents=True, exist_ok=True)
  except OSError as error:
    raise ValueError(f'out is {out}, which cannot be made: {error.strerror}; it must be a folder') from error
  facts = examine(opened)
  settings = {
    'blank_deviation': blank_deviation,
    'near_distance': near_distance,
    'near_colour': near_colour,
    'min_per_class': min_per_class,
  }
  found, remarks = find(facts, opened.class_names, **settings)
  reasons = exclusions(found, exclude, facts)
  page = report.render(opened, facts, found, excluded_kinds=exclude, remarks=remarks)
  counts = {kind: sum(len(group.members) for group in groups) for kind, groups in found.items()}
  counts['excluded'] = sum(len(names) for names in reasons.values())
  content = {
    'source': opened.spec,
    'sha256': opened.sha256,
    'examples': {split: len(records) for split, records in opened.splits.items()},
    'settings': {**settings, 'exclude': list(exclude)},
    'remarks': remarks,
    'counts': counts,
    'findings': {kind: [_as_json(group, facts) for group in found[kind]] for kind in KINDS},
  }
  write_whole(folder / 'report.html', page)
  write_whole(folder / 'findings.json', json.dumps(content, indent=1, ensure_ascii=False) + '\n')
  write_manifest(folder / 'exclude.json', opened, reasons)
  return counts


def _as_json(group: Group, facts: Examined) -> dict[str, Any]:
  named = lambda i: {'split': str(facts.split[i]), 'name': facts.names[i]}
  kept = None if group.kept is None else named(group.kept)
  return {'examples': [named(i) for i in group.members], 'kept': kept, 'note': group.note}


def main() -> None:
  from absl import app, flags

  flags.DEFINE_string('source', None, SOURCES, required=True)
  flags.DEFINE_string('out', 'report', 'folder for report.html, findings.json and exclude.json')
  flags.DEFINE_string('data_dir', '', "where TFDS keeps its sets; '' is its default")
  flags.DEFINE_list('exclude', list(EXCLUDABLE), 'findings whose examples are left out')
  flags.DEFINE_float('blank_deviation', 2.0, 'grey levels; images whose standard deviation is below are blank')
  flags.DEFINE_integer('near_distance', 4, 'bits of 64 in which the hashes of near duplicates may differ')
  flags.DEFINE_integer('near_colour', 32, 'grey levels by which any of the 16x16 cells of near duplicates may differ')
  flags.DEFINE_integer('min_per_class', 20, 'train examples below which a label is rare')

  def run(_) -> None:
    values = flags.FLAGS
    try:
      counts = clean(
        values.source,
        values.out,
        data_dir=values.data_dir,
        exclude=tuple(values.exclude),
        blank_deviation=values.blank_deviation,
        near_distance=values.near_distance,
        near_colour=values.near_colour,
        min_per_class=values.min_per_class,
      )
    except (ValueError, OSError) as error:
      raise SystemExit(f'error: {str(error).replace("config.data.", "--")}') from None
    excluded = counts.pop('excluded')
    for kind, count in counts.items():
      print(f'{KINDS[kind][0]:32} {count:8,}')
    print(f'{"Left out by exclude.json":32} {excluded:8,}')
    print(f'Read {pathlib.Path(values.out) / "report.html"}')

  app.run(run)
