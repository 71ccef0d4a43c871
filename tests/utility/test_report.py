"""What the page and the picture of a comparison say, on records made by hand."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from configs.utility import digits
from gengan.utility import findings, picture, report


def record(regime, arm, seed, accuracy, real=10):
  return {
    'regime': regime,
    'arm': arm,
    'seed': seed,
    'accuracy': accuracy,
    'by_class': [accuracy] * 2,
    'num_generated': 40 if arm.startswith('mixed') else 0,
    'real_by_class': [real, real],
    'class_names': ['a', 'b'],
    'num_validation': 4,
    'test_by_class': [450, 450],
    'validation_accuracy': accuracy,
    'copies': {'text': 'none.'},
  }


def test_the_report_says_when_generated_images_hurt():
  accuracies = {'10_per_class': (0.50, 0.45), '100_per_class': (0.70, 0.75)}
  records = [
    record(regime, arm, seed, value + 0.001 * seed * (arm == 'mixed_2'), real=int(regime.partition('_')[0]))
    for regime, values in accuracies.items()
    for arm, value in zip(('augmented', 'mixed_2'), values, strict=True)
    for seed in range(3)
  ]
  text = report.render(records, digits.get_config())
  assert '**10 per class**: generated images hurt' in text
  assert '**100 per class**: generated images helped' in text
  assert '| 10 | mixed 2 | below 10 | none |' in text
  assert '| 100 | mixed 2 | more than measured | unknown |' in text


def test_the_equivalence_curve_reads_the_baseline_backwards(tmp_path):
  records = [record('10_per_class', arm, 0, value) for arm, value in (('augmented', 0.5), ('mixed_2', 0.6))]
  picture.plot(records, tmp_path / 'one.png')
  assert findings.worths(records) == []  # one regime is no curve
  records += [record('100_per_class', arm, 0, value, real=100) for arm, value in (('augmented', 0.7), ('mixed_2', 0.7))]
  first, second = findings.worths(records)
  assert first[:2] == ('mixed_2', 10) and first.equivalent == pytest.approx(10**1.5)  # halfway in log n
  assert first.price == pytest.approx(20 / (10**1.5 - 10))  # 40 generated images of 2 classes
  assert second == ('mixed_2', 100, 100.0, np.inf)
  picture.plot(records, tmp_path / 'two.png')
  (width, height), (wider, same) = (Image.open(tmp_path / f'{name}.png').size for name in ('one', 'two'))
  assert wider > 1.5 * width and same == height  # the curve stands beside the accuracies


def test_a_single_regime_is_drawn_with_an_arm_a_row():
  axes = Figure().subplots()
  accuracies = {'real': (0.9, 0.8), 'augmented': (0.7, 0.7), 'mixed_2': (0.6, 0.6)}
  records = [record('all', arm, seed, value) for arm, own in accuracies.items() for seed, value in enumerate(own)]
  picture._plot_rows(axes, records)
  assert [label.get_text() for label in axes.get_yticklabels()] == ['real', 'augmented', 'mixed 2']
  assert axes.yaxis_inverted()  # the first on top
  (points, _, (bars,)) = axes.containers[0]
  np.testing.assert_allclose(np.float64(points.get_xdata()), [0.85, 0.7, 0.6])
  half = 0.1 / np.sqrt(2)  # of two values 0.1 apart, with n - 1
  np.testing.assert_allclose(np.float64(bars.get_segments()[0]), [[0.85 - half, 0], [0.85 + half, 0]])


def test_the_gap_is_that_of_the_arm_that_validates_best():
  records = [record('all', 'augmented', seed, 0.9) for seed in range(2)]
  for arm, accuracy, validation in (('synthetic', 0.8, 0.5), ('synthetic_recycle', 0.7, 0.6)):
    records += [record('all', arm, seed, accuracy) | {'validation_accuracy': validation} for seed in range(2)]
  assert findings.best_synthetic(records, 'all') == 'synthetic_recycle'
  assert 'real ones alone: +20.00 ± 0.11 points (synthetic recycle to augmented' in report.render(
    records, digits.get_config()
  )


def test_the_mixed_arm_that_speaks_for_a_regime_is_chosen_on_validation_images():
  records = [record('all', 'augmented', seed, 0.8) for seed in range(2)]
  for arm, accuracy, validation in (('mixed_1', 0.9, 0.5), ('mixed_4', 0.7, 0.6)):
    records += [record('all', arm, seed, accuracy) | {'validation_accuracy': validation} for seed in range(2)]
  text = report.render(records, digits.get_config())
  assert 'generated images hurt (mixed arm that is best on validation images: mixed 4, -10.00 ± 0.11 points' in text
  assert '| Gain of mixed 4 |' in text


def test_real_images_that_do_better_without_augmentation_are_what_the_rest_is_held_against():
  records = []
  accuracies = {'real': 0.9, 'oversampled': 0.8, 'augmented': 0.85, 'mixed_1': 0.88, 'synthetic': 0.7}
  for arm, accuracy in accuracies.items():
    records += [record('all', arm, seed, accuracy + 0.001 * seed) for seed in range(2)]
  assert findings.best_real(records, 'all') == 'real'
  text = report.render(records, digits.get_config())
  assert 'But of the arms of real images alone, real is best on validation images: +5.00 ± 0.11 points.' in text
  assert 'real ones alone: +20.00 ± 0.11 points (synthetic to real' in text
  tied = [r | {'validation_accuracy': 0.9} for r in records]
  assert findings.best_real(tied, 'all') == 'augmented' and 'But of' not in report.render(tied, digits.get_config())


def test_class_weights_that_do_better_than_generated_images_are_told():
  accuracies = {'augmented': 0.72, 'weighted': 0.79, 'oversampled': 0.75, 'balanced': 0.75}
  records = [record('long_tail', arm, seed, value) for arm, value in accuracies.items() for seed in range(2)]
  text = report.render(records, digits.get_config())
  assert 'real images alone, weighted is best on validation images: +7.00 ± 0.11 points' in text


def test_the_gain_of_a_class_is_that_of_its_own_test_images():
  records = []
  for seed in range(3):
    records.append(record('all', 'augmented', seed, 0.7) | {'by_class': [0.6, 0.8]})
    records.append(record('all', 'mixed_1', seed, 0.75) | {'by_class': [0.6 + 0.1 * (seed + 1), 0.8]})
  text = report.render(records, digits.get_config())
  error = 100 * np.std([0.1, 0.2, 0.3], ddof=1) / np.sqrt(3)
  assert f'| a | 60.0 ± 0.0 | 80.0 ± 10.0 | +20.00 ± {error:.2f} | 0.074 | helps |' in text
  assert f'| b | 80.0 ± 0.0 | 80.0 ± 0.0 | +0.00 ± {100 / 450:.2f} |  | undecided |' in text
