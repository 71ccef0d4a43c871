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
  return {axes.get_title(): axes for axes in figures[-1].axes}


def words_of(figure_axes):
  figure = next(iter(figure_axes.values())).figure
  return ' '.join(text.get_text() for text in figure.texts).replace('\n', ' ')


def test_curves_group_metrics_and_keep_their_values(tmp_path, monkeypatch):
  lines = [{'step': s, 'time': 1.0, 'kimg': s / 2, 'd_loss': s * 1.0, 'g_loss': 3.0 - s} for s in range(5)]
  lines += [{'step': s, 'kimg': s / 2, 'validation/d_loss': 7.0 - s} for s in (2, 4)]
  write_metrics(tmp_path / 'metrics.jsonl', lines)
  axes = axes_of(monkeypatch, tmp_path / 'metrics.jsonl', tmp_path / 'curves.png')
  assert set(axes) == {'losses'}
  drawn = {line.get_label(): line.get_xydata().tolist() for line in axes['losses'].lines}
  assert drawn['d_loss'] == [[0, 0], [0.5, 1], [1, 2], [1.5, 3], [2, 4]]
  assert drawn['validation/d_loss'] == [[1, 5], [2, 3]]
  assert 'kimg' in axes['losses'].get_xlabel()


def test_what_never_changes_or_has_one_value_is_said_and_not_drawn(tmp_path, monkeypatch):
  lines = [{'step': s, 'd_loss': s * 1.0, 'lr': 0.125, 'odd': 'NaN', 'gone': 'NaN' if s else 2.0} for s in range(5)]
  lines += [{'step': 4, 'validation/elbo': -33.5}]
  write_metrics(tmp_path / 'metrics.jsonl', lines)
  axes = axes_of(monkeypatch, tmp_path / 'metrics.jsonl', tmp_path / 'curves.png')
  assert set(axes) == {'losses'} and [line.get_label() for line in axes['losses'].lines] == ['d_loss']
  assert words_of(axes) == (
    'Constant: gone 2 (4 of 5 not finite), lr 0.125.  One value: validation/elbo -33.5 at 4 step.  Never finite: odd.'
  )


def test_words_at_the_foot_end_within_the_picture(tmp_path):
  many = {
    f'd_accuracy_{name}': 0.9876e-5 for name in ('real', 'fake', 'mmmm', 'of_all', 'of_none', 'of_some', 'of_one')
  }
  write_metrics(tmp_path / 'metrics.jsonl', [{'step': 1000, 'kimg': 8888.888, **many}])
  curves.plot(tmp_path / 'metrics.jsonl', tmp_path / 'curves.png')
  inked = np.asarray(Image.open(tmp_path / 'curves.png').convert('L')) < 200
  assert inked.any() and not inked[:, -8:].any()


def test_a_run_of_one_step_has_words_alone(tmp_path):
  write_metrics(tmp_path / 'metrics.jsonl', [{'step': 1, 'd_loss': 2.0, 'g_loss': 1.0}])
  curves.plot(tmp_path / 'metrics.jsonl', tmp_path / 'curves.png')
  picture = np.asarray(Image.open(tmp_path / 'curves.png').convert('L'))
  assert picture.shape[1] > 300 and (picture < 100).any()


def test_values_that_are_not_finite_are_gaps_and_are_counted(tmp_path, monkeypatch):
  y = [1.0, 2.0, 'NaN', 4.0, 'Infinity', 6.0]
  write_metrics(tmp_path / 'metrics.jsonl', [{'step': s, 'fd': value} for s, value in enumerate(y)])
  axes = axes_of(monkeypatch, tmp_path / 'metrics.jsonl', tmp_path / 'curves.png')
  (line,) = axes['fd'].lines
  assert line.get_label() == 'fd (2 of 6 not finite)'
  np.testing.assert_array_equal(line.get_ydata(), [1, 2, np.nan, 4, np.nan, 6])

  long = [{'step': s, 'fd': 'NaN' if 50 <= s < 60 else float(s)} for s in range(200)]
  write_metrics(tmp_path / 'metrics.jsonl', long)
  with monkeypatch.context() as patch:
    _, median = axes_of(patch, tmp_path / 'metrics.jsonl', tmp_path / 'curves.png')['fd'].lines
  assert np.isnan(median.get_ydata()[50:60]).all() and np.isfinite(np.delete(median.get_ydata(), np.s_[50:60])).all()


def seen(axes):
  """The share of the height of its axes that every curve covers, by name."""
  found = {}
  for title, one in axes.items():
    low, high = one.transData.transform([(0, y) for y in one.get_ylim()])[:, 1]
    for line in one.lines:
      y = line.get_ydata()[np.isfinite(line.get_ydata())]
      inside = one.transData.transform([(0, value) for value in np.percentile(y, (1, 99))])[:, 1]
      found[title, line.get_label()] = np.ptp(inside) / (high - low)
  return found


