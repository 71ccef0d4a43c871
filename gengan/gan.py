"""Generative adversarial networks: two networks, a loss and two optimizers make an `Algorithm`."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn

from gengan import core
from gengan.augment import Augment
from gengan.losses import GanLoss

Regularizer = Callable[..., jax.Array]  # (critic, real_images, fake_images, key) -> scalar, added to D's loss


def make(
  generator: nn.Module,
  discriminator: nn.Module,
  *,
  latent_size: int,
  loss: GanLoss,
  optimizers: Mapping[str, optax.GradientTransformation],
  regularizers: Mapping[str, Regularizer] | None = None,
  augment: Augment = lambda images, key: images,
  d_steps_per_g_step: int = 1,
  ema_half_life_kimg: float = 10.0,
  ema_rampup: float | None = 0.05,
  axis_name: str | None = None,
) -> core.Algorithm:
  """Builds the alternating training of Goodfellow et al. (2014, algorithm 1) for any two networks.

  One train step reads one batch. Each of the `d_steps_per_g_step` updates of D sees its own share of it with fresh
  samples; then G is updated once, through the updated D, on the samples of the last of them.

  Args:
    generator: linen module `(latents [N, Z], labels [N], *, train) -> images [N, H, W, C]` in [-1, 1].
    discriminator: linen module `(images, labels, *, train) -> logits [N]`.
    latent_size: Z, the size of the standard normal prior.
    loss: pair of functions of `(real_logits, fake_logits)`, see `gengan.losses`.
    optimizers: one for 'generator' and one for 'discriminator'.
    regularizers: named penalties on D, `(critic, real, fake, key) -> scalar`; each is reported under its name.
      They see what D sees: augmented images.
    augment: `(images, key) -> images`, put before D in both updates, for real and generated images; see
      `gengan.augment`.
    d_steps_per_g_step: updates of D for one update of G. The batch size must be divisible by it.
    ema_half_life_kimg: see `core.ema_decay`.
    ema_rampup: see `core.ema_decay`.
    axis_name: the pmap axis that the step will run under; None for a global-view `jit`.

  Raises:
    ValueError: latent_size or d_steps_per_g_step below 1, or an average that cannot be; at trace time, a batch that
      does not divide.
  """
  if latent_size < 1:
    raise ValueError(f'config.model.latent_size is {latent_size}; it must be at least 1')
  if d_steps_per_g_step < 1:
    raise ValueError(f'config.d_steps_per_g_step is {d_steps_per_g_step}; it must be at least 1')
  core.check_ema(ema_half_life_kimg, ema_rampup)
  regularizers = dict(regularizers or {})

  def forward(network: nn.Module, params, model_state, *inputs):
    """A pass in training mode: outputs and the updated collections (batch statistics, spectral-norm vectors)."""
    return network.apply({'params': params, **model_state}, *inputs, train=True, mutable=list(model_state))

  def draw_latents(key, rows):
    return core.local_rows(lambda n: jax.random.normal(key, (n, latent_size)), rows, axis_name)

  def init(key, batch):
    g_key, d_key = jax.random.split(key)
    latents = jnp.zeros((batch['image'].shape[0], latent_size))
    networks = {
      'generator': generator.init(g_key, latents, batch['label'], train=False),
      'discriminator': discriminator.init(d_key, batch['image'], batch['label'], train=False),
    }
    params = {name: variables['params'] for name, variables in networks.items()}
    return core.State(
      step=jnp.zeros((), jnp.int32),
      params=params,
      opt_state={name: optimizers[name].init(params[name]) for name in params},
      model_state={name: _without_params(variables) for name, variables in networks.items()},
      ema_params={'generator': networks['generator']},
      extra={},
    )

  def discriminator_update(params, opt_state, model_state, batch, fake, key):
    labels = batch['label']
    real_key, fake_key, penalty_key = jax.random.split(key, 3)
    real, fake = augment(batch['image'], real_key), augment(fake, fake_key)

    def objective(params):
      real_logits, new_state = forward(discriminator, params, model_state, real, labels)
      fake_logits, new_state = forward(discriminator, params, new_state, fake, labels)
      critic = lambda images: forward(discriminator, params, model_state, images, labels)[0]
      penalties = {name: penalty(critic, real, fake, penalty_key) for name, penalty in regularizers.items()}
      d_loss = loss.discriminator(real_logits, fake_logits)
      metrics = {'d_loss': d_loss, **penalties, **_logit_metrics(real_logits, fake_logits, axis_name)}
      return d_loss + sum(penalties.values()), (new_state, metrics)

    grads, (model_state, metrics) = jax.grad(objective, has_aux=True)(params)
    grads, model_state = core.pmean((grads, model_state), axis_name)
    params, opt_state = core.apply_updates(optimizers['discriminator'], grads, opt_state, params)
    return params, opt_state, model_state, metrics

  def train_step(state, batch, key):
    shares = _split(batch, d_steps_per_g_step)
    rows = shares[0]['image'].shape[0]
    params, opt_state, model_state = dict(state.params), dict(state.opt_state), dict(state.model_state)

    g_key, *share_keys = jax.random.split(key, 1 + d_steps_per_g_step)
    for share, share_key in zip(shares, share_keys, strict=True):
      latent_key, d_key = jax.random.split(share_key)
      latents = draw_latents(latent_key, rows)
      generate = lambda p, z=latents, y=share['label'], s=model_state['generator']: forward(generator, p, s, z, y)
      # The pullback of the last pass is what G's update needs: its samples are computed once for both networks.
      fake, pullback, model_state['generator'] = jax.vjp(generate, params['generator'], has_aux=True)
      params['discriminator'], opt_state['discriminator'], model_state['discriminator'], metrics = discriminator_update(
        params['discriminator'], opt_state['discriminator'], model_state['discriminator'], share, fake, d_key
      )

    last = shares[-1]  # whose samples `fake` are

    def generator_objective(images):
      d_params, d_state = params['discriminator'], model_state['discriminator']
      critic = lambda x, key: forward(discriminator, d_params, d_state, augment(x, key), last['label'])[0]
      real_key, fake_key = jax.random.split(g_key)
      return loss.generator(critic(last['image'], real_key), critic(images, fake_key))

    g_loss, cotangent = jax.value_and_grad(generator_objective)(fake)
    (grads,) = pullback(cotangent)
    grads, model_state['generator'] = core.pmean((grads, model_state['generator']), axis_name)
    params['generator'], opt_state['generator'] = core.apply_updates(
      optimizers['generator'], grads, opt_state['generator'], params['generator']
    )

    images = batch['image'].shape[0] * core.axis_size(axis_name)
    decay = core.ema_decay(state.step, images, half_life_kimg=ema_half_life_kimg, rampup=ema_rampup)
    trained = {'params': params['generator'], **model_state['generator']}
    state = core.State(
      step=state.step + 1,
      params=params,
      opt_state=opt_state,
      model_state=model_state,
      ema_params={'generator': core.ema(state.ema_params['generator'], trained, decay)},
      extra=state.extra,
    )
    return state, core.pmean({**metrics, 'g_loss': g_loss}, axis_name)

  def eval_step(state, batch, key):
    """D's logits, one an example: on the given images and on as many samples of the averaged generator."""
    fake = decode(state, prior(state, key, batch['label']), batch['label'])
    return {'d_real': score(state, batch['image'], batch['label']), 'd_fake': score(state, fake, batch['label'])}

  def prior(state, key, labels):
    return jax.random.normal(key, (labels.shape[0], latent_size))

  def decode(state, latents, labels):
    return generator.apply(state.ema_params['generator'], latents, labels, train=False)

  def score(state, images, labels):
    return discriminator.apply(core.variables(state, 'discriminator'), images, labels, train=False)

  return core.Algorithm(init, train_step, eval_step, prior, decode, score=score)


