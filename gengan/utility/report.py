"""The report of a comparison for a person: `report.md` with every number, and `accuracy.png`."""

import math
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from gengan.host import files
from gengan.utility import findings, picture
from gengan.utility.arms import split_means
from gengan.utility.findings import BASELINE, Records, by_arm, num_test, shown
from gengan.utility.plan import LONG_TAIL, regimes, wanted
from gengan.utility.statistics import ERRORS, Gain, deviation


def write(workdir: pathlib.Path, records: Records, config: ConfigDict) -> tuple[pathlib.Path, pathlib.Path]:
  """Writes both files, each in one piece; returns their paths."""
  page, drawn = workdir / 'report.md', workdir / 'accuracy.png'
  with files.replacing(drawn) as beside:
    picture.plot(records, beside)
  files.write_text(page, render(records, config))
  return page, drawn


def render(records: Records, config: ConfigDict) -> str:
  """The report as Markdown."""
  parts = ['# What generated images are worth to a classifier', *_missing(records, config), *_conclusion(records)]
  parts.append('![accuracy](accuracy.png)')
  for regime in dict.fromkeys(r['regime'] for r in records):
    parts += ['', f'## {_title(regime)}', '', _amounts(records, regime), '', *_arms(records, regime)]
    parts += ['', *_gap(records, regime), *_by_class(records, regime)]
  parts += ['', '## Generated images for one more real image', '', *_equivalence(records), '', *_protocol(config)]
  return '\n'.join(parts) + '\n'


def _missing(records: Records, config: ConfigDict) -> list[str]:
  measured = {(r['regime'], r['arm'], r['seed']) for r in records}
  planned = [(regime.name, *each) for regime in regimes(config) for each in wanted(regime, config.seeds)]
  missing = len(set(planned) - measured)
  return ['', f'**Not finished: {missing} of {len(planned)} classifiers are missing.**'] if missing else []


def _conclusion(records: Records) -> list[str]:
  lines = ['']
  for regime in dict.fromkeys(r['regime'] for r in records):
    if arm := findings.best_mixed(records, regime):
      found = findings.gains(records, regime)
      best, worst = found[arm], min(gain.mean for name, gain in found.items() if findings.has_both(name))
      what = {'helps': 'helped', 'hurts': 'hurt', 'undecided': 'made no difference that this many seeds can show'}
      line = f'- **{_title(regime)}**: generated images {what[best.verdict]} (mixed arm that is best on '
      line += f'validation images: {shown(arm)}, {_points(best)} points over classical augmentation).'
      if worst < 0 and worst < best.mean and best.verdict != 'hurts':
        line += f' At the worst ratio: {100 * worst:+.2f} points.'
      real = findings.best_real(records, regime)
      if real not in (None, BASELINE):
        line += f' But of the arms of real images alone, {shown(real)} is best on validation images: '
        line += f'{_points(found[real])} points.'
      lines.append(line)
  return [*lines, '']


def _amounts(records: Records, regime: str) -> str:
  record = next(r for r in records if r['regime'] == regime)
  real = record['real_by_class']
  each = f'{min(real)}' if min(real) == max(real) else f'{min(real)} to {max(real)}'
  return (
    f'{sum(real):,} real training images, {each} a class; {record["num_validation"]:,} real validation images for '
    f'early stopping; {num_test(records, regime):,} real test images. The generator was trained on those '
    f'training images and no others. Copies: {record["copies"]["text"]}'
  )


def _arms(records: Records, regime: str) -> list[str]:
  lines = [
    '| Arm | Generated | Accuracy | Seeds | Gain over augmented | p | Verdict |',
    '|---|---:|---:|---:|---:|---:|---|',
  ]
  found = findings.gains(records, regime)
  for arm, own in by_arm(records, regime).items():
    generated = next(r['num_generated'] for r in records if (r['regime'], r['arm']) == (regime, arm))
    mean = f'{_mean(list(own.values()))} %'
    lines.append(_row([shown(arm), f'{generated:,}', mean, len(own), *_told(found.get(arm))]))
  return lines


def _gap(records: Records, regime: str) -> list[str]:
  """By how much generated images alone are worse than real ones alone."""
  arm, real = findings.best_synthetic(records, regime), findings.best_real(records, regime)
  generated_alone, real_alone = (by_arm(records, regime).get(name, {}) for name in (arm, real))
  gap = findings.gain_over(generated_alone, real_alone, num_test(records, regime))
  if gap is None:
    return []
  return [
    f'Gap of generated images alone to real ones alone: {_points(gap)} points ({shown(arm)} to {shown(real)}, of '
    'either kind the arm that is best on validation images).',
    '',
  ]