def test_no_metric_hides_behind_another(tmp_path, monkeypatch):
  rng = np.random.default_rng(0)
  scales = {'d_loss': (1, 0.1), 'g_loss': (60, 5), 'elbo': (-800, 20), 'recon': (-790, 20), 'kl': (10, 0.3)}
  scales |= {'d_real': (1, 0.5), 'd_fake': (-1, 0.5)}
  lines = [{'step': s, **{n: m + d * rng.normal() for n, (m, d) in scales.items()}} for s in range(30)]
  for line in lines:
    line |= {'d_grad_norm': 10 ** rng.normal(), 'g_grad_norm': 10 ** rng.normal(-3, 0.5)}
  write_metrics(tmp_path / 'metrics.jsonl', lines)
  axes = axes_of(monkeypatch, tmp_path / 'metrics.jsonl', tmp_path / 'curves.png')
  shares = seen(axes)
  assert {name for _, name in shares} == {*scales, 'd_grad_norm', 'g_grad_norm'}
  assert min(shares.values()) > 0.08, shares
  assert len(axes['mean logits of the discriminator'].lines) == 2  # those that can be read together are
  assert axes['norm of the gradient'].get_yscale() == 'log' and len(axes['norm of the gradient'].lines) == 2
  assert axes['losses, 2 of 2'].get_yscale() == 'linear'
  assert [line.get_label() for line in axes['evidence lower bound (nats), 1 of 2'].lines] == ['elbo', 'recon']


def test_what_is_measured_on_the_validation_split_stands_beside_its_namesake(tmp_path, monkeypatch):
  lines = [{'step': s, 'elbo': -90 - 400 / (s + 4), 'kl': 16 - s / 5} for s in range(20)]
  lines += [{'step': s, 'validation/elbo': -93.0 - s / 20, 'validation/kl': 14 + s / 100} for s in (10, 19)]
  lines += [
    {'step': s, 'diversity_ratio': 0.7 + s / 1000, 'nearest_ratio': 0.93, 'contrast_ratio': s / 20} for s in (1, 19)
  ]
  write_metrics(tmp_path / 'metrics.jsonl', lines)
  axes = axes_of(monkeypatch, tmp_path / 'metrics.jsonl', tmp_path / 'curves.png')
  drawn = {title: [line.get_label() for line in one.lines] for title, one in axes.items()}
  assert drawn == {
    'evidence lower bound (nats), 1 of 2': ['elbo', 'validation/elbo'],
    'evidence lower bound (nats), 2 of 2': ['kl', 'validation/kl'],
    "diversity as a share of the real data's": ['contrast_ratio', 'diversity_ratio'],
  }


def test_a_scale_is_logarithmic_only_over_decades_of_positive_values(tmp_path, monkeypatch):
  powers = np.linspace(0, 3, 20)
  lines = [{'step': s, 'wide': 10**p, 'narrow': 10 ** (p / 3), 'zero': 10**p - 1} for s, p in enumerate(powers)]
  write_metrics(tmp_path / 'metrics.jsonl', lines)
  axes = axes_of(monkeypatch, tmp_path / 'metrics.jsonl', tmp_path / 'curves.png')
  assert {name: one.get_yscale() for name, one in axes.items()} == {'wide': 'log', 'narrow': 'linear', 'zero': 'linear'}


def test_forty_metrics_have_titles_that_do_not_meet(tmp_path, monkeypatch):
  lines = [{'step': s, **{f'validation/precision_of_a_kind_{i}': s * 1.01**i for i in range(40)}} for s in range(4)]
  write_metrics(tmp_path / 'metrics.jsonl', lines)
  axes = axes_of(monkeypatch, tmp_path / 'metrics.jsonl', tmp_path / 'curves.png')
  assert sum(len(one.lines) for one in axes.values()) == 40
  boxes = [one.get_tightbbox() for one in axes.values()]
  overlaps = [(a, b) for i, a in enumerate(boxes) for b in boxes[:i] if a.overlaps(b)]
  assert not overlaps, overlaps[:1]


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


@pytest.mark.parametrize(
  'damage', ['5', 'null', '[]', '{"a": 1}', '{"step": 1, "loss": null}', '{"step": [], "loss": 1}']
)
def test_a_damaged_line_is_left_out(tmp_path, monkeypatch, damage):
  path = tmp_path / 'metrics.jsonl'
  path.write_text('\n'.join([damage, *(json.dumps({'step': s, 'loss': 7.0 - s}) for s in range(3))]) + '\n')
  axes = axes_of(monkeypatch, path, tmp_path / 'curves.png')
  assert axes['loss'].lines[0].get_xydata().tolist() == [[0, 7], [1, 6], [2, 5]]
