"""From the spec of an image set to its report, its findings and its list of examples to leave out."""

import dataclasses
import json
import pathlib
from typing import Any

from gengan.data.clean import report
from gengan.data.clean.examine import Examined, examine
from gengan.data.clean.findings import DEFAULT, EXCLUDABLE, KINDS, Group, Settings, exclusions, find
from gengan.data.manifest import check_replaceable, write_manifest
from gengan.data.sources import open_source
from gengan.host.errors import ArgumentError
from gengan.host.files import write_text


def clean(
  source: str,
  out: str,
  *,
  data_dir: str = '',
  levels: str = 'auto',
  exclude: tuple[str, ...] = EXCLUDABLE,
  settings: Settings = DEFAULT,
) -> dict[str, int]:
  """Examines a source and writes `report.html`, `findings.json` and `exclude.json` into a folder.

  Args:
    source: its spec, such as 'zip:path/to/images.zip'.
    out: the folder; made where it is missing.
    data_dir: where TFDS keeps its sets; '' is its default.
    levels: which values are black and white, as `config.data.range` says it.
    exclude: kinds of findings whose examples are left out: any of `findings.EXCLUDABLE`.
    settings: what counts as a finding.

  Returns:
    Examples by kind of finding; under 'excluded', how many are left out.

  Raises:
    ArgumentError: an unknown kind of finding or of source, or a folder that cannot be made or has the report of another
      set.
    ValueError: a source that is empty or damaged.
    FileNotFoundError: there is no such source.
  """
  for kind in exclude:
    if kind not in EXCLUDABLE:
      raise ArgumentError('exclude', kind, f'some of {", ".join(EXCLUDABLE)}')
  opened = open_source(source, data_dir=data_dir, levels=levels)
  folder = pathlib.Path(out)
  try:
    folder.mkdir(parents=True, exist_ok=True)
  except OSError as error:
    raise ArgumentError('out', str(out), 'a folder', why=f'which cannot be made: {error.strerror}') from error
  check_replaceable(folder / 'exclude.json', opened)
  facts = examine(opened)
  found, remarks = find(facts, opened.class_names, settings)
  remarks = [*opened.notes, *remarks]
  reasons = exclusions(found, exclude, facts)
  counts = {kind: sum(len(group.members) for group in groups) for kind, groups in found.items()}
  counts['excluded'] = sum(len(names) for names in reasons.values())
  content = {
    'source': opened.spec,
    'sha256': opened.sha256,
    'examples': {split: len(records) for split, records in opened.splits.items()},
    'settings': {**dataclasses.asdict(settings), 'exclude': list(exclude)},
    'remarks': remarks,
    'counts': counts,
    'findings': {kind: [_as_json(group, facts) for group in found[kind]] for kind in KINDS},
  }
  write_text(folder / 'report.html', report.render(opened, facts, found, excluded_kinds=exclude, remarks=remarks))
  write_text(folder / 'findings.json', json.dumps(content, indent=1, ensure_ascii=False) + '\n')
  write_manifest(folder / 'exclude.json', opened, reasons)
  return counts


def _as_json(group: Group, facts: Examined) -> dict[str, Any]:
  named = lambda i: {'split': str(facts.split[i]), 'name': facts.names[i]}
  kept = None if group.kept is None else named(group.kept)
  return {'examples': [named(i) for i in group.members], 'kept': kept, 'note': group.note}
