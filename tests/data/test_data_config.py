"""Every impossible field is named, with what it may be."""

import pytest

from gengan.config import defaults
from gengan.data import load
from gengan.data.config import _FIELDS, validate
from gengan.data.decoding.ranges import asked
from gengan.host.errors import ArgumentError


def test_defaults_are_valid():
  validate(defaults.data())


def test_every_default_has_a_check_and_the_other_way_round():
  assert set(_FIELDS) == set(defaults.data())


@pytest.mark.parametrize(
  ('field', 'value', 'allowed'),
  [
    ('source', 'webcam:0', 'idx:DIR'),
    ('source', 'folder:', 'folder:path/to'),
    ('source', 'digits:8', 'takes no place'),
    ('range', '4095', "'0,4095'"),
    ('range', '5,5', "'auto'"),
    ('range', '0,inf', "'auto'"),
    ('range', '(0, 1, 2)', "'auto'"),
    ('range', 'black', "'auto'"),
    ('image_size', 3, '4 to 4096'),
    ('channels', 2, '1 (grey) or 3 (RGB)'),
    ('validation_fraction', 1.0, '[0, 1)'),
    ('test_fraction', -0.1, '[0, 1)'),
    ('examples_per_class', -1, '0 for all'),
    ('imbalance', 0.5, 'from 1'),
    ('binarise', 'maybe', 'none, threshold, stochastic'),
    ('exclude', 'no/such/exclude.json', 'exclude.json that gengan.data.clean wrote'),
  ],
)
def test_error_names_the_field_and_what_it_may_be(field, value, allowed):
  config = defaults.data(**{field: value})
  with pytest.raises(ArgumentError) as caught:
    load(config)
  assert (caught.value.argument, caught.value.value) == (field, value)
  message = str(caught.value)
  assert message.startswith(f'{field} is {value!r}')
  assert allowed in message
  assert '\n' not in message


@pytest.mark.parametrize(('field', 'value'), [('image_size', True), ('flip', 1), ('crop', 'yes'), ('data_dir', None)])
def test_values_of_another_type_are_refused(field, value):
  config = dict(defaults.data())
  config[field] = value
  with pytest.raises(ArgumentError, match=f'^{field} is '):
    validate(_Fields(config))


@pytest.mark.parametrize('text', ['0,4095', '-1024, 3071', '(0, 1)', '-1,1.5', '1e-3,2'])
def test_ranges_that_are_understood(text):
  validate(defaults.data(range=text))
  assert asked(text) == tuple(float(number) for number in text.strip('()').split(','))


def test_a_missing_field_is_named():
  config = defaults.data()
  del config.flip
  with pytest.raises(ArgumentError, match=r'^flip is missing; it must be True or False'):
    validate(config)


def test_fractions_leave_something_to_train_on():
  with pytest.raises(ArgumentError, match=r'^validation_fraction is 0\.5 while test_fraction is 0\.5; .* below 1'):
    validate(defaults.data(validation_fraction=0.5, test_fraction=0.5))


def test_black_and_white_images_take_no_noise():
  with pytest.raises(ArgumentError, match=r"^dequantise is True while binarise is 'threshold'"):
    validate(defaults.data(dequantise=True, binarise='threshold'))


class _Fields(dict):
  """A mapping with attributes: ConfigDict itself refuses values of another type."""

  __getattr__ = dict.__getitem__
