"""The picture of a comparison: accuracy over real images, and how many real ones the generated were worth."""

import math
import pathlib
from collections.abc import Collection, Sequence

import numpy as np

from gengan.utility.findings import Records, Worth, baseline_curve, by_arm, by_size, per_class, shown, worths
from gengan.utility.plan import LONG_TAIL
from gengan.utility.statistics import deviation

APART = 0.06  # of a number of images, by which the outer arms stand beside it, so that no bar hides another


def plot(records: Records, path: pathlib.Path) -> None:
  """Test accuracy over real training images a class, a line an arm, bars of one standard deviation.

  Of a single amount of real images, and of the long tail where there is no other regime, an arm a row instead. From two
  amounts on there is the equivalence curve beside it: how many real images a class the mixed arms were worth. Triangles
  stand where the accuracy lies outside what was measured with real images alone.
  """
  from matplotlib.figure import Figure  # here, for it takes half a second to import

  found = worths(records)
  figure = Figure(figsize=(12 if found else 7, 5), layout='constrained')
  first, *others = figure.subplots(1, 1 + bool(found), squeeze=False)[0]
  balanced = [r for r in records if r['regime'] != LONG_TAIL]
  if len({r['regime'] for r in balanced}) > 1:
    _plot_accuracies(first, balanced)
  else:
    _plot_rows(first, balanced or records)
  for axes in others:
    _plot_worths(axes, found, baseline_curve(records))
  for axes in (first, *others):
    axes.grid(alpha=0.3)
    if axes.get_legend_handles_labels()[0]:
      axes.legend(frameon=False, loc='upper center', bbox_to_anchor=(0.5, -0.13), ncols=3)
  figure.savefig(path, format='png', dpi=130)


def _plot_rows(axes, records: Records) -> None:
  """An arm a row, the first on top."""
  accuracies = by_arm(records, records[0]['regime'])
  values = [list(own.values()) for own in accuracies.values()]
  rows = np.arange(len(values))
  axes.errorbar([np.mean(own) for own in values], rows, xerr=[deviation(own) for own in values], fmt='o', capsize=3)
  axes.set_yticks(rows, [shown(arm) for arm in accuracies])
  axes.set(xlabel='accuracy on real test images', ylim=(len(values) - 0.5, -0.5))


def _plot_accuracies(axes, records: Records) -> None:
  arms = list(dict.fromkeys(r['arm'] for r in records))
  for arm, beside in zip(arms, np.linspace(-1, 1, len(arms)), strict=True):
    sizes, values = zip(*sorted(by_size(records, arm).items()), strict=True)
    means, deviations = [np.mean(each) for each in values], [deviation(each) for each in values]
    places = np.multiply(sizes, (1 + APART) ** beside)
    axes.errorbar(places, means, deviations, marker='o', markersize=4, capsize=3, label=shown(arm))
  axes.set(xscale='log', xlabel='real images a class', ylabel='accuracy on real test images')
  _mark(axes.xaxis, {per_class(r) for r in records})


def _plot_worths(axes, found: Sequence[Worth], curve: dict[int, float]) -> None:
  sizes = sorted(curve)
  axes.plot(sizes, sizes, color='grey', linestyle='--', label='real images alone')
  for arm in dict.fromkeys(worth.arm for worth in found):
    own = sorted((worth for worth in found if worth.arm == arm), key=lambda worth: worth.real)
    heights = [min(max(worth.equivalent, sizes[0]), sizes[-1]) for worth in own]
    (line,) = axes.plot([worth.real for worth in own], heights, label=shown(arm))
    for worth, height in zip(own, heights, strict=True):
      marker = '^' if worth.equivalent == math.inf else 'o' if worth.equivalent else 'v'
      axes.plot(worth.real, height, marker, color=line.get_color())
  axes.set(xscale='log', yscale='log', xlabel='real images a class', ylabel='worth real images a class')
  for axis in (axes.xaxis, axes.yaxis):
    _mark(axis, sizes)


def _mark(axis, sizes: Collection[int]) -> None:
  """Marks an axis of numbers of images at those that were measured."""
  axis.set_ticks(sorted(sizes), [f'{size:,}' for size in sorted(sizes)])
  axis.set_ticks([], minor=True)
