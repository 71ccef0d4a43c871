"""What every training config must have, whatever its recipe."""

import math
import re
from collections.abc import Sequence
from typing import Any

from ml_collections import ConfigDict

from gengan.config import defaults, schedules
from gengan.config.errors import ConfigError, reading
from gengan.config.fields import find, flatten, is_number, is_section, is_whole, walk

INTERVALS = ('log_every_steps', 'eval_every_steps', 'sample_every_steps')
POSITIVE = (
  *('num_steps', 'batch_size', *INTERVALS),
  *('checkpoint.every_steps', 'checkpoint.keep_latest'),
  *('evaluators.every_steps', 'evaluators.num_generated'),
)
CHOICES = {'mesh.mode': ('jit', 'pmap'), 'checkpoint.best_mode': ('min', 'max')}
REQUIRED = (  # what a recipe reads beside them, it says itself
  *POSITIVE,
  *CHOICES,
  *('seed', 'dtype', 'micro_batches', 'init_from', 'private_data'),
  *('data.source', 'data.image_size', 'data.channels'),
  *('mesh.data', 'mesh.fsdp', 'mesh.distributed'),
  *('checkpoint.keep_every_steps', 'checkpoint.best_metric'),
  *('evaluators.metrics', 'evaluators.network'),
  'model.name',
)
SCHEDULED = (  # fields of gengan's recipes that may be schedules; another recipe says it itself
  r'(optimizer|optimizers\.\w+)\.(learning_rate|b1|b2|weight_decay)|terms\.\w+|ema\.half_life_kimg|augment_probability|top_k|model\.beta'
)
MAX_SEED = 2**32 - 1
MAX_WHOLE = 2**31 - 1  # steps and sizes are int32 on the device


def check(config: ConfigDict) -> None:
  """Checks what every recipe shares; the rest is checked by the part that reads it.

  Raises:
    ConfigError: a field is missing or has an impossible value.
  """
  is_comparison = isinstance(config.get('generator'), ConfigDict)
  hint = "this looks like a comparison's config, for python -m gengan.utility" if is_comparison else ''
  require_fields(config, REQUIRED, kind='a training config', example='--config=dcgan', why=hint)
  _check_types(config)
  check_numbers(config)
  for field in POSITIVE:
    _require(config, field, lambda value: is_whole(value) and value >= 1, 'at least 1')
  in_range = lambda value: is_whole(value) and 0 <= value <= MAX_SEED
  _require(config, 'seed', in_range, f'a whole number from 0 to {MAX_SEED}')
  if 'num_classes' in config.model:
    _require(config, 'model.num_classes', lambda value: value >= 0, 'at least 0 (0: as many as the data has)')
  for field, choices in CHOICES.items():
    _require(config, field, choices.__contains__, f'one of {", ".join(choices)}')
  _require(config, 'checkpoint.keep_every_steps', lambda value: value >= 0, 'at least 0 (0 keeps none)')
  for path, section in walk(config):
    if is_section(section) and 'schedule' in section and path.endswith('.learning_rate'):
      with reading(path):
        schedules.check_length(section, config.num_steps * config.batch_size / 1000)


def require_fields(config: ConfigDict, fields: Sequence[str], *, kind: str, example: str, why: str = '') -> None:
  """Raises a ConfigError that names the first field of `fields`, such as 'mesh.mode', that the config lacks.

  Its message says what kind of config this should be, with a file as an example, and why it may be none.
  """
  for field in fields:
    try:
      find(config, field)
    except ConfigError as error:
      raise ConfigError(field, error.value, f'there in {kind}, such as {example}', why=why) from None


def check_numbers(config: ConfigDict) -> None:
  """Raises a ConfigError that names a number which is not finite, too large for the device, or cannot be a schedule."""
  for path, section in walk(config):
    if is_section(section) and 'schedule' in section:
      with reading(path):
        schedules.check(section)
      own = path.startswith('model.') and not str(config.model.name).startswith('gengan.')
      if not own and not re.fullmatch(SCHEDULED, path.removeprefix('generator.')):
        raise ConfigError(path, section.to_dict(), 'a number, for it cannot change over a run')
  for field, value in flatten(config).items():
    for number in value if isinstance(value, (tuple, list)) else (value,):
      if isinstance(number, float) and not math.isfinite(number):
        raise ConfigError(field, value, 'finite')
      if is_whole(number) and abs(number) > MAX_WHOLE and not field.endswith('seed'):
        raise ConfigError(field, value, f'at most {MAX_WHOLE}')


def _check_types(config: ConfigDict) -> None:
  """Raises a ConfigError for a field of another type than its default, as in a damaged config.json."""
  own = str(config.model.name).startswith('gengan.')
  usual = dict(walk(defaults.training('digits')))
  for whole in (defaults.gan(), defaults.vae()) if own else ():
    usual |= dict(walk(whole))
  for path, value in walk(config):
    if path in usual and not path.startswith('data.') and (allowed := _lacks_type(value, usual[path])):
      raise ConfigError(path, value, allowed)


def _lacks_type(value: Any, usual: Any) -> str:
  """What a value must be that is not of the type of another; '' where it is, or is a schedule in place of a number."""
  if is_section(usual):
    return '' if is_section(value) else 'a section'
  if is_number(usual) and is_section(value) and 'schedule' in value:
    return ''
  if isinstance(usual, str):
    return '' if isinstance(value, str) else 'a text'
  if isinstance(usual, bool):
    return '' if isinstance(value, bool) else 'true or false'
  if is_whole(usual):
    return '' if is_whole(value) else 'a whole number'
  return '' if is_number(value) else 'a number'


def _require(config, field, valid, allowed):
  if not valid(value := find(config, field)):
    raise ConfigError(field, value, allowed)
