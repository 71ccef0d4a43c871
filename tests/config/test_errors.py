"""Errors about fields: their texts, and their paths from a function's argument to the field of a whole comparison."""

import pytest
from ml_collections import ConfigDict

from gengan.config.errors import ConfigError, reading
from gengan.core import ArgumentError


def test_the_text_says_what_is_wrong_and_what_would_be_right():
  assert str(ArgumentError('width', 0, 'at least 1')) == 'width is 0; it must be at least 1'
  error = ConfigError('model.num_classes', 3, 'at least 10', why='but the data has 10 classes')
  assert str(error) == 'config.model.num_classes is 3, but the data has 10 classes; it must be at least 10'
  error = ConfigError('data.dequantise', True, 'False', beside={'data.binarise': 'threshold'})
  assert str(error) == "config.data.dequantise is True while config.data.binarise is 'threshold'; it must be False"


def test_a_section_and_a_long_value_are_told_in_one_line():
  text = str(ConfigError('seed', ConfigDict({'a': 1, 'b': {'c': 2}}), 'a whole number'))
  assert '\n' not in text and text.startswith('config.seed is a: 1') and text.endswith('; it must be a whole number')
  text = str(ConfigError('model.name', 'x' * 5000, 'there'))
  assert len(text) < 400 and text.endswith('xxx ...; it must be there')


def test_an_argument_becomes_a_field_and_a_field_one_of_a_section():
  with pytest.raises(ConfigError) as caught, reading('optimizers.generator'):
    raise ArgumentError('b1', 2, 'below 1', why='too much', beside={'name': 'adam'})
  assert (caught.value.field, caught.value.value, caught.value.allowed) == ('optimizers.generator.b1', 2, 'below 1')
  assert caught.value.beside == {'optimizers.generator.name': 'adam'}
  inner = caught.value.under('generator')
  assert inner.field == 'generator.optimizers.generator.b1' and inner.why == 'too much'
  assert str(inner).startswith('config.generator.optimizers.generator.b1 is 2 while config.generator.optimizers.')


def test_a_field_that_has_its_path_keeps_it():
  with pytest.raises(ConfigError) as caught, reading('data'):
    raise ConfigError('model.width', 0, 'at least 1')
  assert caught.value.field == 'model.width'


def test_an_argument_may_stand_in_another_section():
  with (
    pytest.raises(ConfigError, match=r'^config\.ema\.rampup is 2; it must be below 1'),
    reading('', {'rampup': 'ema'}),
  ):
    raise ArgumentError('rampup', 2, 'below 1')
