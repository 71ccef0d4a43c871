"""What every recipe reads from its config alike: phases, optimizers, terms, augmentation, averages and dtypes."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn
from ml_collections import ConfigDict

from gengan import augment, core, latent, losses, optimizers, terms
from gengan import gan as gans
from gengan import vae as vaes
from gengan.config import fields, schedules
from gengan.config.errors import ConfigError, reading
from gengan.core import ScalarOrSchedule
from gengan.likelihoods import Likelihood

DTYPES = {'float32': jnp.float32, 'bfloat16': jnp.bfloat16}
PLACES = {'latent_size': 'model', 'half_life_kimg': 'ema', 'rampup': 'ema', 'beta': 'model', 'free_bits': 'model'}


def gan(
  config: ConfigDict,
  generator: nn.Module,
  discriminator: nn.Module,
  *,
  axis_name: str | None = None,
  phases: Callable[..., tuple[gans.Phase, ...]] = gans.alternating,
  space: latent.Space | None = None,
  draw_labels: Callable[[jax.Array, int], jax.Array] | None = None,
) -> core.Algorithm:
  """A GAN of two networks, trained as the config says: `gengan/config/defaults.py` has the fields, `gan.make` the rest.

  Args:
    phases: called as `gan.alternating` is.

  Raises:
    ConfigError: a field that cannot work.
  """
  cut = {'mesh.mode': 'pmap'} if axis_name else {'micro_batches': config.micro_batches}
  if config.loss == 'relativistic_average' and (axis_name or config.micro_batches > 1):
    raise ConfigError('loss', config.loss, 'another', why='whose averages are over the whole batch', beside=cut)
  with reading('', PLACES):
    loss = losses.gan_loss(config.loss)
    gradient = _gradient(config, updates=config.d_steps_per_g_step)
  with reading('terms'):
    penalties = {}
    for name in config.terms:
      penalties |= _of_number(config, f'terms.{name}', lambda strength, name=name: terms.penalties({name: strength}))
  updates = {'generator': 1, 'discriminator': config.d_steps_per_g_step}
  with reading('', PLACES):
    steps = phases(loss, penalties=penalties, d_steps_per_g_step=updates['discriminator'], gradient=gradient)
    return gans.make(
      generator,
      discriminator,
      latent_size=config.model.latent_size,
      phases=steps,
      optimizers={
        name: optimizer(config, f'optimizers.{name}', updates_a_step=count) for name, count in updates.items()
      },
      augment=_augment(config, axis_name),
      draw_labels=draw_labels,
      space=space,
      **_shared(config, axis_name),
    )


def vae(
  config: ConfigDict,
  encoder: nn.Module,
  decoder: nn.Module,
  *,
  likelihood: Likelihood,
  posterior: latent.Posterior,
  bound: vaes.Bound | None = None,
  axis_name: str | None = None,
) -> core.Algorithm:
  """A VAE of two networks, trained as the config says; its bound is `vae.evidence` unless given.

  Raises:
    ConfigError: a field that cannot work.
  """
  with reading('', PLACES):
    return vaes.make(
      encoder,
      decoder,
      posterior=posterior,
      likelihood=likelihood,
      bound=bound
      or _of_number(config, 'model.beta', lambda beta: vaes.evidence(beta=beta, free_bits=config.model.free_bits)),
      optimizer=optimizer(config, 'optimizer'),
      gradient=_gradient(config) or optimizers.whole_batch,
      **_shared(config, axis_name),
    )


def number(config: ConfigDict, path: str) -> ScalarOrSchedule:
  """The number at a path of the config, or the schedule that stands there, as a function of the train steps done."""
  with reading(path):
    return schedules.make(fields.find(config, path), config.batch_size)


def optimizer(config: ConfigDict, section: str, *, updates_a_step: int = 1) -> optax.GradientTransformation:
  """The optimizer of a section; its schedules go by train steps, of which each makes so many updates."""

  def by_update(value: ScalarOrSchedule) -> ScalarOrSchedule:
    return (lambda updates: value(updates / updates_a_step)) if callable(value) else value

  settings: dict[str, Any] = dict(fields.find(config, section))
  with reading(section):
    for name in optimizers.SCHEDULED:
      if name in settings:
        path = f'{section}.{name}'
        settings[name] = _of_number(config, path, lambda value, name=name: optimizers.checked(name, by_update(value)))
    return optimizers.make(settings)


def _shared(config: ConfigDict, axis_name: str | None) -> dict[str, Any]:
  if config.dtype not in DTYPES:
    raise ConfigError('dtype', config.dtype, f'one of {", ".join(DTYPES)}')

  def half_life(kimg: ScalarOrSchedule) -> ScalarOrSchedule:
    core.check_ema(kimg, config.ema.rampup)
    return kimg

  return {
    'ema_half_life_kimg': _of_number(config, 'ema.half_life_kimg', half_life),
    'ema_rampup': config.ema.rampup,
    'dtype': DTYPES[config.dtype],
    'axis_name': axis_name,
  }


def _augment(config: ConfigDict, axis_name: str | None) -> augment.Augment:
  if not config.ada_target:
    make = lambda probability: augment.fixed(config.augment, probability=probability, axis_name=axis_name)
    return _of_number(config, 'augment_probability', make)
  if not config.augment:
    raise ConfigError('ada_target', config.ada_target, '0', beside={'augment': ''})
  if config.augment_probability != 1:
    beside = {'ada_target': config.ada_target}
    raise ConfigError('augment_probability', config.augment_probability, '1', why='which adapts', beside=beside)
  return augment.adaptive(config.augment, target=config.ada_target, axis_name=axis_name)


def _of_number(config: ConfigDict, path: str, make: Callable[[ScalarOrSchedule], Any]) -> Any:
  """What `make` gives for the number at a path or the schedule there, both ends of which it must be able to take."""
  value = fields.find(config, path)
  for end in (value['start'], value.get('end', value['start'])) if fields.is_section(value) else ():
    make(end)
  return make(number(config, path))


def _gradient(config: ConfigDict, *, updates: int = 1) -> optimizers.Gradient | None:
  """How an update takes its gradient; None: at once."""
  parts, size = config.micro_batches, config.batch_size
  for field, value in (('d_steps_per_g_step', updates), ('micro_batches', parts)):
    if value < 1:
      raise ConfigError(field, value, 'at least 1')
    if size % value:
      raise ConfigError(field, value, f'a divisor of config.batch_size, {config.batch_size}')
    size //= value
  return optimizers.micro_batched(parts) if parts > 1 else None
