"""What is no array of features and no count is refused in one line."""

import fractions

import numpy as np
import pytest

from gengan.metrics import checks


@pytest.mark.parametrize('value', [3, 3.0, np.int32(3), np.float32(3), np.array(3), fractions.Fraction(3)], ids=repr)
def test_whole_numbers_are_counts_whatever_their_type(value):
  result = checks.count(value, 'k', at_least=3, at_most=3)
  assert result == 3 and type(result) is int


@pytest.mark.parametrize(
  'value',
  [None, np.inf, -np.inf, np.nan, np.float32('inf'), 2.5, True, np.bool_(True), '3', b'3', [3], (), 3j, 0, -1],
  ids=lambda value: type(value).__name__ + str(value)[:4],
)
def test_whatever_else_is_refused_by_name(value):
  with pytest.raises(ValueError, match=r'^k is .*; it must be a whole number of at least 1$'):
    checks.count(value, 'k')
  with pytest.raises(ValueError, match=r'^k is .*; it must be a whole number from 1 to 4$'):
    checks.count(value, 'k', at_most=4)


def test_limits():
  assert checks.count(0, 'k', at_least=0) == 0
  with pytest.raises(ValueError, match='k is 5; it must be a whole number from 2 to 4'):
    checks.count(5, 'k', at_least=2, at_most=4)


@pytest.mark.parametrize(
  ('array', 'message'),
  [
    (np.zeros(3), r'x must be features \[N, D\], one row a sample, not \[3\]'),
    (np.zeros((3, 0)), r'not \[3, 0\]'),
    (np.zeros((1, 3)), '1 rows are too few, at least 2 are needed'),
    (np.full((2, 2), 'a'), 'x must hold real numbers'),
    (np.full((2, 2), 1j), 'x must hold real numbers'),
    (np.full((2, 2), None), 'x must hold real numbers'),
    (np.array([[1, 2], [np.nan, 0]]), 'x holds values that are NaN or infinite'),
    (np.array([[1, 2], [-np.inf, 0]], np.float16), 'x holds values that are NaN or infinite'),
    (np.array([[1, 2], [-1.1e30, 0]]), 'x holds values beyond 1e\\+30 in magnitude'),
  ],
)
def test_refuses_what_are_no_features(array, message):
  with pytest.raises(ValueError, match=message):
    checks.features(array, 'x', at_least=2)


@pytest.mark.parametrize(
  ('given', 'expected'),
  [
    (np.float16, np.float32),
    (np.float32, np.float32),
    (np.float64, np.float64),
    (np.uint8, np.float64),
    (np.int64, np.float64),
    (bool, np.float64),
  ],
)
def test_features_keep_every_value(given, expected):
  array = np.array([[0, 1], [1, 1]], given)
  result = checks.features(array, 'x')
  assert result.dtype == expected
  np.testing.assert_array_equal(result, array)


def test_labels():
  np.testing.assert_array_equal(checks.labels([1, 2, 2], 3, 'labels'), [1, 2, 2])
  with pytest.raises(ValueError, match=r'labels must be one label a row, \[3\], not \[2\]'):
    checks.labels([1, 2], 3, 'labels')
  with pytest.raises(ValueError, match='labels must be whole numbers, not float64'):
    checks.labels([1.0, 2.0, 2.5], 3, 'labels')


def test_what_is_no_array_of_numbers_is_named():
  for bad in ([[1, 2], [3]], [['1']], [[1j]], np.array([[1]], object)):
    with pytest.raises(ValueError, match=r'^x (is no array|must hold real numbers)'):
      checks.numbers(bad, 'x')
  for bad in (-1, 1.5, 'a', None, 2**32):
    with pytest.raises(ValueError, match=r'^seed is .*; it must be a whole number from 0 to 4294967295'):
      checks.seed(bad)
  assert checks.seed(np.int64(7)) == 7
