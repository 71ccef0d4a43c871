"""A family that fails takes no other with it."""

import jax
import numpy as np
import pytest

from gengan.evaluate import measuring, stages
from gengan.metrics.family import Family, Images, Inputs, Scores

NONE = Images('none')


def measure(families, *, num_sets=2, features=None):
  inputs = ((number, Inputs(features, None, number)) for number in range(num_sets))
  return measuring.measure(families, inputs, num_sets=num_sets, tell=stages.silent)


def values(function):
  return Family(lambda inputs: Scores(function(inputs.seed)), {}, images=NONE)


def refuses(seed):
  raise ValueError('too  few\nimages')


def test_the_reason_is_kept_and_the_others_are_measured():
  found = measure({'bad': values(refuses), 'good': values(lambda seed: {'x': seed})})
  assert found.not_measured == {'bad': 'too few images'}
  assert measuring.combined(found)[:2] == ({'x': 0.5}, {'x': pytest.approx(0.5**0.5)})


def test_what_fails_on_one_set_has_no_scores():
  calls = []

  def second(seed):
    calls.append(seed)
    return refuses(seed) if seed == 1 else {'x': 1.0}

  found = measure({'bad': values(second)}, num_sets=4)
  assert found.sets == {} and found.not_measured == {'bad': 'too few images'} and calls == [0, 1]


def test_a_bug_is_named_with_its_place():
  found = measure({'bug': values(lambda seed: {'x': {}['y']})})
  assert found.not_measured['bug'].startswith('KeyError in test_measuring.py, line ')
  no_number = measure({'bug': values(lambda seed: {'x': 'high'})})
  assert 'high' in no_number.not_measured['bug'] and not no_number.sets


def test_with_several_processes_a_bug_ends_them_all(monkeypatch):
  monkeypatch.setattr(jax, 'process_count', lambda: 2)
  assert measure({'bad': values(refuses)}).not_measured
  with pytest.raises(KeyError):
    measure({'bug': values(lambda seed: {'x': {}['y']})})


def test_a_score_that_is_no_finite_number_is_told_and_left_out():
  found = measure({'one': values(lambda seed: {'x': np.float32(2), 'y': np.nan if seed else 1, 'z': -np.inf})})
  scores, deviations, _ = measuring.combined(found)
  assert scores == {'x': 2.0} and type(scores['x']) is float and deviations == {'x': 0.0}
  assert found.not_measured == {'y': 'it came out as nan', 'z': 'it came out as -inf'}


def test_samples_that_cannot_be_drawn_are_the_reason_of_every_family_that_needs_them():
  def features(kind):
    raise ValueError('images hold 3 values that are NaN')

  free = values(lambda seed: {'x': 1.0})
  found = measure({'samples': free._replace(images=Images('all')), 'free': free}, features=features)
  assert found.not_measured == {'samples': 'images hold 3 values that are NaN'} and list(found.sets) == ['free']


def test_values_by_label_are_means_over_the_sets_that_have_the_label():
  of_set = [{3: 1.0, 5: np.nan}, {3: 2.0, 4: 7.0}]
  each = Family(lambda inputs: Scores({'x': 0.0}, by_class={'x': of_set[inputs.seed]}), {}, images=NONE)
  assert measuring.combined(measure({'each': each}))[2] == {'x': {3: 1.5, 4: 7.0}}


def test_what_is_measured_once_is_measured_on_the_first_set():
  calls = []
  once = values(lambda seed: calls.append(seed) or {'x': 1.0})._replace(once=True)
  assert len(measure({'once': once}, num_sets=3).sets['once']) == 1 and calls == [0]


def test_the_time_left_is_reckoned_from_the_sets_before():
  assert measuring.stage(0, 3, 0.0) == 'set 1 of 3: '
  assert measuring.stage(2, 3, 120.0) == 'set 3 of 3, about 1:00 left in all: '
