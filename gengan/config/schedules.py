"""Numbers that change over a run: sections of a config, and how one becomes a function of the step."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from ml_collections import ConfigDict

from gengan.config.fields import is_number, is_section
from gengan.host.errors import ArgumentError

SCHEDULES = ('constant', 'linear', 'cosine', 'step')
FIELDS = ('schedule', 'start', 'end', 'kimg', 'warmup_kimg')


def linear(start: float, end: float, kimg: float, *, warmup_kimg: float = 0.0) -> ConfigDict:
  """A number that goes from one to another in a straight line over so many thousand images, and stays there."""
  config = ConfigDict()
  config.schedule = 'linear'  # constant | linear | cosine | step
  config.start = float(start)  # after the warm-up
  config.end = float(end)  # from kimg on
  config.kimg = float(kimg)  # thousands of images from start to end
  config.warmup_kimg = float(warmup_kimg)  # thousands of images from 0 to start, before
  return config


def cosine(start: float, end: float, kimg: float, *, warmup_kimg: float = 0.0) -> ConfigDict:
  """The same along half a cosine: slow, quick, slow."""
  config = linear(start, end, kimg, warmup_kimg=warmup_kimg)
  config.schedule = 'cosine'
  return config


def step(start: float, end: float, kimg: float) -> ConfigDict:
  """A number for the first so many thousand images, and another from there on."""
  config = linear(start, end, kimg)
  config.schedule = 'step'
  return config


def make(value: Any, batch_size: float) -> float | Callable[[Any], Any]:
  """A number as it is, or a schedule as a function that can be traced: a step, from 0 on -> float32 scalar.

  After `warmup_kimg` thousand images of linear growth from 0, it goes from `start` to `end` over `kimg` thousand images
  and stays there; 'constant' stays at `start`, 'step' does so for `kimg` thousand images. The values are those of
  `optax.linear_schedule` and `optax.cosine_decay_schedule` (Loshchilov and Hutter 2017, eq. 5).

  Args:
    value: a number, or a section with `FIELDS`, such as `cosine` gives.
    batch_size: images that are read between two counts of the step.

  Raises:
    ArgumentError: a field of the section that cannot be.

  >>> make(0.5, 64)
  0.5
  >>> falling = make({'schedule': 'linear', 'start': 1.0, 'end': 0.0, 'kimg': 6.4}, 64)
  >>> float(falling(25)), float(falling(200))
  (0.75, 0.0)
  """
  if not is_section(value):
    return value
  import optax  # here, for a config can be checked before JAX is imported

  check(value)
  steps = lambda field: value.get(field, 0.0) * 1000 / batch_size
  start, end, warmup = value['start'], value.get('end'), steps('warmup_kimg')
  if value['schedule'] == 'constant':
    after = optax.constant_schedule(start)
  elif value['schedule'] == 'linear':
    after = optax.linear_schedule(start, end, steps('kimg'))
  elif value['schedule'] == 'step':
    after = optax.join_schedules([optax.constant_schedule(start), optax.constant_schedule(end)], [steps('kimg')])
  else:
    fall = optax.cosine_decay_schedule(start - end, steps('kimg'))
    after = lambda step: end + fall(step)
  return optax.join_schedules([optax.linear_schedule(0.0, start, warmup), after], [warmup]) if warmup else after


def check(section: Mapping[str, Any]) -> None:
  """Raises an ArgumentError that names the first field of a schedule that cannot be."""
  for name in section:
    if name not in FIELDS:
      raise ArgumentError(name, section[name], f'left out: a schedule has {", ".join(FIELDS)}')
  if section.get('schedule') not in SCHEDULES:
    raise ArgumentError('schedule', section.get('schedule'), f'one of {", ".join(SCHEDULES)}')
  moves = section['schedule'] != 'constant'
  _number(section, 'start', 'a number', needed=True)
  _number(section, 'end', 'a number', needed=moves)
  _number(section, 'kimg', 'above 0, in thousands of images', lambda value: value > 0 or not moves, needed=moves)
  _number(section, 'warmup_kimg', 'at least 0, in thousands of images', lambda value: value >= 0)


def check_length(section: Mapping[str, Any], run_kimg: float) -> None:
  """Raises an ArgumentError where a schedule, of a learning rate, is 0 before a run of so many thousand images ends."""
  if section['schedule'] == 'constant' or section['end'] != 0:
    return
  warmup = section.get('warmup_kimg', 0.0)
  if warmup + section['kimg'] < run_kimg * (1 - 1e-9):
    why = f'but the run reads {run_kimg:g} thousand images and from {warmup + section["kimg"]:g} on it is 0'
    raise ArgumentError('kimg', section['kimg'], f'at least {run_kimg - warmup:g}, or end above 0', why=why)


def _number(section, name, allowed, valid=lambda value: True, *, needed=False):
  value = section.get(name)
  if (needed or value is not None) and not (is_number(value) and math.isfinite(value) and valid(value)):
    raise ArgumentError(name, value, allowed)