def _without_params(variables: Mapping[str, Any]) -> dict[str, Any]:
  return {collection: value for collection, value in variables.items() if collection != 'params'}


def _split(batch: core.Batch, parts: int) -> list[core.Batch]:
  """Equal shares of a batch, interleaved so that a batch sharded over devices is split without moving a row."""
  rows = batch['image'].shape[0]
  if rows % parts:
    raise ValueError(
      f'config.d_steps_per_g_step is {parts}; a batch of {rows} rows does not split into {parts} equal shares'
    )
  take = lambda i: jax.tree.map(lambda x: x.reshape(rows // parts, parts, *x.shape[1:])[:, i], batch)
  return [take(i) for i in range(parts)] if parts > 1 else [batch]


def _logit_metrics(real_logits: jax.Array, fake_logits: jax.Array, axis_name: str | None) -> core.Metrics:
  """Mean logits, and D's accuracy with the threshold halfway between them, which suits every loss."""
  d_real, d_fake = core.pmean((real_logits.mean(), fake_logits.mean()), axis_name)
  threshold = (d_real + d_fake) / 2
  return {
    'd_real': d_real,
    'd_fake': d_fake,
    'd_accuracy_real': (real_logits > threshold).mean(),
    'd_accuracy_fake': (fake_logits < threshold).mean(),
  }
