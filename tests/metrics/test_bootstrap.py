"""The bootstrap of a mean, whose standard error is known, and of statistics of several arrays."""

import numpy as np
import pytest

from gengan.metrics.bootstrap import bootstrap

RNG = np.random.default_rng(0)


def test_the_standard_error_of_a_mean():
  x = RNG.normal(size=400) * 3 + 7
  result = bootstrap(np.mean, x, resamples=2000)
  assert all(type(value) is float for value in result)
  assert result.mean == pytest.approx(x.mean(), abs=0.02)
  assert result.standard_error == pytest.approx(x.std() / 20, rel=0.08)
  assert result.low == pytest.approx(x.mean() - 1.96 * x.std() / 20, abs=0.05)
  assert result.high == pytest.approx(x.mean() + 1.96 * x.std() / 20, abs=0.05)
  narrow = bootstrap(np.mean, x, resamples=2000, level=0.5)
  assert result.low < narrow.low < narrow.high < result.high


def test_the_interval_holds_the_truth_as_often_as_it_says():
  holds = [
    low < 0 < high
    for _, _, low, high in (bootstrap(np.mean, RNG.normal(size=50), resamples=200, level=0.9) for _ in range(200))
  ]
  assert np.mean(holds) == pytest.approx(0.9, abs=0.07)


def test_arrays_are_drawn_alone_or_in_pairs():
  x = RNG.normal(size=300)
  difference = lambda a, b: np.mean(a) - np.mean(b)
  assert bootstrap(difference, x, x, resamples=100).standard_error > 0.05
  assert bootstrap(difference, x, x, resamples=1e2, paired=True).standard_error == 0
  assert bootstrap(difference, x, x[:100], resamples=10, seed=1) == bootstrap(
    difference, x, x[:100], resamples=10, seed=1
  )
  assert bootstrap(difference, x, x, resamples=10) != bootstrap(difference, x, x, resamples=10, seed=1)


@pytest.mark.parametrize(
  ('arrays', 'options', 'message'),
  [
    ([], {}, 'one or more arrays'),
    ([[]], {}, 'one or more arrays'),
    ([3.0], {}, 'one or more arrays'),
    ([[1.0, 2.0]], {'resamples': 1}, 'resamples is 1'),
    ([[1.0, 2.0]], {'resamples': np.inf}, 'resamples is inf'),
    ([[1.0, 2.0]], {'level': 1.0}, 'level is 1.0'),
    ([[1.0, 2.0], [1.0]], {'paired': True}, 'same number of rows'),
    ([[np.nan, 2.0]], {}, 'NaN or infinite on a resample'),
  ],
)
def test_refuses(arrays, options, message):
  with pytest.raises(ValueError, match=message):
    bootstrap(lambda *drawn: np.mean(np.concatenate(drawn)), *arrays, **options)
