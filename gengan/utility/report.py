"""The report of a comparison: `report.md`, `index.html` with everything in one file, `report.json`, `accuracy.png`."""

import math
import pathlib
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from gengan.host import files
from gengan.utility import blocks, findings, picture, wording
from gengan.utility.blocks import Block, Items, Picture, Table, Text
from gengan.utility.findings import Finding, Records, by_arm, num_test, shown
from gengan.utility.plan import regimes, wanted
from gengan.utility.statistics import LEVEL, deviation

TITLE = 'What generated images are worth to a classifier'
CHOICE = 'The best arm is the one with the highest mean accuracy on validation images; test images choose nothing.'
SAMPLES = 'samples'  # folder of the comparison with a sheet of generated images a regime


def write(workdir: pathlib.Path, records: Records, config: ConfigDict) -> list[str]:
  """Writes the files, each in one piece; returns lines for a person: the verdicts, their cautions, and the paths."""
  page, drawn = workdir / 'index.html', workdir / 'accuracy.png'
  with files.replacing(drawn) as beside:
    picture.plot(records, beside)
  content = compose(records, config, workdir)
  files.write_text(page, blocks.page(content, TITLE))
  files.write_text(workdir / 'report.md', blocks.markdown(content, workdir))
  files.write_json(workdir / 'report.json', as_json(records, config))
  paths = [page, workdir / 'report.md', workdir / 'report.json', drawn]
  return [*wording.verdicts(records), *wording.cautions(records), *map(str, paths)]


def compose(records: Records, config: ConfigDict, workdir: pathlib.Path) -> list[Block]:
  """The report; pictures are files in the folder, where they are there."""
  made = [Text(TITLE, 'h1'), *_missing(records, config)]
  made += [
    Items(wording.verdicts(records)),
    Text(CHOICE),
    *[Text(text, 'warning') for text in wording.cautions(records)],
  ]
  made.append(Picture(workdir / 'accuracy.png', 'Accuracy on real test images; bars are one standard deviation.'))
  for regime, own in findings.by_regime(records).items():
    made += [Text(wording.title(regime), 'h2'), Text(_amounts(records, regime)), _arms(records, regime, own)]
    made += [*_by_class(records, regime, own), *_samples(workdir, regime)]
  made += [Text('Generated images for one more real image', 'h2'), *_equivalence(records)]
  return [*made, Text('Protocol', 'h2'), Items(wording.protocol(config))]


def as_json(records: Records, config: ConfigDict) -> dict[str, Any]:
  """The findings for programs; accuracies and differences are shares, None where one seed tells nothing."""
  made = {}
  for regime, found in findings.by_regime(records).items():
    names = next(r for r in records if r['regime'] == regime)['class_names']
    own = {
      arm: {'accuracy': float(np.mean(list(values.values()))), 'deviation': deviation(list(values.values()))}
      for arm, values in by_arm(records, regime).items()
    }
    for arm, difference in found.differences.items():
      own[arm]['difference'] = difference._asdict()
    by_class = [difference._asdict() for difference in findings.by_class(records, regime).values()]
    made[regime] = {
      'reference': found.reference,
      'best_generated': found.best,
      'verdict': found.differences[found.best].verdict if found.best else None,
      'arms': own,
      'by_class': [{'class_name': name, **each} for name, each in zip(names, by_class, strict=False)],
    }
  return {'level': LEVEL, 'missing': len(_left(records, config)), 'regimes': made}


def _left(records: Records, config: ConfigDict) -> set[tuple[str, str, int]]:
  measured = {(r['regime'], r['arm'], r['seed']) for r in records}
  return {(regime.name, *each) for regime in regimes(config) for each in wanted(regime, config.seeds)} - measured


def _missing(records: Records, config: ConfigDict) -> list[Block]:
  left = len(_left(records, config))
  planned = sum(len(wanted(regime, config.seeds)) for regime in regimes(config))
  return [Text(f'Not finished: {left} of {planned} classifiers are missing.', 'warning')] if left else []


def _amounts(records: Records, regime: str) -> str:
  record = next(r for r in records if r['regime'] == regime)
  real = record['real_by_class']
  each = f'{min(real)}' if min(real) == max(real) else f'{min(real)} to {max(real)}'
  return (
    f'{sum(real):,} real training images, {each} a class; {record["num_validation"]:,} real validation images for '
    f'early stopping; {num_test(records, regime):,} real test images. The generator was trained on those '
    f'training images and no others. Copies: {record["copies"]["text"]}'
  )


def _arms(records: Records, regime: str, found: Finding) -> Table:
  reference = f'Difference to {shown(found.reference)}' if found.reference else 'Difference'
  rows = []
  for arm, own in by_arm(records, regime).items():
    generated = next(r['num_generated'] for r in records if (r['regime'], r['arm']) == (regime, arm))
    last = wording.cells(found.differences.get(arm))
    last[-1] = 'the best of real images' if arm == found.reference else last[-1]
    rows.append([shown(arm), f'{generated:,}', f'{wording.mean(own.values())} %', len(own), *last])
  heads = ('Arm', 'Generated', 'Accuracy', 'Seeds', reference, '95 % interval', 'p', 'p (Holm)', 'Verdict')
  return Table(heads, rows, words=(0, 8))


def _by_class(records: Records, regime: str, found: Finding) -> list[Block]:
  """Mean and standard deviation of every arm, and the difference of the best one with generated images."""
  accuracies = by_arm(records, regime, 'by_class')
  first = next(r for r in records if r['regime'] == regime)
  differences = findings.by_class(records, regime)
  heads = ['Class', *(shown(arm) for arm in accuracies)]
  if differences:
    heads += [f'{shown(found.best)} to {shown(found.reference)}', '95 % interval', 'p', 'p (Holm)', 'Verdict']
  rows = []
  for label, title in enumerate(first['class_names']):
    cells = [title, *(wording.mean([each[label] for each in own.values()], digits=1) for own in accuracies.values())]
    rows.append(cells + (wording.cells(differences[label]) if differences else []))
  return [Text('Accuracy by class, in %:'), Table(heads, rows, words=(0, len(heads) - 1) if differences else (0,))]


def _samples(workdir: pathlib.Path, regime: str) -> list[Block]:
  path = workdir / SAMPLES / f'{regime}.png'
  return [Picture(path, 'Images that the generator of this regime drew.', pixels=True)] if path.exists() else []


def _equivalence(records: Records) -> list[Block]:
  curve = findings.baseline_curve(records)
  if len(curve) < 2:
    return [Text('It takes at least two regimes to say.')]
  rows = []
  for arm, real, equivalent, price in findings.worths(records):
    outside = {math.inf: 'more than measured', 0: f'below {min(curve)}'}
    price = 'none' if price == math.inf else 'unknown' if equivalent == math.inf else f'{price:.1f}'
    rows.append([real, shown(arm), outside.get(equivalent, f'{equivalent:.0f}'), price])
  text = 'Accuracy with generated images, read on the curve of real images with augmentation (linear in log n).'
  heads = ('Real a class', 'Arm', 'Worth real a class', 'Generated for one real')
  return [Text(text), Table(heads, rows, words=(1,))]
