"""What the page and the picture of a comparison say, on records made by hand."""

import json
import pathlib

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image
from scipy import stats

from configs.utility import digits
from gengan.data import images
from gengan.utility import blocks, findings, picture, report

PLACE = pathlib.Path('nowhere')


def markdown(records):
  return blocks.markdown(report.compose(records, digits.get_config(), PLACE), PLACE)


def seeds(regime, arm, mean, *, real=10, validation=None, spread=0.001):
  """Three records of an arm, a little apart."""
  rows = [record(regime, arm, seed, mean + spread * (seed - 1) * (-1) ** len(arm), real) for seed in range(3)]
  return rows if validation is None else [r | {'validation_accuracy': validation} for r in rows]


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
  records = []
  for regime, (real, mixed) in {'10_per_class': (0.50, 0.45), '100_per_class': (0.70, 0.75)}.items():
    size = int(regime.partition('_')[0])
    records += seeds(regime, 'augmented', real, real=size) + seeds(regime, 'mixed_2', mixed, real=size)
  text = markdown(records)
  assert '- 10 per class: generated images hurt. mixed 2, the best arm with generated images, is at 45.00 ± 0.1' in text
  assert '- 100 per class: generated images helped. ' in text
  assert '| 10 | mixed 2 | below 10 | none |' in text
  assert '| 100 | mixed 2 | more than measured | unknown |' in text


def test_a_row_has_the_difference_its_interval_both_p_values_and_the_verdict_of_scipy_and_holm():
  real, arms = [0.80, 0.81, 0.79], {'mixed_1': [0.81, 0.83, 0.82], 'mixed_4': [0.70, 0.72, 0.69]}
  records = [record('all', 'real', seed, value) for seed, value in enumerate(real)]
  records += [record('all', arm, seed, value) for arm, own in arms.items() for seed, value in enumerate(own)]
  tests = {arm: stats.ttest_rel(own, real) for arm, own in arms.items()}
  small, large = sorted(test.pvalue for test in tests.values())
  holm = {small: 2 * small, large: max(2 * small, large)}
  text, found = markdown(records), report.as_json(records, digits.get_config())['regimes']['all']
  for arm, own in arms.items():
    p, interval = tests[arm].pvalue, tests[arm].confidence_interval(0.95)
    verdict = 'no difference shown' if holm[p] > 0.05 else 'helped' if np.mean(own) > np.mean(real) else 'hurt'
    cells = [f'{100 * (np.mean(own) - np.mean(real)):+.2f}', ' to '.join(f'{100 * x:+.2f}' for x in interval)]
    cells += [f'{p:.3f}', f'{holm[p]:.3f}', verdict]
    assert f'| 3 | {" | ".join(cells)} |' in text
    difference = found['arms'][arm]['difference']
    assert (difference['low'], difference['high']) == pytest.approx(interval) and difference['seeds'] == 3
    assert difference['adjusted'] == pytest.approx(holm[p]) and difference['verdict'] == verdict
  assert found['reference'] == 'real' and found['best_generated'] == 'mixed_1'
  assert '2 seeds' not in text and '3 seeds are few: of 2 arms compared' in text


def test_one_seed_gets_no_verdict_and_it_is_said():
  records = [record('all', arm, 0, value) for arm, value in (('augmented', 0.5), ('mixed_1', 0.9), ('synthetic', 0.1))]
  text, found = markdown(records), report.as_json(records, digits.get_config())['regimes']['all']
  assert '- All real images: no verdict: one seed. ' in text and 'With one seed measured nothing can be told' in text
  assert 'helped' not in text and 'hurt' not in text
  assert found['verdict'] == 'no verdict: one seed' and found['arms']['mixed_1']['difference']['p_value'] is None
  json.loads(json.dumps(found, allow_nan=False))


def test_the_command_says_the_verdicts_and_the_page_holds_everything(tmp_path):
  records = seeds('all', 'augmented', 0.8) + seeds('all', 'mixed_1', 0.9)
  records = [r | {'class_names': ['<b>&', 'кошка']} for r in records]
  images.save_png(tmp_path / 'samples' / 'all.png', np.zeros((8, 8, 1), np.uint8))
  said = report.write(tmp_path, records, digits.get_config())
  assert said[0].startswith('All real images: generated images helped. ') and said[-4] == str(tmp_path / 'index.html')
  assert sorted(path.name for path in tmp_path.iterdir()) == [
    *('accuracy.png', 'index.html', 'report.json', 'report.md', 'samples'),
  ]
  page = (tmp_path / 'index.html').read_text(encoding='utf-8')
  assert page.count('src="data:image/png;base64,') == 2 and 'http' not in page and str(tmp_path) not in page
  assert '&lt;b&gt;&amp;' in page and 'кошка' in page and '<b>' not in page
  for part in (said[0], 'Protocol', 'generated images helped', 'none.', 'p (Holm)'):
    assert part in page
  for path in said[-4:]:
    assert pathlib.Path(path).exists()


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


