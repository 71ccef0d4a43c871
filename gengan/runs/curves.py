"""Curves of a run's metrics as a picture."""

import contextlib
import json
import math
import os
import pathlib
import textwrap
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gengan.host import files

# Metrics that are read together, and share axes where one does not hide another; every other metric has its own.
_GROUPS = {
  'losses': ('d_loss', 'g_loss'),
  'mean logits of the discriminator': ('d_real', 'd_fake'),
  'accuracy of the discriminator': ('d_accuracy_real', 'd_accuracy_fake'),
  'penalties': ('r1', 'r2', 'gradient_penalty', 'path_length_penalty', 'lecam'),
  'evidence lower bound (nats)': ('elbo', 'recon', 'kl'),
  'norm of the gradient': ('d_grad_norm', 'g_grad_norm', 'encoder_grad_norm', 'decoder_grad_norm'),
  'norm of the parameters': ('d_param_norm', 'g_param_norm', 'encoder_param_norm', 'decoder_param_norm'),
  'learning rate': ('d_learning_rate', 'g_learning_rate', 'encoder_learning_rate', 'decoder_learning_rate'),
  "diversity as a share of the real data's": ('diversity_ratio', 'nearest_ratio', 'contrast_ratio'),
}
_MANIFOLD = ('precision_', 'recall_', 'density_', 'coverage_')  # how these begin; then comes the network
_LEAST = 0.1  # of the height of its axes, that a curve must cover to be seen beside others
_FLAT = 0.05  # of its size: a curve that changes less is flat on any axes
_MOST = 6  # curves on one pair of axes
_DECADES = 2  # from which on positive values are drawn on a logarithmic scale
_COLUMN = 5.2  # inches
_LETTERS = 12  # of the words at the foot, that an inch has room for


class Curve(NamedTuple):
  """One metric over time; its y is NaN where it was not finite."""

  name: str
  x: np.ndarray  # [N], ascending
  y: np.ndarray  # [N]

  @property
  def finite(self) -> np.ndarray:
    return self.y[np.isfinite(self.y)]


def plot(metrics_path: str | os.PathLike, path: str | os.PathLike) -> None:
  """Draws every metric of a run as PNG: the values faint, their running median strong.

  Metrics that are read together share axes (d_loss with g_loss, elbo with recon and kl), unless one would be a flat
  line beside another; a prefix such as `validation/` keeps a metric on the axes of its name. A scale is logarithmic
  where all values are positive and spread over two decades or more. The x axis is in thousands of images where the
  lines have `kimg`, else in steps. An axis that outliers would flatten shows the middle 98 % and says so. What is not
  finite is a gap, and is counted beside the name. What never changes, or has one value, is a line of text at the foot.
  The run's metrics.jsonl may still be growing.

  Raises:
    FileNotFoundError: no such metrics file.
    ValueError: no metric in it.
  """
  from matplotlib.figure import Figure  # here, for it takes half a second to import

  curves, unit = _read(metrics_path)
  if not curves:
    raise ValueError(f'{metrics_path}: no metrics to draw')
  drawn = [curve for curve in curves if len(set(curve.finite.tolist())) > 1]
  panels = _panels(drawn)
  columns = max(1, min(3 if len(panels) <= 12 else 4, len(panels)))
  rows = math.ceil(len(panels) / columns)
  words = _in_words([curve for curve in curves if curve not in drawn], unit)
  foot = textwrap.wrap(words, int(_LETTERS * _COLUMN * columns))
  size = (_COLUMN * columns, 3.4 * rows + 0.18 * len(foot) + 0.2)
  figure = Figure(figsize=size, layout='constrained')
  figure.get_layout_engine().set(
    rect=(0, (0.18 * len(foot) + 0.1) / size[1], 1, 1 - (0.18 * len(foot) + 0.1) / size[1])
  )
  figure.text(0.01, 0.05 / size[1], '\n'.join(foot), fontsize=9, va='bottom', parse_math=False)
  for place, (title, shared) in enumerate(panels, start=1):
    _draw(figure.add_subplot(rows, columns, place), title, shared, unit)
  with files.replacing(path) as beside:
    figure.savefig(beside, format='png', dpi=110)


def _read(path: str | os.PathLike) -> tuple[list[Curve], str]:
  """The metrics in JSON lines, by name, and the unit of x."""
  lines = []
  for line in pathlib.Path(path).read_text(encoding='utf-8', errors='replace').splitlines():
    with contextlib.suppress(ValueError, RecursionError):  # the last line of a run that still writes, or was killed
      lines.append(json.loads(line))
  lines = [line for line in lines if isinstance(line, dict) and 'step' in line]  # what is damaged ends no run
  unit = 'kimg' if lines and all('kimg' in line for line in lines) else 'step'
  points: dict[str, dict[float, float]] = {}
  for line in lines:
    for name in line.keys() - {'step', 'time', 'kimg'}:
      with contextlib.suppress(ValueError, TypeError):
        x, value = float(line[unit]), float(line[name])
        points.setdefault(name, {})[x] = value if math.isfinite(value) else math.nan
  return [Curve(name, *np.array(sorted(values.items())).T) for name, values in sorted(points.items())], unit


