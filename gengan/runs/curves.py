"""Curves of a run's metrics as a picture."""

import contextlib
import json
import math
import os
import pathlib
from collections.abc import Mapping

import numpy as np

from gengan.host import files

# Metrics that belong on one pair of axes; every other metric has its own.
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


def plot(metrics_path: str | os.PathLike, path: str | os.PathLike) -> None:
  """Draws every metric of a run as PNG: the values faint, their running median strong.

  Metrics that are read together share axes (d_loss with g_loss, elbo with recon and kl); a prefix such as
  `validation/` keeps a metric on the axes of its name. The x axis is in thousands of images where the lines have
  `kimg`, else in steps. An axis that outliers would flatten shows the middle 98 % and says so. The run's metrics.jsonl
  may still be growing.

  Raises:
    FileNotFoundError: no such metrics file.
    ValueError: no metric in it.
  """
  from matplotlib.figure import Figure  # here, for it takes half a second to import

  curves, unit = _read(metrics_path)
  if not curves:
    raise ValueError(f'{metrics_path}: no metrics to draw')
  group_of = {name: title for title, names in _GROUPS.items() for name in names}
  panels = {title: {} for title in _GROUPS}
  for name, curve in curves.items():
    base = name.rsplit('/', 1)[-1]
    panels.setdefault(group_of.get(base, base), {})[name] = curve
  panels = {title: drawn for title, drawn in panels.items() if drawn}
  columns = min(3, len(panels))
  rows = math.ceil(len(panels) / columns)
  figure = Figure(figsize=(5.2 * columns, 3.4 * rows), layout='constrained')
  for place, (title, drawn) in enumerate(panels.items(), start=1):
    _draw(figure.add_subplot(rows, columns, place), title, drawn, unit)
  with files.replacing(path) as beside:
    figure.savefig(beside, format='png', dpi=110)


def _read(path: str | os.PathLike) -> tuple[dict[str, np.ndarray], str]:
  """Each metric's x and y, [2, N], from JSON lines, in x's order, and the unit of x."""
  lines = []
  for line in pathlib.Path(path).read_text(encoding='utf-8').splitlines():
    with contextlib.suppress(json.JSONDecodeError):  # the last line of a run that is still writing, or was killed
      lines.append(json.loads(line))
  unit = 'kimg' if lines and all('kimg' in line for line in lines) else 'step'
  points: dict[str, dict[float, float]] = {}
  for line in lines:
    for name in line.keys() - {'step', 'time', 'kimg'}:
      points.setdefault(name, {})[line[unit]] = float(line[name])
  return {name: np.array(sorted(values.items())).T for name, values in sorted(points.items())}, unit


def _draw(axes, title: str, curves: Mapping[str, np.ndarray], unit: str) -> None:
  shown, whole = [], []  # (lowest, highest) of every curve, with and without its outliers
  for name, (x, y) in curves.items():
    finite = np.isfinite(y)
    x, y = x[finite], y[finite]
    if not len(y):
      axes.plot([], [], label=f'{name} (never finite)')
      continue
    window = max(1, len(y) // 20)
    if window == 1:
      axes.plot(x, y, label=name, linewidth=1.5, marker='o' if len(y) < 40 else None, markersize=3)
    else:
      (raw,) = axes.plot(x, y, linewidth=0.7, alpha=0.25)
      axes.plot(*_running_median(x, y, window), color=raw.get_color(), linewidth=1.6, label=name)
    shown.append(np.percentile(y, (1, 99)))
    whole.append((y.min(), y.max()))
  if shown:
    (low, high), (lowest, highest) = [(min(a), max(b)) for a, b in (zip(*shown, strict=True), zip(*whole, strict=True))]
    if highest - lowest > 4 * (high - low) > 0:
      title += ' (middle 98 %)'
      axes.set_ylim(low - 0.1 * (high - low), high + 0.1 * (high - low))
    elif highest == lowest:
      axes.set_ylim(lowest - (0.1 * abs(lowest) or 1), lowest + (0.1 * abs(lowest) or 1))
  axes.set_title(title, fontsize=11)
  axes.set_xlabel('thousands of images (kimg)' if unit == 'kimg' else 'step', fontsize=9)
  axes.ticklabel_format(useOffset=False)
  axes.grid(alpha=0.3)
  axes.legend(fontsize=9)


def _running_median(x: np.ndarray, y: np.ndarray, window: int) -> tuple[np.ndarray, np.ndarray]:
  """Median of the `window` values on either side, at up to 400 places: no lag, and one spike does not move it."""
  places = np.unique(np.linspace(0, len(y) - 1, 400).round().astype(int))
  return x[places], np.array([np.median(y[max(0, place - window) : place + window + 1]) for place in places])
