"""From two networks and phases to the functions of an `Algorithm`."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn

from gengan import augment as augments
from gengan import core, latent, terms
from gengan.core import ScalarOrSchedule
from gengan.gan import phase, step


def make(
  generator: nn.Module,
  discriminator: nn.Module,
  *,
  latent_size: int,
  phases: Sequence[phase.Phase],
  optimizers: Mapping[str, optax.GradientTransformation],
  augment: augments.Augment = augments.none,
  draw_labels: Callable[[jax.Array, int], jax.Array] | None = None,
  space: latent.Space | None = None,
  ema_half_life_kimg: ScalarOrSchedule = 10.0,
  ema_rampup: float = 0.05,
  dtype: Any = jnp.float32,
  axis_name: str | None = None,
) -> core.Algorithm:
  """Builds a train step from phases for any two networks. One train step reads one batch.

  Args:
    generator: linen module `(latents [N, Z], labels [N], *, train) -> images [N, H, W, C]` in [-1, 1].
    discriminator: linen module `(images, labels, *, train) -> logits` [N] or of patches [N, P], or a dict with them.
    latent_size: Z, the size of the standard normal z that training draws.
    phases: in the order in which they happen; see `alternating`.
    optimizers: one for 'generator' and one for 'discriminator'.
    augment: put before D in all phases, for real and generated images; see `gengan.augment`.
    draw_labels: `(key, rows) -> labels [rows]` of generated images; None: those of the real images beside them.
    space: of the latents outside training; None: z itself, `latent.z_space`.
    ema_half_life_kimg: see `core.ema_decay`.
    ema_rampup: see `core.ema_decay`.
    dtype: in which the networks compute in training; parameters and losses are float32.
    axis_name: the pmap axis that the step will run under; None for a global-view `jit`.

  Raises:
    ArgumentError: latent_size below 1, an average that cannot be, or phases that cannot follow each other; at trace
      time, a batch that does not divide.

  >>> from gengan import gan, losses
  >>> from gengan.models.dcgan import Discriminator, Generator
  >>> parts = {'phases': gan.alternating(losses.hinge), 'optimizers': dict.fromkeys(gan.PLAYERS, optax.adam(2e-4))}
  >>> algorithm = gan.make(Generator(8, 1, 4), Discriminator(4), latent_size=5, **parts)
  >>> batch = {'image': jnp.zeros((2, 8, 8, 1)), 'label': jnp.zeros(2, jnp.int32)}
  >>> jax.eval_shape(algorithm.init, jax.random.key(0), batch).params.keys()
  dict_keys(['discriminator', 'generator'])
  """
  latent.check_latent_size(latent_size)
  phase.check(phases)
  space, networks = (
    space or latent.z_space(generator, latent_size),
    {'generator': generator, 'discriminator': discriminator},
  )
  decay_at = core.averaging(ema_half_life_kimg, ema_rampup, axis_name)
  game = step.Game(networks, latent_size, tuple(phases), optimizers, augment, draw_labels, dtype, axis_name)
  init, score = functools.partial(step.init, game), functools.partial(_score, discriminator)
  train_step = functools.partial(_train_step, game, decay_at)
  eval_step = functools.partial(_eval_step, discriminator, space)
  return core.Algorithm(init, train_step, eval_step, space.prior, space.decode, None, score, space.interpolate)


def _train_step(game: step.Game, decay_at: Callable, state: core.State, batch: core.Batch, key: jax.Array):
  players, extra, metrics = step.play_all(game, state, batch, key)
  trained = {'params': players.params['generator'], **players.model_state['generator']}
  average = core.ema(state.ema_params['generator'], trained, decay_at(state.step, batch))
  return core.State(state.step + 1, *players, {'generator': average}, extra), metrics


def _eval_step(discriminator: nn.Module, space: latent.Space, state: core.State, batch: core.Batch, key: jax.Array):
  """D's logits, one an example: on the given images and on as many samples of the averaged generator."""
  fake = space.decode(state, space.prior(state, key, batch['label']), batch['label'])
  score = functools.partial(_score, discriminator, state)
  return {'d_real': score(batch['image'], batch['label']), 'd_fake': score(fake, batch['label'])}


def _score(discriminator: nn.Module, state: core.State, images: jax.Array, labels: jax.Array) -> jax.Array:
  output = discriminator.apply(core.variables(state, 'discriminator'), images, labels, train=False)
  return terms.per_image(terms.logits_of(output))