def _in_words(curves: Sequence[Curve], unit: str) -> str:
  """What a picture would not show better."""
  kinds: dict[str, list[str]] = {'Constant': [], 'One value': [], 'Never finite': []}
  for name, x, y in curves:
    finite = y[np.isfinite(y)]
    if not len(finite):
      kinds['Never finite'].append(name)
    elif len(y) == 1:
      kinds['One value'].append(f'{name} {y[0]:.4g} at {x[0]:,g} {unit}')
    else:
      gaps = _gaps(y)
      kinds['Constant'].append(f'{name} {finite[0]:.4g}{gaps}')
  return '  '.join(f'{kind}: {", ".join(texts)}.' for kind, texts in kinds.items() if texts)


def _panels(curves: Sequence[Curve]) -> list[tuple[str, list[Curve]]]:
  """A title and the curves for every pair of axes."""
  group_of = {name: title for title, names in _GROUPS.items() for name in names}
  groups: dict[str, list[list[Curve]]] = {title: [] for title in _GROUPS}
  for curve in curves:
    base = _base(curve)
    title = 'precision to coverage' if base.startswith(_MANIFOLD) else group_of.get(base, base)
    panels = groups.setdefault(title, [])
    nearest = sorted(panels, key=lambda panel: base not in map(_base, panel))  # its namesake's first
    if fitting := next((panel for panel in nearest if _all_seen([*panel, curve])), None):
      fitting.append(curve)
    else:
      panels.append([curve])
  of = lambda title, place: f'{title}, {place} of {len(groups[title])}' if len(groups[title]) > 1 else title
  return [(of(title, place), panel) for title, panels in groups.items() for place, panel in enumerate(panels, start=1)]


def _base(curve: Curve) -> str:
  """'validation/elbo' -> 'elbo'."""
  return curve.name.rpartition('/')[2]


def _logarithmic(curves: Sequence[Curve]) -> bool:
  """Whether the values are positive, and their middle 98 % spread over decades."""
  low, high = _middle(curves)
  return min(curve.finite.min() for curve in curves) > 0 and high / low >= 10**_DECADES


def _all_seen(curves: Sequence[Curve]) -> bool:
  """Whether they are not too many, and each either is as good as flat or covers enough of the axes that all share."""
  read = np.log10 if _logarithmic(curves) else np.asarray
  low, high = map(read, _middle(curves))

  def is_seen(curve: Curve) -> bool:
    flat = np.ptp(np.percentile(curve.finite, (1, 99))) <= _FLAT * abs(np.median(curve.finite))
    return flat or np.ptp(read(np.percentile(curve.finite, (1, 99)))) >= _LEAST * (high - low)

  return len(curves) <= _MOST and all(map(is_seen, curves))


def _middle(curves: Sequence[Curve]) -> tuple[float, float]:
  """From the lowest to the highest value, each curve without its outliers."""
  lows, highs = zip(*(np.percentile(curve.finite, (1, 99)) for curve in curves), strict=True)
  return min(lows), max(highs)


def _gaps(y: np.ndarray) -> str:
  missing = int(np.isnan(y).sum())
  return f' ({missing:,} of {len(y):,} not finite)' if missing else ''


def _draw(axes, title: str, curves: Sequence[Curve], unit: str) -> None:
  for name, x, y in curves:
    window = max(1, len(y) // 20)
    label = name + _gaps(y)
    if window == 1:
      axes.plot(x, y, label=label, linewidth=1.5, marker='o' if len(y) < 40 else None, markersize=3)
    else:
      (raw,) = axes.plot(x, y, linewidth=0.7, alpha=0.25)
      axes.plot(*_running_median(x, y, window), color=raw.get_color(), linewidth=1.6, label=label)
  low, high = _middle(curves)
  values = np.concatenate([curve.finite for curve in curves])
  if _logarithmic(curves):
    axes.set_yscale('log')
  elif np.ptp(values) > 4 * (high - low) > 0:
    title += ' (middle 98 %)'
    axes.set_ylim(low - 0.1 * (high - low), high + 0.1 * (high - low))
  if not _logarithmic(curves):
    axes.ticklabel_format(useOffset=False)
  axes.set_title(title, fontsize=11, parse_math=False)
  axes.set_xlabel('thousands of images (kimg)' if unit == 'kimg' else 'step', fontsize=9)
  axes.grid(alpha=0.3)
  for text in axes.legend(fontsize=9).get_texts():
    text.set_parse_math(False)


def _running_median(x: np.ndarray, y: np.ndarray, window: int) -> tuple[np.ndarray, np.ndarray]:
  """Median of up to `window` values on either side, as many on both, at up to 400 places: no lag, no spikes."""
  places = np.unique(np.linspace(0, len(y) - 1, 400).round().astype(int))

  def around(place: int) -> float:
    reach = min(window, place, len(y) - 1 - place)
    return np.nanmedian(y[place - reach : place + reach + 1])

  return x[places], np.array([math.nan if np.isnan(y[place]) else around(place) for place in places])
