"""Gains and equivalence against hand calculations and scipy's paired test."""

import math

import numpy as np
import pytest
from scipy import stats

from gengan.utility import statistics


def test_a_gain_is_scipys_paired_test():
  arm, baseline = [0.81, 0.84, 0.80, 0.86], [0.80, 0.81, 0.80, 0.82]
  gain = statistics.paired_gain(arm, baseline)
  assert gain.mean == pytest.approx(0.02)
  assert gain.error == pytest.approx(np.std([0.01, 0.03, 0, 0.04], ddof=1) / 2)
  assert gain.p_value == pytest.approx(stats.ttest_rel(arm, baseline).pvalue)


@pytest.mark.parametrize(
  'differences, verdict',
  [([0.03, 0.02, 0.04], 'helps'), ([-0.03, -0.02, -0.04], 'hurts'), ([0.03, -0.02, 0.0], 'undecided')],
)
def test_a_gain_is_called_one_from_two_standard_errors_on(differences, verdict):
  baseline = [0.5, 0.6, 0.7]
  assert statistics.paired_gain(np.add(baseline, differences), baseline).verdict == verdict


def test_seeds_that_agree_to_the_last_image_by_chance_decide_nothing():
  baseline = np.array([0.90, 0.92, 0.91])
  gain = statistics.paired_gain(baseline - 0.01, baseline, resolution=0.01)
  assert gain.error == 0.01 and gain.verdict == 'undecided' and math.isnan(gain.p_value)


def test_one_seed_decides_nothing():
  gain = statistics.paired_gain([0.9], [0.1])
  assert gain.verdict == 'undecided' and math.isnan(gain.error)


def test_what_cannot_be_paired_is_refused():
  with pytest.raises(ValueError, match='cannot be paired'):
    statistics.paired_gain([0.1, 0.2], [0.1])


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
