"""Checks the data section of a config; what its fields mean, and their defaults, is in `gengan/config/defaults.py`."""

import math

import ml_collections

from gengan.config.fields import MISSING, is_number, is_whole
from gengan.data.decoding import ranges
from gengan.data.sources import stacked
from gengan.data.sources.openers import SOURCES, source_parts
from gengan.host.errors import ArgumentError

_is_text = lambda value: isinstance(value, str)
_is_bool = lambda value: isinstance(value, bool)
_in_unit = lambda value: is_number(value) and 0 <= value < 1
_is_count = lambda value: is_whole(value) and value >= 0

_FIELDS = {  # what it must be, and whether a value is that
  'source': (f'one of {SOURCES}', _is_text),
  'image_size': ('a whole number of pixels from 4 to 4096', lambda value: is_whole(value) and 4 <= value <= 4096),
  'channels': ('1 (grey) or 3 (RGB)', lambda value: is_whole(value) and value in (1, 3)),
  'validation_fraction': ('a number in [0, 1)', _in_unit),
  'test_fraction': ('a number in [0, 1)', _in_unit),
  'range': (ranges.ALLOWED, _is_text),
  'crop': ('True or False', _is_bool),
  'flip': ('True or False', _is_bool),
  'dequantise': ('True or False', _is_bool),
  'binarise': ('one of none, threshold, stochastic', ('none', 'threshold', 'stochastic').__contains__),
  'examples_per_class': ('a whole number, 0 for all', _is_count),
  'imbalance': ('a number from 1', lambda value: is_number(value) and 1 <= value < math.inf),
  'subset_seed': ('a whole number, 0 or more', _is_count),
  'exclude': ("a path, or ''", _is_text),
  'data_dir': ("a path, or ''", _is_text),
}


def validate(config: ml_collections.ConfigDict) -> None:
  """Checks every field of the data section, and that they go together. Opens no file.

  Raises:
    ArgumentError: a field is missing, of another type, or has an impossible value.
  """
  for field, (allowed, accepts) in _FIELDS.items():
    value = config.get(field, MISSING)
    if not accepts(value):
      raise ArgumentError(field, value, allowed)
  kind, _ = source_parts(config.source)
  if kind == stacked.KIND and config.channels != 3:
    raise ArgumentError('channels', config.channels, '3, an image each', beside={'source': config.source})
  ranges.asked(config.range)
  validation, test = config.validation_fraction, config.test_fraction
  if validation + test >= 1:
    allowed = 'so small that both together are below 1'
    raise ArgumentError('validation_fraction', validation, allowed, beside={'test_fraction': test})
  if config.dequantise and config.binarise != 'none':
    allowed = "False, for black-and-white images have no grey levels (or binarise 'none')"
    raise ArgumentError('dequantise', True, allowed, beside={'binarise': config.binarise})
