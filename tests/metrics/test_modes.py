"""Modes: by hand and against scipy's entropy."""

import numpy as np
import pytest
from scipy.stats import entropy

from gengan.metrics.modes import found


def test_by_hand():
  assert found(np.array([0, 1, 1, 0]), np.array([0.5, 0.5])) == (2, 0.0)
  modes, distance = found(np.array([1, 1, 1]), np.full(4, 0.25))
  assert modes == 1
  assert distance == pytest.approx(np.log(4))


def test_distance_is_the_relative_entropy():
  rng = np.random.default_rng(0)
  classes, expected = rng.integers(0, 7, 500), rng.dirichlet(np.ones(7))
  modes, distance = found(classes, expected)
  assert modes == len(set(classes.tolist()))
  assert distance == pytest.approx(entropy(np.bincount(classes, minlength=7), expected))


def test_a_class_without_training_images_is_no_mode():
  assert found(np.array([0, 2]), np.array([0.5, 0.5, 0.0])) == (1, np.inf)


@pytest.mark.parametrize(('classes', 'expected', 'message'), [
  ([], [1.0], 'at least 1 sample'),
  ([0], [0.5, 0.6], 'shares of 1 in all, not 1.1'),
  ([0], [1.5, -0.5], 'shares'),
])  # fmt: skip
def test_impossible_input_is_refused(classes, expected, message):
  with pytest.raises(ValueError, match=message):
    found(np.array(classes, int), np.array(expected))
