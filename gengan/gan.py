"""Generative adversarial networks: two networks and the phases of a train step make an `Algorithm`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn

from gengan import augment as augments
from gengan import core, latent, terms
from gengan.core import ArgumentError, PyTree, ScalarOrSchedule
from gengan.losses import GanLoss
from gengan.optimizers import Gradient, whole_batch

PLAYERS = ('generator', 'discriminator')
SHORT = {'generator': 'g', 'discriminator': 'd'}  # in the names of metrics


class Phase(NamedTuple):
  """One update of one player.

  Attributes:
    player: 'generator' or 'discriminator', whose parameters it moves.
    terms: what is added up to the loss, by name.
    every: it happens at every so-manieth step, with its losses times that number (lazy regularization; Karras et al.
      2020, appendix B). A lazy phase moves parameters and memories, but no batch statistics; its metrics are those of
      the last time that it happened.
    gradient: how the gradient is taken, see `gengan.optimizers`; None: at once, and G's passes are shared with D's.
    share: which of the batch's equal shares it reads; there are as many as the largest number here says.
    fresh: it draws new latents; otherwise it goes on with the generated images of the phase before.
  """

  player: str
  terms: Mapping[str, terms.Term]
  every: int = 1
  gradient: Gradient | None = None
  share: int = 0
  fresh: bool = True


def alternating(
  loss: GanLoss,
  *,
  penalties: Mapping[str, terms.Term] | None = None,
  d_steps_per_g_step: int = 1,
  gradient: Gradient | None = None,
) -> tuple[Phase, ...]:
  """The alternating updates of Goodfellow et al. (2014, algorithm 1).

  Each update of D sees its own share of the batch with fresh samples; then G is updated once, through the updated D, on
  the samples of the last of them.

  Args:
    loss: see `gengan.losses`.
    penalties: terms that are added to D's loss.
    d_steps_per_g_step: updates of D for one of G. The batch size must be divisible by it.
    gradient: of all phases.

  Raises:
    ArgumentError: d_steps_per_g_step below 1.
  """
  if d_steps_per_g_step < 1:
    raise ArgumentError('d_steps_per_g_step', d_steps_per_g_step, 'at least 1')
  of_d = {'adversarial': terms.discriminator_loss(loss), **(penalties or {})}
  of_g = {'adversarial': terms.generator_loss(loss)}
  updates = [Phase('discriminator', of_d, gradient=gradient, share=i) for i in range(d_steps_per_g_step)]
  return *updates, Phase('generator', of_g, gradient=gradient, share=d_steps_per_g_step - 1, fresh=False)


class Players(NamedTuple):
  """What phases move, by network."""

  params: dict[str, PyTree]
  opt_state: dict[str, PyTree]
  model_state: dict[str, PyTree]


class Samples(NamedTuple):
  """Generated images, which a phase hands on to the next."""

  latents: jax.Array
  labels: jax.Array
  images: jax.Array
  pullback: Callable[[jax.Array], tuple[PyTree]]  # from a gradient in the images to one in G's parameters
  before: PyTree  # collections of G before the pass
  after: PyTree


def make(
  generator: nn.Module,
  discriminator: nn.Module,
  *,
  latent_size: int,
  phases: Sequence[Phase],
  optimizers: Mapping[str, optax.GradientTransformation],
  augment: augments.Augment = augments.none,
  draw_labels: Callable[[jax.Array, int], jax.Array] | None = None,
  space: latent.Space | None = None,
  ema_half_life_kimg: ScalarOrSchedule = 10.0,
  ema_rampup: float | None = 0.05,
  dtype: Any = jnp.float32,
  axis_name: str | None = None,
) -> core.Algorithm:
  """Builds a train step from phases for any two networks. One train step reads one batch.

  Args:
    generator: linen module `(latents [N, Z], labels [N], *, train) -> images [N, H, W, C]` in [-1, 1].
    discriminator: linen module `(images, labels, *, train) -> logits [N]`, or a dict with 'logits'.
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
  """
  latent.check_latent_size(latent_size)
  core.check_ema(ema_half_life_kimg, ema_rampup)
  _check_phases(phases)
  space = space or latent.z_space(generator, latent_size)
  networks = {'generator': generator, 'discriminator': discriminator}

  def forward(name, params, model_state, *inputs, key, method=None):
    key = core.local_key(key, axis_name)
    return core.forward(networks[name], params, model_state, *inputs, key=key, dtype=dtype, method=method)

  def draw(players: Players, share: core.Batch, key: jax.Array) -> Samples:
    rows, before = share['label'].shape[0], players.model_state['generator']
    latents = core.local_rows(lambda n: jax.random.normal(key, (n, latent_size)), rows, axis_name)
    labels, labels_key, pass_key = share['label'], jax.random.fold_in(key, 1), jax.random.fold_in(key, 2)
    if draw_labels is not None:
      labels = core.local_rows(lambda n: draw_labels(labels_key, n), rows, axis_name)
    generate = lambda params: forward('generator', params, before, latents, labels, key=pass_key)
    # The pullback of this pass is what G's update needs: its samples are computed once for both players.
    images, pullback, after = jax.vjp(generate, players.params['generator'], has_aux=True)
    return Samples(latents, labels, images, pullback, before, after)

  def objective_of(phase: Phase, players: Players, memories, augment_memory, step, before):
    """The player's loss as a function of its parameters; aux: its collections, the memories, metrics, D's logits."""

    def objective(params, examples, key):
      keys = jax.random.split(key, 3)
      pass_keys = [jax.random.fold_in(keys[2], number) for number in range(1, 5)]
      of = {**players.params, phase.player: params}
      d_state, g_state = players.model_state['discriminator'], before
      share = {name: examples[name] for name in ('image', 'label')}
      latents, labels = examples['latents'], examples['labels']
      if 'samples' in examples:
        samples = examples['samples']
      else:
        samples, g_state = forward('generator', of['generator'], before, latents, labels, key=pass_keys[0])
      shown = lambda images, key: augment.apply(images, key, augment_memory, step)
      judge = lambda images, labels, state, key, method=None: forward(
        'discriminator', of['discriminator'], state, images, labels, key=key, method=method
      )
      real, fake = shown(share['image'], keys[0]), shown(samples, keys[1])
      real_output, new_state = judge(real, share['label'], d_state, pass_keys[1])
      is_d = phase.player == 'discriminator'
      fake_output, new_state = judge(fake, labels, new_state if is_d else d_state, pass_keys[2])
      context = terms.Context(
        step=step,
        batch=share,
        params=params,
        latents=latents,
        labels=labels,
        samples=samples,
        real=real,
        fake=fake,
        real_output=real_output,
        fake_output=fake_output,
        generate=lambda *inputs, method=None: forward(
          'generator', of['generator'], before, *inputs, key=pass_keys[0], method=method
        )[0],
        discriminate=lambda images, labels=None, method=None: judge(
          images, share['label'] if labels is None else labels, d_state, pass_keys[3], method
        )[0],
        augment=shown,
        key=keys[2],
        axis_name=axis_name,
      )
      loss, metrics, new_memories = terms.total(phase.terms, context, memories)
      aux = new_state if is_d else g_state, new_memories, metrics, terms.logits_of(real_output)
      return loss * phase.every, aux

    return objective

  def gradient_of(phase: Phase, objective, params, share, samples: Samples, key):
    """(gradient, aux); G's, where nothing else is asked for, through the pass that has drawn the samples."""
    examples = {**share, 'latents': samples.latents, 'labels': samples.labels}
    if phase.player == 'discriminator':
      return (phase.gradient or whole_batch)(objective, params, {**examples, 'samples': samples.images}, key)
    if phase.gradient is not None:
      return phase.gradient(objective, params, examples, key)
    by_images = lambda params, images: objective(params, {**examples, 'samples': images}, key)
    (direct, cotangent), aux = jax.grad(by_images, argnums=(0, 1), has_aux=True)(params, samples.images)
    through = samples.pullback(cotangent)[0]
    return jax.tree.map(jnp.add, direct, through), (samples.after, *aux[1:])

  def play(phase: Phase, players: Players, memories, augment_memory, step, share, samples, key):
    """One update: the player's new part of `players`, memories, metrics, D's real logits, and the samples."""
    if phase.fresh:
      latent_key, key = jax.random.split(key)
      samples = draw(players, share, latent_key)
    objective = objective_of(phase, players, memories, augment_memory, step, samples.before)
    params = players.params[phase.player]
    grads, (model_state, memories, metrics, logits) = gradient_of(phase, objective, params, share, samples, key)
    grads, model_state, memories = core.pmean((grads, model_state, memories), axis_name)
    params, opt_state, norms = core.update(optimizers[phase.player], grads, players.opt_state[phase.player], params)
    if phase.every == 1:
      metrics |= {f'{SHORT[phase.player]}_{name}': value for name, value in norms.items()}
    return (params, opt_state, model_state), memories, core.pmean(metrics, axis_name), logits, samples

  def lazily(phase: Phase, players: Players, memories, augment_memory, step, share, key, last):
    """`play` at every so-manieth step; else what there was."""

    def happens():
      moved, new, metrics, *_ = play(phase, players, memories, augment_memory, step, share, None, key)
      return moved[:2], new, metrics

    kept = (players.params[phase.player], players.opt_state[phase.player]), memories, last
    return jax.lax.cond(step % phase.every == 0, happens, lambda: kept)

  def init(key, batch):
    g_key, d_key = jax.random.split(key)
    latents = jnp.zeros((batch['image'].shape[0], latent_size))
    found = {
      'generator': generator.init(g_key, latents, batch['label'], train=False),
      'discriminator': discriminator.init(d_key, batch['image'], batch['label'], train=False),
    }
    memories = {
      str(i): {name: term.init(jax.random.fold_in(key, i), batch) for name, term in phase.terms.items()}
      for i, phase in enumerate(phases)
    }
    state = core.init_state(found, optimizers, averaged=['generator'])
    players = Players(state.params, state.opt_state, state.model_state)
    last = {
      str(i): dict.fromkeys(_metrics_of(phase, players, memories[str(i)], batch), jnp.zeros((), jnp.float32))
      for i, phase in enumerate(phases)
      if phase.every > 1
    }
    return state.replace(extra={'augment': augment.init(), 'terms': memories, 'lazy': last})

  def _metrics_of(phase: Phase, players: Players, memories, batch) -> list[str]:
    """The names of a phase's metrics, found without computing."""
    play_once = lambda _: play(phase, players, memories, augment.init(), 0, batch, None, jax.random.key(0))[2]
    one_device = jax.vmap(play_once, axis_name=axis_name) if axis_name else play_once
    return sorted(jax.eval_shape(one_device, jnp.zeros(1)))

  def train_step(state, batch, key):
    shares = _split(batch, 1 + max(phase.share for phase in phases))
    keys = jax.random.split(key, len(phases))
    players = Players(dict(state.params), dict(state.opt_state), dict(state.model_state))
    memory, lazy, augment_memory = dict(state.extra['terms']), dict(state.extra['lazy']), state.extra['augment']
    metrics, samples = {}, None
    for i, phase in enumerate(phases):
      number, player, share = str(i), phase.player, shares[phase.share]
      phase_key = keys[(i + 1) % len(phases)]
      now = players, memory[number], augment_memory, state.step, share
      if phase.every > 1:
        moved, memory[number], lazy[number] = lazily(phase, *now, phase_key, lazy[number])
        metrics |= lazy[number]
      else:
        moved, memory[number], found, logits, samples = play(phase, *now, samples, phase_key)
        metrics |= found
        players.model_state[player] = moved[2]
        if player == 'discriminator':
          players.model_state['generator'] = samples.after
          augment_memory = augment.update(augment_memory, logits, len(logits) * core.axis_size(axis_name))
      players.params[player], players.opt_state[player] = moved[:2]
    images = batch['image'].shape[0] * core.axis_size(axis_name)
    decay = core.ema_decay(state.step, images, half_life_kimg=ema_half_life_kimg, rampup=ema_rampup)
    trained = {'params': players.params['generator'], **players.model_state['generator']}
    average = {'generator': core.ema(state.ema_params['generator'], trained, decay)}
    extra = {'augment': augment_memory, 'terms': memory, 'lazy': lazy}
    return core.State(state.step + 1, *players, average, extra), metrics

  def eval_step(state, batch, key):
    """D's logits, one an example: on the given images and on as many samples of the averaged generator."""
    fake = space.decode(state, space.prior(state, key, batch['label']), batch['label'])
    return {'d_real': score(state, batch['image'], batch['label']), 'd_fake': score(state, fake, batch['label'])}

  def score(state, images, labels):
    return terms.logits_of(discriminator.apply(core.variables(state, 'discriminator'), images, labels, train=False))

  return core.Algorithm(
    init, train_step, eval_step, space.prior, space.decode, score=score, interpolate=space.interpolate
  )


