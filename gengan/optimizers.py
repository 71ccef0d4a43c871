"""Optimizers and learning-rate schedules from a config section."""

import math
from collections.abc import Mapping
from typing import Any

import optax

OPTIMIZERS = ('adam', 'adamw', 'sgd', 'rmsprop')
SCHEDULES = ('constant', 'linear', 'cosine')

DEFAULTS = {
  'name': 'adam',
  'learning_rate': 1e-3,
  'b1': 0.9,  # adam, adamw: decay of the first moment; sgd, rmsprop: momentum
  'b2': 0.999,  # adam, adamw, rmsprop: decay of the second moment
  'eps': 1e-8,
  'weight_decay': 0.0,  # adamw: decoupled (Loshchilov and Hutter 2019); the others do not read it
  'clip_norm': 0.0,  # global norm of the gradient; 0 is off
  'schedule': 'constant',  # what follows the warm-up: constant, or linear or cosine decay to 0
  'warmup_steps': 0,  # updates of linear growth from 0
  'decay_steps': 0,  # updates of decay after the warm-up
}


def make(settings: Mapping[str, Any], *, section: str = 'config.optimizer') -> optax.GradientTransformation:
  """The optimizer that a config section describes.

  Args:
    settings: any of the fields of `DEFAULTS`; a missing one has its default.
    section: where the settings stand in the config, for messages.

  Raises:
    ValueError: an unknown field or name, or a value out of range, named in one line.
  """
  settings = _checked(settings, section)
  learning_rate = schedule(settings, section=section)
  b1, b2, eps = settings['b1'], settings['b2'], settings['eps']
  match settings['name']:
    case 'adam':
      optimizer = optax.adam(learning_rate, b1=b1, b2=b2, eps=eps)
    case 'adamw':
      optimizer = optax.adamw(learning_rate, b1=b1, b2=b2, eps=eps, weight_decay=settings['weight_decay'])
    case 'sgd':
      optimizer = optax.sgd(learning_rate, momentum=b1 or None)
    case 'rmsprop':
      optimizer = optax.rmsprop(learning_rate, decay=b2, eps=eps, momentum=b1 or None)
  if settings['clip_norm']:
    optimizer = optax.chain(optax.clip_by_global_norm(settings['clip_norm']), optimizer)
  return optimizer


def schedule(settings: Mapping[str, Any], *, section: str = 'config.optimizer') -> float | optax.Schedule:
  """The learning rate of a config section: a number, or a function of the step where it changes."""
  settings = _checked(settings, section)
  peak, warmup, decay = settings['learning_rate'], settings['warmup_steps'], settings['decay_steps']
  match settings['schedule']:
    case 'constant':
      after = optax.constant_schedule(peak)
    case 'linear':
      after = optax.linear_schedule(peak, 0.0, decay)
    case 'cosine':
      after = optax.cosine_decay_schedule(peak, decay)
  if warmup:
    return optax.join_schedules([optax.linear_schedule(0.0, peak, warmup), after], [warmup])
  return peak if settings['schedule'] == 'constant' else after


def check_length(settings: Mapping[str, Any], updates: int, *, section: str = 'config.optimizer') -> None:
  """Raises a ValueError where a schedule falls to 0 before the last of so many updates: the rest learns nothing."""
  settings = {**DEFAULTS, **settings}
  end = settings['warmup_steps'] + settings['decay_steps']
  if settings['schedule'] != 'constant' and settings['decay_steps'] > 0 and end < updates:
    raise ValueError(
      f'{section}.decay_steps is {settings["decay_steps"]}: the learning rate is 0 from update {end} on, but the run '
      f'makes {updates}; it must be at least {updates - settings["warmup_steps"]}'
    )


def _checked(settings, section):
  """The settings with every default filled in; ValueError where one makes no sense."""
  for name in settings:
    if name not in DEFAULTS:
      raise ValueError(f'{section}.{name}: unknown field; allowed: {", ".join(DEFAULTS)}.')
  settings = {**DEFAULTS, **settings}
  for name, allowed in (('name', OPTIMIZERS), ('schedule', SCHEDULES)):
    if settings[name] not in allowed:
      raise ValueError(f'{section}.{name}: unknown {settings[name]!r}; allowed: {", ".join(allowed)}.')

  def require(name, condition, what):
    value = settings[name]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not condition(value):
      raise ValueError(f'{section}.{name}: must be {what}, not {value!r}.')

  require('learning_rate', lambda x: 0 < x < math.inf, 'a number > 0')
  require('eps', lambda x: 0 < x < math.inf, 'a number > 0')
  for name in ('b1', 'b2'):
    require(name, lambda x: 0 <= x < 1, 'at least 0 and below 1')
  for name in ('weight_decay', 'clip_norm'):
    require(name, lambda x: 0 <= x < math.inf, 'a number >= 0 (0 is off)')
  for name in ('warmup_steps', 'decay_steps'):
    require(name, lambda x: x >= 0 and x == int(x), 'a whole number of steps >= 0')
  if settings['schedule'] != 'constant':
    require('decay_steps', lambda x: x > 0, f'at least 1 for the schedule {settings["schedule"]!r}')
  if settings['weight_decay'] and settings['name'] != 'adamw':
    raise ValueError(f"{section}.weight_decay: only 'adamw' reads it; set it to 0 or {section}.name to 'adamw'.")
  return settings
