"""Every impossible field is named, with what it may be."""

import pytest

from gengan.data import config as data_config
from gengan.data import default_config, load, validate


def test_defaults_are_valid():
  validate(default_config())


@pytest.mark.parametrize(
  ('field', 'value', 'allowed'),
  [
    ('source', 'webcam:0', 'idx:DIR'),
    ('source', 'folder:', 'folder:path/to'),
    ('source', 'digits:8', 'no location'),
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
  config = default_config(**{field: value})
  with pytest.raises(ValueError) as caught:
    load(config)
  message = str(caught.value)
  assert message.startswith(f'config.data.{field} is {value!r}')
  assert allowed in message
  assert '\n' not in message


@pytest.mark.parametrize(('field', 'value'), [('image_size', True), ('flip', 1), ('crop', 'yes'), ('data_dir', None)])
def test_values_of_another_type_are_refused(field, value):
  config = dict(default_config())
  config[field] = value
  with pytest.raises(ValueError, match=rf'config\.data\.{field} is '):
    validate(_Fields(config))


def test_a_missing_field_is_named():
  config = default_config()
  del config.flip
  with pytest.raises(ValueError, match=r'config\.data\.flip is missing'):
    validate(config)


def test_fractions_leave_something_to_train_on():
  with pytest.raises(ValueError, match='below 1'):
    validate(default_config(validation_fraction=0.5, test_fraction=0.5))


def test_black_and_white_images_take_no_noise():
  with pytest.raises(ValueError, match='dequantise'):
    validate(default_config(dequantise=True, binarise='threshold'))


def test_source_parts_keep_colons_of_the_location():
  assert data_config.source_parts('tfds:mnist:3.0.1') == ('tfds', 'mnist:3.0.1')


class _Fields(dict):
  """A mapping with attributes: ConfigDict itself refuses values of another type."""

  __getattr__ = dict.__getitem__
