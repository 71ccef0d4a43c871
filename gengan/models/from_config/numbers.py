"""Numbers, schedules, optimizers and averages as a config gives them."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import optax
from ml_collections import ConfigDict

from gengan import core, optimizers
from gengan.config import fields, schedules
from gengan.config.errors import ConfigError, reading
from gengan.core import ScalarOrSchedule

DTYPES = {'float32': jnp.float32, 'bfloat16': jnp.bfloat16}


def number(config: ConfigDict, path: str) -> ScalarOrSchedule:
  """The number at a path of the config, or the schedule that stands there, as a function of the train steps done."""
  with reading(path):
    return schedules.make(fields.find(config, path), config.batch_size)


def of_number(config: ConfigDict, path: str, make: Callable[[ScalarOrSchedule], Any]) -> Any:
  """What `make` gives for the number at a path or the schedule there, both ends of which it must be able to take."""
  value = fields.find(config, path)
  for end in (value['start'], value.get('end', value['start'])) if fields.is_section(value) else ():
    make(end)
  return make(number(config, path))


def optimizer(
  config: ConfigDict, section: str, *, updates_a_step: int = 1, lazy_updates_a_step: float = 0.0
) -> optax.GradientTransformation:
  """The optimizer of a section.

  Args:
    updates_a_step: usual updates in a train step; schedules go by train steps.
    lazy_updates_a_step: those of lazy phases, 1 / 16 for one at every 16th step; the learning rate, b1 and b2 make up
      for them, see `optimizers.lazily_corrected`.
  """
  updates = updates_a_step + lazy_updates_a_step

  def of_update(name: str, value: ScalarOrSchedule) -> ScalarOrSchedule:
    corrected = lambda value: optimizers.lazily_corrected(name, value, updates_a_step / updates)
    return (lambda count: corrected(value(count / updates))) if callable(value) else corrected(value)

  settings: dict[str, Any] = dict(fields.find(config, section))
  with reading(section):
    for name in optimizers.SCHEDULED:
      if name in settings:
        checked = lambda value, name=name: of_update(name, optimizers.checked(name, value))
        settings[name] = of_number(config, f'{section}.{name}', checked)
    return optimizers.make(settings)


def averages_and_dtype(config: ConfigDict, axis_name: str | None) -> dict[str, Any]:
  """The arguments that `gan.make` and `vae.make` have in common."""
  if config.dtype not in DTYPES:
    raise ConfigError('dtype', config.dtype, f'one of {", ".join(DTYPES)}')

  def half_life(kimg: ScalarOrSchedule) -> ScalarOrSchedule:
    core.check_ema(kimg, config.ema.rampup)
    return kimg

  return {
    'ema_half_life_kimg': of_number(config, 'ema.half_life_kimg', half_life),
    'ema_rampup': config.ema.rampup,
    'dtype': DTYPES[config.dtype],
    'axis_name': axis_name,
  }


def gradient(config: ConfigDict, *, updates: int = 1) -> optimizers.Gradient | None:
  """How an update takes its gradient; None: at once."""
  parts, size = config.micro_batches, config.batch_size
  for field, value in (('d_steps_per_g_step', updates), ('micro_batches', parts)):
    if value < 1:
      raise ConfigError(field, value, 'at least 1')
    if size % value:
      raise ConfigError(field, value, f'a divisor of config.batch_size, {config.batch_size}')
    size //= value
  return optimizers.micro_batched(parts) if parts > 1 else None