def test_arms_are_chosen_on_validation_images_alone():
  records = seeds('all', 'augmented', 0.8)
  for arm, accuracy, validation in (('mixed_1', 0.9, 0.5), ('mixed_4', 0.7, 0.6), ('synthetic', 0.95, 0.1)):
    records += seeds('all', arm, accuracy, validation=validation)
  found = findings.finding(records, 'all')
  assert (found.reference, found.best, found.alone) == ('augmented', 'mixed_4', 'synthetic')
  text = markdown(records)
  assert 'All real images: generated images hurt. mixed 4, the best arm with generated images, is at 70.00' in text
  assert 'All real images, generated images alone: helped; synthetic is best, +15.00 points' in text
  assert 'all 3 arms with generated images: 2 helped, 1 hurt.' in text and '| mixed 4 to augmented |' in text


def test_generated_images_are_held_against_the_real_ones_that_do_best_not_against_any_others():
  records = []
  for arm, accuracy in {'real': 0.9, 'oversampled': 0.8, 'augmented': 0.85, 'mixed_1': 0.88, 'synthetic': 0.7}.items():
    records += seeds('all', arm, accuracy)
  found = findings.finding(records, 'all')
  assert found.reference == 'real' and found.differences['mixed_1'].mean == pytest.approx(-0.02)
  text = markdown(records)
  assert 'generated images hurt. mixed 1, the best arm with generated images' in text
  assert 'compared with real, the best arm of real images alone' in text
  assert '| real | 0 | 90.00 ± 0.10 % | 3 |  |  |  |  | the best of real images |' in text
  tied = [r | {'validation_accuracy': 0.9} for r in records]
  assert findings.finding(tied, 'all').reference == 'augmented'


def test_in_the_long_tail_class_weights_can_be_what_generated_images_are_held_against():
  records = []
  for arm, accuracy in {'augmented': 0.72, 'weighted': 0.79, 'oversampled': 0.75, 'balanced': 0.75}.items():
    records += seeds('long_tail', arm, accuracy)
  found = findings.finding(records, 'long_tail')
  assert (found.reference, found.best, found.alone) == ('weighted', 'balanced', None)
  assert found.differences['balanced'].mean == pytest.approx(-0.04)


def test_arms_without_a_seed_of_the_reference_wait():
  records = [record('all', 'augmented', 0, 0.8), record('all', 'mixed_1', 1, 0.9)]
  assert findings.finding(records, 'all') == ('augmented', None, None, {})
  assert findings.by_class(records, 'all') == {} and '| mixed 1 | 40 | 90.00 % | 1 |  |  |  |  |  |' in markdown(
    records
  )
  only = findings.finding(records[1:], 'all')
  assert only.reference is None and markdown(records[1:])


def test_the_difference_of_a_class_is_that_of_its_own_test_images():
  records = []
  for seed in range(3):
    records.append(record('all', 'augmented', seed, 0.7) | {'by_class': [0.6, 0.8]})
    records.append(record('all', 'mixed_1', seed, 0.75) | {'by_class': [0.6 + 0.1 * (seed + 1), 0.8]})
  differences = findings.by_class(records, 'all')
  expected = stats.ttest_1samp([0.1, 0.2, 0.3], 0)
  assert differences[0].p_value == pytest.approx(expected.pvalue)
  assert differences[0].adjusted == pytest.approx(2 * expected.pvalue)  # of two classes
  half = stats.t.ppf(0.975, 2) / 450  # by no less than one of 450 images
  assert (differences[1].low, differences[1].high, differences[1].adjusted) == pytest.approx((-half, half, 1))
  low, high = (f'{100 * x:+.2f}' for x in expected.confidence_interval(0.95))
  assert (
    f'| a | 60.0 ± 0.0 | 80.0 ± 10.0 | +20.00 | {low} to {high} | 0.074 | 0.148 | no difference shown |'
    in markdown(records)
  )


def test_an_unfinished_comparison_says_how_much_is_missing():
  config = digits.get_config()
  config.regimes, config.generator_steps, config.long_tail.imbalance = (10,), (1,), 1.0
  config.ratios, config.synthetic.means = (1.0,), ()
  records = [r for arm in ('real', 'augmented') for r in seeds('10_per_class', arm, 0.5)]
  text = blocks.markdown(report.compose(records, config, PLACE), PLACE)
  assert '**Not finished: 6 of 12 classifiers are missing.**' in text
  assert report.as_json(records, config)['missing'] == 6
