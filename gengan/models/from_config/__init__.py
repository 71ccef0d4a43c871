"""What every recipe reads from its config alike: phases, optimizers, terms, augmentation, averages and dtypes."""

from collections.abc import Callable

import jax
from flax import linen as nn
from ml_collections import ConfigDict

from gengan import augment, core, latent, optimizers
from gengan import gan as gans
from gengan import vae as vaes
from gengan.config.errors import ConfigError, reading
from gengan.likelihoods import Likelihood
from gengan.models.from_config import numbers, plan
from gengan.models.from_config.numbers import number, optimizer

__all__ = ['gan', 'number', 'optimizer', 'vae']

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
    phases: called as `gan.alternating` is; the terms of the config are added to what it gives.

  Raises:
    ConfigError: a field that cannot work.
  """
  cut = {'mesh.mode': 'pmap'} if axis_name else {'micro_batches': config.micro_batches}
  if config.loss == 'relativistic_average' and (axis_name or config.micro_batches > 1):
    raise ConfigError('loss', config.loss, 'another', why='whose averages are over the whole batch', beside=cut)
  with reading('', PLACES):
    steps = plan.of_config(config, generator, phases, axis_name)
    counts = {name: plan.updates_a_step(steps, name) for name in gans.PLAYERS}
    return gans.make(
      generator,
      discriminator,
      latent_size=config.model.latent_size,
      phases=steps,
      optimizers={
        name: optimizer(config, f'optimizers.{name}', updates_a_step=usual, lazy_updates_a_step=lazy)
        for name, (usual, lazy) in counts.items()
      },
      augment=_augment(config, axis_name),
      draw_labels=draw_labels,
      space=space,
      **numbers.averages_and_dtype(config, axis_name),
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
  evidence = lambda beta: vaes.evidence(beta=beta, free_bits=config.model.free_bits)
  with reading('', PLACES):
    return vaes.make(
      encoder,
      decoder,
      posterior=posterior,
      likelihood=likelihood,
      bound=bound or numbers.of_number(config, 'model.beta', evidence),
      optimizer=optimizer(config, 'optimizer'),
      gradient=numbers.gradient(config) or optimizers.whole_batch,
      **numbers.averages_and_dtype(config, axis_name),
    )


def _augment(config: ConfigDict, axis_name: str | None) -> augment.Augment:
  if not config.ada_target:
    make = lambda probability: augment.fixed(config.augment, probability=probability, axis_name=axis_name)
    return numbers.of_number(config, 'augment_probability', make)
  if not config.augment:
    raise ConfigError('ada_target', config.ada_target, '0', beside={'augment': ''})
  if config.augment_probability != 1:
    beside = {'ada_target': config.ada_target}
    raise ConfigError('augment_probability', config.augment_probability, '1', why='which adapts', beside=beside)
  return augment.adaptive(config.augment, target=config.ada_target, kimg=config.ada_kimg, axis_name=axis_name)
