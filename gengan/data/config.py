"""Checks the data section of a config; what its fields mean, and their defaults, is in `configs/defaults.py`."""

import math
from typing import Any

import ml_collections

from gengan.data.openers import SOURCES, source_parts
from gengan.host.errors import ArgumentError


class _Missing:
  """Stands for the value of a field that is not there; no check accepts it."""

  def __repr__(self) -> str:
    return 'missing'


def _whole(low: int, high: float = math.inf):
  return lambda value: isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _number(low: float, below: float):
  return lambda value: isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value < below


def _is_text(value: Any) -> bool:
  return isinstance(value, str)


def _is_bool(value: Any) -> bool:
  return isinstance(value, bool)


_FIELDS = {  # what it must be, and whether a value is that
  'source': (f'one of {SOURCES}', _is_text),
  'image_size': ('a whole number of pixels from 4 to 4096', _whole(4, 4096)),
  'channels': ('1 (grey) or 3 (RGB)', lambda value: _whole(1)(value) and value in (1, 3)),
  'validation_fraction': ('a number in [0, 1)', _number(0, 1)),
  'test_fraction': ('a number in [0, 1)', _number(0, 1)),
  'crop': ('True or False', _is_bool),
  'flip': ('True or False', _is_bool),
  'dequantise': ('True or False', _is_bool),
  'binarise': ('one of none, threshold, stochastic', lambda value: value in ('none', 'threshold', 'stochastic')),
  'examples_per_class': ('a whole number, 0 for all', _whole(0)),
  'imbalance': ('a number from 1', _number(1, math.inf)),
  'subset_seed': ('a whole number, 0 or more', _whole(0)),
  'exclude': ("a path, or ''", _is_text),
  'data_dir': ("a path, or ''", _is_text),
}


def validate(config: ml_collections.ConfigDict) -> None:
  """Checks every field, and that they go together. Opens no file.

  Args:
    config: the data section.

  Raises:
    ArgumentError: a field is missing, of another type, or has an impossible value.
  """
  for field, (allowed, accepts) in _FIELDS.items():
    value = config.get(field, _Missing())
    if not accepts(value):
      raise ArgumentError(field, value, allowed)
  source_parts(config.source)
  if config.validation_fraction + config.test_fraction >= 1:
    raise ArgumentError(
      'validation_fraction',
      config.validation_fraction,
      'so small that both together are below 1',
      beside={'test_fraction': config.test_fraction},
    )
  if config.dequantise and config.binarise != 'none':
    raise ArgumentError(
      'dequantise',
      True,
      "False, for black-and-white images have no grey levels (or binarise 'none')",
      beside={'binarise': config.binarise},
    )
