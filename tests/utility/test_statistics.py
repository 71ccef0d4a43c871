"""Differences, verdicts and equivalence against scipy, naive loops, simulation and hand calculations."""

import math

import numpy as np
import pytest
from scipy import stats

from gengan.utility import statistics


@pytest.mark.parametrize('count', [2, 3, 7])
def test_a_difference_is_scipys_paired_test_with_its_interval(count):
  arm, baseline = np.random.default_rng(count).uniform(0.7, 0.9, (2, count))
  found, expected = statistics.paired(arm, baseline), stats.ttest_rel(arm, baseline)
  assert found.mean == pytest.approx(np.mean(arm) - np.mean(baseline)) and found.seeds == count
  assert found.p_value == pytest.approx(expected.pvalue)
  assert (found.low, found.high) == pytest.approx(expected.confidence_interval(0.95))
  assert found.verdict == statistics.UNTOLD and found.adjusted is None  # until all are judged together


def naive_holm(p_values):
  """Rejects the smallest that is left for as long as it is at most level over how many are left; see Holm (1979)."""
  left, adjusted, floor = dict(enumerate(p_values)), {}, 0.0
  while left:
    smallest = min(left, key=left.get)
    floor = max(floor, min(1.0, len(left) * left[smallest]))
    adjusted[smallest] = floor
    del left[smallest]
  return [adjusted[i] for i in range(len(p_values))]


def test_verdicts_are_those_of_a_naive_holm():
  rng = np.random.default_rng(0)
  for _ in range(50):
    p_values, signs = rng.beta(0.3, 3, 6), rng.choice([-1, 1], 6)
    pairs = zip(p_values, signs, strict=True)
    given = {str(i): statistics.Difference(sign, 3, -1, 1, p) for i, (p, sign) in enumerate(pairs)}
    found = statistics.judged(given)
    adjusted = naive_holm(p_values)
    assert list(found) == list(given) and [each.adjusted for each in found.values()] == pytest.approx(adjusted)
    for each, p, sign in zip(found.values(), adjusted, signs, strict=True):
      assert each.verdict == ('no difference shown' if p > 0.05 else 'helped' if sign > 0 else 'hurt')


def test_a_difference_that_two_standard_errors_called_one_is_not_shown():
  baseline = np.array([0.80, 0.81, 0.79])
  differences = -0.01 - 0.01 * np.array([1.2, -0.8, -0.4])  # p 0.258
  found = statistics.judged({'arm': statistics.paired(baseline + differences, baseline)})['arm']
  assert found.p_value == pytest.approx(stats.ttest_1samp(differences, 0).pvalue) and found.p_value > 0.2
  assert found.verdict == 'no difference shown' and found.low < 0 < found.high


def test_of_five_arms_that_are_alike_one_in_twenty_comparisons_at_most_calls_any_different():
  rng, wrong, naive, times = np.random.default_rng(1), 0, 0, 1500
  for _ in range(times):
    real, *arms = rng.normal(0.8, 0.01, (6, 3))
    found = statistics.judged({str(i): statistics.paired(arm, real) for i, arm in enumerate(arms)})
    wrong += any(each.verdict != 'no difference shown' for each in found.values())
    naive += any(abs(each.mean) > 2 * (each.high - each.mean) / stats.t.ppf(0.975, 2) for each in found.values())
  assert wrong / times <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / times)
  assert naive / times > 0.3  # by two standard errors, uncorrected


def test_a_clear_difference_is_told_even_by_three_seeds():
  baseline = np.array([0.80, 0.81, 0.79])
  shift = np.array([0.050, 0.051, 0.049])
  arms = {'up': baseline + shift, 'down': baseline - shift, 'same': baseline[::-1]}
  found = statistics.judged({name: statistics.paired(arm, baseline) for name, arm in arms.items()})
  assert [each.verdict for each in found.values()] == ['helped', 'hurt', 'no difference shown']


def test_seeds_that_agree_to_the_last_image_by_chance_decide_nothing():
  baseline = np.array([0.90, 0.92, 0.91])
  found = statistics.paired(baseline - 0.01, baseline, resolution=0.01)
  assert found.p_value == pytest.approx(2 * stats.t.sf(1, 2))
  assert (found.low, found.high) == pytest.approx(stats.t.interval(0.95, 2, -0.01, 0.01))
  assert statistics.paired([0.5, 0.6], [0.5, 0.6]).p_value == 1


def test_one_seed_gets_no_verdict_and_takes_no_part_in_the_correction():
  one, three = statistics.paired([0.9], [0.1]), statistics.paired([0.84, 0.85, 0.86], [0.8, 0.8, 0.8])
  found = statistics.judged({'one': one, 'three': three})
  assert found['one'] == one and one[1:] == (1, None, None, None, None, 'no verdict: one seed')
  assert found['three'].adjusted == three.p_value


def test_the_clearest_of_several_must_differ_by_as_many_errors_as_holm_asks():
  for comparisons, seeds in ((1, 3), (7, 3), (5, 10)):
    errors = statistics.least_errors(comparisons, seeds)
    assert comparisons * 2 * stats.t.sf(errors, seeds - 1) == pytest.approx(0.05)


def test_what_cannot_be_paired_is_refused():
  with pytest.raises(ValueError, match='cannot be paired'):
    statistics.paired([0.1, 0.2], [0.1])


def test_the_curve_of_real_images_is_read_backwards():
  curve = {10: 0.5, 100: 0.7, 1000: 0.8}
  assert statistics.equivalent_real(0.6, curve) == pytest.approx(10**1.5)
  assert statistics.equivalent_real(0.7, curve) == pytest.approx(100)
  assert statistics.equivalent_real(0.75, curve) == pytest.approx(10**2.5)
  assert statistics.equivalent_real(0.4, curve) == 0
  assert statistics.equivalent_real(0.81, curve) == math.inf


def test_a_generated_images_worth():
  assert statistics.generated_for_one_real(10, 100, 60) == 2
  assert statistics.generated_for_one_real(10, 100, 10) == math.inf
  assert statistics.generated_for_one_real(10, 100, 4) == math.inf