def uniform_labels(num_classes: int) -> Callable[[jax.Array, int], jax.Array]:
  """Labels of generated images drawn apart from the real ones, every class alike (Brock et al. 2019)."""
  return lambda key, rows: jax.random.randint(key, (rows,), 0, max(num_classes, 1))


def _check_phases(phases: Sequence[Phase]) -> None:
  players = [phase.player for phase in phases]
  if sorted(set(players)) != sorted(PLAYERS):
    raise ArgumentError('phases', players, f'updates of {" and ".join(PLAYERS)}')
  handed_on = False  # whether a phase before has samples to hand on
  for phase in phases:
    if phase.every < 1:
      raise ArgumentError('every', phase.every, 'at least 1')
    if not phase.fresh and (phase.every > 1 or not handed_on):
      raise ArgumentError('fresh', False, 'True', why='but no phase before has samples that this one could go on with')
    handed_on = handed_on or phase.every == 1


def _split(batch: core.Batch, parts: int) -> list[core.Batch]:
  """Equal shares of a batch, interleaved so that a batch sharded over devices is split without moving a row."""
  rows = batch['image'].shape[0]
  if rows % parts:
    raise ArgumentError('d_steps_per_g_step', parts, f'a divisor of the batch, {rows} rows')
  take = lambda i: jax.tree.map(lambda x: x.reshape(rows // parts, parts, *x.shape[1:])[:, i], batch)
  return [take(i) for i in range(parts)] if parts > 1 else [batch]
