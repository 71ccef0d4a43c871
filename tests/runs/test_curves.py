"""Curves are checked by reading back what is on the axes."""

import json

import numpy as np
import pytest
from PIL import Image

from gengan.runs import curves


def write_metrics(path, lines):
  path.write_text('\n'.join(json.dumps(line) for line in lines) + '\n{"step": 9', encoding='utf-8')


def axes_of(monkeypatch, metrics, out):
  """Draws the curves and returns what is on the axes, by title."""
  from matplotlib.figure import Figure

  figures = []
  save = Figure.savefig
  monkeypatch.setattr(Figure, 'savefig', lambda self, *a, **k: (figures.append(self), save(self, *a, **k)))
  curves.plot(metrics, out)
  return {axes.get_title(): axes for axes in figures[0].axes}


def test_curves_group_metrics_and_keep_their_values(tmp_path, monkeypatch):
  lines = [{'step': s, 'time': 1.0, 'kimg': s / 2, 'd_loss': s * 1.0, 'g_loss': 3.0, 'lr': 0.1} for s in range(5)]
  lines[2]['d_loss'] = 'NaN'
  lines += [{'step': 4, 'kimg': 2.0, 'validation/d_loss': 7.0}]
  write_metrics(tmp_path / 'metrics.jsonl', lines)
  axes = axes_of(monkeypatch, tmp_path / 'metrics.jsonl', tmp_path / 'curves.png')
  assert set(axes) == {'losses', 'lr'}
  drawn = {line.get_label(): line.get_xydata().tolist() for line in axes['losses'].lines}
  assert drawn['d_loss'] == [[0, 0], [0.5, 1], [1.5, 3], [2, 4]]
  assert drawn['validation/d_loss'] == [[2, 7]]
  assert 'kimg' in axes['losses'].get_xlabel()
  assert Image.open(tmp_path / 'curves.png').size[0] > 800


def test_curves_smooth_without_lag_and_survive_a_spike(tmp_path, monkeypatch):
  y = np.linspace(0, 1, 1000)
  y[500] = 1e6
  write_metrics(tmp_path / 'metrics.jsonl', [{'step': s, 'g_loss': float(v)} for s, v in enumerate(y)])
  ((title, axes),) = axes_of(monkeypatch, tmp_path / 'metrics.jsonl', tmp_path / 'curves.png').items()
  assert 'middle 98 %' in title and axes.get_ylim()[1] < 2 and axes.get_xlabel() == 'step'
  raw, smooth = axes.lines
  assert len(raw.get_xdata()) == 1000 and raw.get_alpha() < 0.5
  inside = slice(30, -30)
  np.testing.assert_allclose(smooth.get_ydata()[inside], smooth.get_xdata()[inside] / 999, atol=2e-3)


def test_curves_need_metrics(tmp_path):
  with pytest.raises(FileNotFoundError):
    curves.plot(tmp_path / 'none.jsonl', tmp_path / 'curves.png')
  (tmp_path / 'empty.jsonl').write_text('')
  with pytest.raises(ValueError, match='no metrics'):
    curves.plot(tmp_path / 'empty.jsonl', tmp_path / 'curves.png')
