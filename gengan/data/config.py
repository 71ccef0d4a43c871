"""The fields of `config.data`: their defaults and the check that they can work."""

import pathlib
from collections.abc import Mapping
from typing import Any

import ml_collections

SOURCES = 'digits, idx:DIR, npz:FILE or DIR, folder:DIR, zip:FILE, tfds:NAME'

_DEFAULTS = {
  'source': 'digits',  # one of SOURCES
  'image_size': 16,  # pixels, both ways
  'channels': 1,  # 1: greyscale, 3: RGB
  'validation_fraction': 0.1,  # of a set without a validation split of its own
  'test_fraction': 0.1,  # of a set without a test split of its own
  'crop': True,  # to the centre square, before the resize; otherwise the picture is stretched
  'flip': False,  # horizontally, at random, in training
  'dequantise': False,  # uniform noise of one grey level
  'binarise': 'none',  # none | threshold | stochastic
  'examples_per_class': 0,  # of the train and of the validation split at most; 0: all
  'imbalance': 1.0,  # the first class has so many times the training examples of the last; 1: as they are
  'subset_seed': 0,  # which examples these two keep
  'exclude': '',  # manifest written by gengan.data.clean
  'data_dir': '',  # where TFDS keeps its sets; '' is its default
}
_BINARISE = ('none', 'threshold', 'stochastic')


def default_config(**overrides: Any) -> ml_collections.ConfigDict:
  """The default `config.data` (scikit-learn's digits at 16 px), with the given fields replaced."""
  config = ml_collections.ConfigDict(_DEFAULTS)
  config.update(overrides)
  return config


def source_parts(source: str) -> tuple[str, str]:
  """Splits 'kind:location'; the location is '' for `digits`.

  Raises:
    ValueError: the kind is unknown or its location is missing.
  """
  kind, _, location = str(source).partition(':')
  if kind not in ('digits', 'idx', 'npz', 'folder', 'zip', 'tfds'):
    raise ValueError(f'config.data.source is {source!r}; it must be one of {SOURCES}')
  if kind == 'digits' and location:
    raise ValueError(f'config.data.source is {source!r}; digits takes no location')
  if kind != 'digits' and not location:
    example = {'npz': 'npz:path/to/images.npz', 'zip': 'zip:path/to/images.zip', 'tfds': 'tfds:mnist'}
    raise ValueError(
      f'config.data.source is {source!r}; add where it is, as in {example.get(kind, f"{kind}:path/to/{kind}")}'
    )
  return kind, location


def validate(config: ml_collections.ConfigDict) -> None:
  """Checks every field of `config.data` before a file is opened.

  Raises:
    ValueError: a field is missing, of another type, or has an impossible value; the line names the field and what it
      may be.
  """
  present = set(config) if isinstance(config, Mapping) else set(config.keys())
  for field, default in _DEFAULTS.items():
    if field not in present:
      raise ValueError(f'config.data.{field} is missing; its default is {default!r}')
  source_parts(config.source)
  for field in ('crop', 'flip', 'dequantise'):
    _require(isinstance(config[field], bool), field, config[field], 'True or False')
  size = config.image_size
  _require(_is_int(size) and 4 <= size <= 4096, 'image_size', size, 'a whole number of pixels from 4 to 4096')
  _require(_is_int(config.channels) and config.channels in (1, 3), 'channels', config.channels, '1 (grey) or 3 (RGB)')
  per_class, seed = config.examples_per_class, config.subset_seed
  _require(_is_int(per_class) and per_class >= 0, 'examples_per_class', per_class, 'a whole number, 0 for all')
  _require(_is_int(seed) and seed >= 0, 'subset_seed', seed, 'a whole number, 0 or more')
  valid = isinstance(config.imbalance, (int, float)) and 1 <= config.imbalance < float('inf')
  _require(valid, 'imbalance', config.imbalance, 'a number from 1')
  for field in ('validation_fraction', 'test_fraction'):
    value = config[field]
    valid = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1
    _require(valid, field, value, 'a number in [0, 1)')
  total = config.validation_fraction + config.test_fraction
  if total >= 1:
    raise ValueError(f'config.data.validation_fraction + config.data.test_fraction is {total:g}; it must be below 1')
  _require(config.binarise in _BINARISE, 'binarise', config.binarise, f'one of {", ".join(_BINARISE)}')
  if config.dequantise and config.binarise != 'none':
    raise ValueError(
      f'config.data.dequantise is True and config.data.binarise is {config.binarise!r}; '
      'black-and-white images have no grey levels: set dequantise to False or binarise to none'
    )
  for field in ('exclude', 'data_dir'):
    _require(isinstance(config[field], str), field, config[field], "a path, or ''")
  if config.exclude and not pathlib.Path(config.exclude).is_file():
    raise ValueError(
      f'config.data.exclude is {config.exclude!r}, which is not a file; '
      "it must be '' or the exclude.json that gengan.data.clean wrote"
    )


def _is_int(value: Any) -> bool:
  return isinstance(value, int) and not isinstance(value, bool)


def _require(valid: bool, field: str, value: Any, allowed: str) -> None:
  if not valid:
    raise ValueError(f'config.data.{field} is {value!r}; it must be {allowed}')