def _by_class(records: Records, regime: str) -> list[str]:
  """Mean and standard deviation of every arm, and the paired gain of the `best_mixed` one."""
  best = findings.best_mixed(records, regime)
  accuracies = by_arm(records, regime, 'by_class')
  first = next(r for r in records if r['regime'] == regime)
  heads = ['Class', *(shown(arm) for arm in accuracies)]
  heads += [f'Gain of {shown(best)}', 'p', 'Verdict'] if best else []
  lines = [_row(heads), '|---' + '|---:' * (len(heads) - 1) + '|']
  for label, title in enumerate(first['class_names']):
    cells = [title, *(_mean([values[label] for values in own.values()], digits=1) for own in accuracies.values())]
    if best:
      baseline, own = ({s: v[label] for s, v in accuracies[arm].items()} for arm in (BASELINE, best))
      cells += _told(findings.gain_over(baseline, own, first['test_by_class'][label]))
    lines.append(_row(cells))
  return lines


def _equivalence(records: Records) -> list[str]:
  curve = findings.baseline_curve(records)
  if len(curve) < 2:
    return ['It takes at least two regimes to say.']
  lines = [
    'Accuracy with generated images, read on the curve of real images with augmentation (linear in log n).',
    '',
    '| Real a class | Arm | Worth real a class | Generated for one real |',
    '|---:|---|---:|---:|',
  ]
  for arm, real, equivalent, price in findings.worths(records):
    outside = {math.inf: 'more than measured', 0: f'below {min(curve)}'}
    worth = outside.get(equivalent, f'{equivalent:.0f}')
    price = 'none' if price == math.inf else 'unknown' if equivalent == math.inf else f'{price:.1f}'
    lines.append(f'| {real} | {shown(arm)} | {worth} | {price} |')
  return lines


def _protocol(config: ConfigDict) -> list[str]:
  c, s = config.classifier, config.synthetic
  judge = 'a classifier of the real images, augmented or not, whichever is better on validation images,'
  means = {
    'recycle': f'recycle: drawn anew every {s.every_epochs} epochs, else once',
    'filter': f'filter: an image is kept if {judge} gives its class a probability of {s.min_agreement:g} or more',
    'relabel': f'relabel: the label is the class that {judge} finds',
    'expand': f'expand: latents drawn with truncation {s.scale:g}',
  }
  used = {name for each in (*s.means, s.mixed_means) for name in split_means(each)}
  return [
    '## Protocol',
    '',
    f'- Classifier: pre-activation ResNet, three stages of one block, width {c.width}; AdamW, cosine schedule, batches '
    f'of {c.batch_size}; {c.steps:,} steps in every arm but `real`, which stops after {c.passes} passes if that '
    'is less.',
    f"- Early stopping every {c.eval_every_steps} steps, or every fifth of an arm's steps if that is less, on real "
    'validation images; the test images were never used to choose anything.',
    f'- Classical augmentation: {c.augment or "none"}{", flips" if config.generator.data.flip else ""}, in all arms '
    'but `real` and `oversampled` (in the long tail: in all).',
    f'- Means: {"; ".join(text for name, text in means.items() if name in used) or "none"}. Beside real images: '
    f'{s.mixed_means or "none"}; in the long tail each seed draws one set in advance and keeps it.',
    '- The long tail has all validation images of every class; only its training images are thinned out.',
    f'- {config.seeds} seeds: each draws the classifier, the order, the augmentation and the generated images anew. '
    'The real images and the generator of a regime are the same for all, so the errors do not show what another choice '
    'of real images would change, nor another choice of test images.',
    f'- A gain is called one from {ERRORS:g} standard errors on. The standard error is that over the seeds, but at '
    'least one test image. p is of the two-sided paired t-test, not corrected for the number of comparisons.',
  ]


def _title(regime: str) -> str:
  return {'all': 'All real images', LONG_TAIL: 'Long tail'}.get(regime, regime.replace('_', ' '))


def _row(cells: Sequence[Any]) -> str:
  return '| ' + ' | '.join(str(cell) for cell in cells) + ' |'


def _mean(accuracies: Sequence[float], digits: int = 2) -> str:
  tail = f' ± {100 * deviation(accuracies):.{digits}f}' if len(accuracies) > 1 else ''
  return f'{100 * np.mean(accuracies):.{digits}f}{tail}'


def _points(gain: Gain) -> str:
  error = '' if math.isnan(gain.error) else f' ± {100 * gain.error:.2f}'
  return f'{100 * gain.mean:+.2f}{error}'


def _told(gain: Gain | None) -> list[str]:
  """Cells of a gain, its p-value and its verdict."""
  if gain is None:
    return ['', '', '']
  return [_points(gain), '' if math.isnan(gain.p_value) else f'{gain.p_value:.3f}', gain.verdict]
