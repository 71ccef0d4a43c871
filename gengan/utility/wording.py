"""Wording of a comparison's report: verdicts, cautions and protocol as sentences, and numbers as cells."""

from collections import Counter
from collections.abc import Iterable

import numpy as np
from ml_collections import ConfigDict

from gengan.utility import findings
from gengan.utility.arms import split_means
from gengan.utility.findings import Finding, Records, by_arm, shown
from gengan.utility.plan import LONG_TAIL
from gengan.utility.statistics import HELPED, HURT, LEVEL, UNTOLD, VERDICTS, Difference, deviation, least_errors

FEW = 5  # seeds: fewer are told to be few


def verdicts(records: Records) -> list[str]:
  """Sentences with the verdicts about every regime; none where no arm with generated images can be compared yet."""
  return [line for regime, found in findings.by_regime(records).items() for line in _verdict(records, regime, found)]


def _verdict(records: Records, regime: str, found: Finding) -> list[str]:
  if found.best is None:
    return []
  best, name = found.differences[found.best], title(regime)
  verdict = f'generated images {best.verdict}' if best.verdict in (HELPED, HURT) else best.verdict
  accuracy = mean(by_arm(records, regime)[found.best].values())
  lines = [
    f'{name}: {verdict}. {shown(found.best)}, the best arm with generated images, is at {accuracy} %: {told(best)} '
    f'compared with {shown(found.reference)}, the best arm of real images alone.'
  ]
  if found.alone not in (None, found.best):
    alone = found.differences[found.alone]
    lines.append(f'{name}, generated images alone: {alone.verdict}; {shown(found.alone)} is best, {told(alone)}.')
  counts = Counter(each.verdict for arm, each in found.differences.items() if arm not in findings.REAL_ALONE)
  if counts.total() > counts[UNTOLD] + 1:
    each = ', '.join(f'{counts[verdict]} {verdict}' for verdict in VERDICTS if counts[verdict])
    lines.append(f'{name}, all {counts.total()} arms with generated images: {each}.')
  return lines


def cautions(records: Records) -> list[str]:
  """What a reader must know before believing the verdicts: how little a few seeds can show."""
  found = findings.by_regime(records).values()
  seeds = min((each.seeds for own in found for each in own.differences.values()), default=0)
  if seeds == 1:
    return ['With one seed measured nothing can be told, so there is no verdict: --config.seeds=3 or more adds to it.']
  most = max((len(own.differences) for own in found), default=0)
  if not 1 < seeds < FEW:
    return []
  now, then = least_errors(most, seeds), least_errors(most, 2 * FEW)
  return [
    f'{seeds} seeds are few: of {most} arms compared, the clearest must differ by {now:.1f} of its standard errors to '
    f'get a verdict; with {2 * FEW} seeds, by {then:.1f}. A larger --config.seeds adds to what is here.'
  ]


def protocol(config: ConfigDict) -> list[str]:
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
    f'Classifier: pre-activation ResNet, three stages of one block, width {c.width}; AdamW, cosine schedule, batches '
    f'of {c.batch_size}; {c.steps:,} steps in every arm but "real", which stops after {c.passes} passes if that '
    'is less.',
    f"Early stopping every {c.eval_every_steps} steps, or every fifth of an arm's steps if that is less, on real "
    'validation images; the test images were never used to choose anything.',
    f'Classical augmentation: {c.augment or "none"}{", flips" if config.generator.data.flip else ""}, in all arms '
    'but "real" and "oversampled" (in the long tail: in all).',
    f'Means: {"; ".join(text for name, text in means.items() if name in used) or "none"}. Beside real images: '
    f'{s.mixed_means or "none"}; in the long tail each seed draws one set in advance and keeps it.',
    'The long tail has all validation images of every class; only its training images are thinned out.',
    f'{config.seeds} seeds: each draws the classifier, the order, the augmentation and the generated images anew. '
    'The real images and the generator of a regime are the same for all, so the errors do not show what another choice '
    'of real images would change, nor another choice of test images.',
    'Differences are paired by seed, for all arms have the same seeds. The 95 % interval and p are of the two-sided '
    'paired t-test of Student, with as many degrees of freedom as seeds less one; the standard error is at least one '
    'test image.',
    'Verdicts are by the correction of Holm over the arms of a regime (by class: over the classes): where none differs '
    f'from the reference, any is called different with a probability of {100 * LEVEL:.0f} %. That the reference is '
    'itself chosen, by its validation accuracy, can add up to one point to that.',
  ]


def title(regime: str) -> str:
  return {'all': 'All real images', LONG_TAIL: 'Long tail'}.get(regime, regime.replace('_', ' '))


def mean(accuracies: Iterable[float], digits: int = 2) -> str:
  values = list(accuracies)
  tail = f' ± {100 * deviation(values):.{digits}f}' if len(values) > 1 else ''
  return f'{100 * np.mean(values):.{digits}f}{tail}'


def told(difference: Difference) -> str:
  """A difference in words."""
  points = f'{100 * difference.mean:+.2f} points'
  if difference.adjusted is None:
    return f'{points} (one seed)'
  interval = f'95 % interval {100 * difference.low:+.2f} to {100 * difference.high:+.2f}'
  return f'{points} ({interval}, p {p_text(difference.adjusted)} by Holm, {difference.seeds} seeds)'


def cells(difference: Difference | None) -> list[str]:
  """A difference, its interval, both p-values and its verdict."""
  if difference is None:
    return [''] * 5
  points = f'{100 * difference.mean:+.2f}'
  if difference.adjusted is None:
    return [points, '', '', '', difference.verdict]
  interval = f'{100 * difference.low:+.2f} to {100 * difference.high:+.2f}'
  return [points, interval, p_text(difference.p_value), p_text(difference.adjusted), difference.verdict]


def p_text(value: float) -> str:
  return f'{value:.3f}' if value >= 0.001 else 'below 0.001'
