"""The public face: every metric by one import, as pure functions that leave their inputs alone."""

import doctest
import importlib
import inspect
import warnings

import numpy as np
import pytest

from gengan import metrics

RNG = np.random.default_rng(0)
X, Y, Z = RNG.normal(size=(3, 80, 5))
CALLS = {
  'frechet_distance': lambda x, y, z: metrics.frechet_distance(x[0], np.cov(x.T), y[0], np.cov(y.T)),
  'frechet_distance_of_features': lambda x, y, z: metrics.frechet_distance_of_features(x, y),
  'frechet_distance_infinity': lambda x, y, z: metrics.frechet_distance_infinity(metrics.moments(x), y),
  'kernel_distance': lambda x, y, z: metrics.kernel_distance(x, y),
  'precision_recall': lambda x, y, z: metrics.precision_recall(x, y),
  'precision_recall_density_coverage': lambda x, y, z: metrics.precision_recall_density_coverage(x, y),
  'vendi_score': lambda x, y, z: metrics.vendi_score(x),
  'authenticity': lambda x, y, z: metrics.authenticity(x, y),
  'data_copying': lambda x, y, z: metrics.data_copying(x, y, z),
  'distance_to_closest_record': lambda x, y, z: metrics.distance_to_closest_record(x, y, z),
}


def test_everything_is_exported():
  others = 'inception_score perceptual_path_length importance_weighted_bounds active_units bootstrap merge'
  assert all(inspect.isfunction(getattr(metrics, name)) for name in [*CALLS, *others.split()])  # and no module


@pytest.mark.parametrize('name', CALLS)
@pytest.mark.parametrize('dtype', [np.float16, np.float32, np.float64])
def test_pure_and_repeatable_in_every_precision(name, dtype):
  arrays = [each.astype(dtype) for each in (X, Y, Z)]
  for array in arrays:
    array.flags.writeable = False
  with warnings.catch_warnings():
    warnings.simplefilter('ignore', metrics.FewSamplesWarning)
    first, second = CALLS[name](*arrays), CALLS[name](*arrays)
  np.testing.assert_equal(first, second)
  values = first.values() if isinstance(first, dict) else [first]
  assert all(type(value) in (float, list) for value in values)


@pytest.mark.parametrize('name', CALLS)
def test_a_nan_is_refused_and_never_a_number(name):
  broken = X.copy()
  broken[3, 2] = np.nan
  with pytest.raises(ValueError, match='NaN'):
    CALLS[name](broken, broken, broken)


@pytest.mark.parametrize(
  'module, examples',
  [('frechet', 1), ('kernel', 1), ('inception_score', 1), ('manifold', 2), ('copying', 4), ('vendi', 1)],
)
def test_the_examples_of_docstrings_are_true(module, examples):
  assert doctest.testmod(importlib.import_module(f'gengan.metrics.{module}')) == (0, examples)
