"""One train step: every phase played in turn, with samples handed from one to the next."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn

from gengan import augment as augments
from gengan import core, terms
from gengan.core import ArgumentError, PyTree
from gengan.gan.phase import PLAYERS, Phase
from gengan.optimizers import whole_batch

SHORT = {'generator': 'g', 'discriminator': 'd'}  # in the names of metrics


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


class Now(NamedTuple):
  """What stands still while one phase is played."""

  step: jax.Array
  players: Players
  memories: dict[str, PyTree]  # of the phase's terms
  augment_memory: PyTree
  share: core.Batch


class Game(NamedTuple):
  """What a train step is made of; the arguments of `make`."""

  networks: dict[str, nn.Module]
  latent_size: int
  phases: Sequence[Phase]
  optimizers: Mapping[str, optax.GradientTransformation]
  augment: augments.Augment
  draw_labels: Callable[[jax.Array, int], jax.Array] | None
  dtype: Any
  axis_name: str | None

  def forward(self, name: str, params: PyTree, state: PyTree, *inputs: Any, key: jax.Array, method: str | None = None):
    """`core.forward` of a network."""
    settings = {'key': key, 'dtype': self.dtype, 'method': method, 'axis_name': self.axis_name}
    return core.forward(self.networks[name], params, state, *inputs, **settings)


def init(game: Game, key: jax.Array, batch: core.Batch) -> core.State:
  latents, images, labels = jnp.zeros((batch['image'].shape[0], game.latent_size)), batch['image'], batch['label']
  inputs = {'generator': (latents, labels), 'discriminator': (images, labels)}
  keys = dict(zip(PLAYERS, jax.random.split(key), strict=True))
  found = {name: game.networks[name].init(keys[name], *inputs[name], train=False) for name in PLAYERS}
  state = core.init_state(found, game.optimizers, averaged=['generator'])
  players, augment_memory = Players(state.params, state.opt_state, state.model_state), game.augment.init()
  memories, lazy = {}, {}
  for i, phase in enumerate(game.phases):
    init_key = jax.random.fold_in(key, i)
    memories[str(i)] = {name: term.init(init_key, batch) for name, term in phase.terms.items()}
    if phase.every > 1:
      now = Now(state.step, players, memories[str(i)], augment_memory, batch)
      lazy[str(i)] = _no_metrics(game, phase, now)
  return state.replace(extra={'augment': augment_memory, 'terms': memories, 'lazy': lazy})


def _no_metrics(game: Game, phase: Phase, now: Now) -> core.Metrics:
  """Zeros in the place of a phase's metrics, whose names and kinds are found without computing."""
  metrics = lambda _: _play(game, phase, now, None, jax.random.key(0))[2]
  if game.axis_name:
    metrics = jax.vmap(metrics, axis_name=game.axis_name)
  drop = 1 if game.axis_name else 0  # the axis that stood for the devices
  return jax.tree.map(lambda x: jnp.zeros(x.shape[drop:], x.dtype), jax.eval_shape(metrics, jnp.zeros(1)))


def play_all(game: Game, state: core.State, batch: core.Batch, key: jax.Array) -> tuple[Players, PyTree, core.Metrics]:
  """All phases of a step: the players, `State.extra` and the metrics after them."""
  shares = _split(batch, 1 + max(phase.share for phase in game.phases))
  keys = jax.random.split(key, len(game.phases))
  players = Players(dict(state.params), dict(state.opt_state), dict(state.model_state))
  memories, lazy, augment_memory = dict(state.extra['terms']), dict(state.extra['lazy']), state.extra['augment']
  metrics, samples = {}, None
  for i, phase in enumerate(game.phases):
    number, player, phase_key = str(i), phase.player, keys[(i + 1) % len(game.phases)]
    now = Now(state.step, players, memories[number], augment_memory, shares[phase.share])
    if phase.every > 1:
      moved, memories[number], lazy[number] = _play_lazily(game, phase, now, phase_key, lazy[number])
      metrics |= lazy[number]
    else:
      moved, memories[number], found, sureness, samples = _play(game, phase, now, samples, phase_key)
      metrics |= found
      players.model_state[player] = moved[2]
      if player == 'discriminator':
        if phase.fresh:
          players.model_state['generator'] = samples.after
        seen = len(now.share['label']) * core.axis_size(game.axis_name)
        augment_memory = game.augment.update(augment_memory, sureness, seen)
    players.params[player], players.opt_state[player] = moved[:2]
  metrics |= {f'augment_{name}': value for name, value in augment_memory.items()}
  return players, {'augment': augment_memory, 'terms': memories, 'lazy': lazy}, metrics


def _play_lazily(game: Game, phase: Phase, now: Now, key: jax.Array, last: core.Metrics):
  """`_play` at steps that are multiples of `phase.every`; else what there was."""

  def happens():
    moved, memories, metrics, *_ = _play(game, phase, now, None, key)
    return moved[:2], memories, metrics

  kept = now.players.params[phase.player], now.players.opt_state[phase.player]
  return jax.lax.cond(now.step % phase.every == 0, happens, lambda: (kept, now.memories, last))


def _play(game: Game, phase: Phase, now: Now, samples: Samples | None, key: jax.Array):
  """One update: the player's parameters, optimizer state and collections; memories, metrics, E sign(D(x)), samples."""
  if phase.fresh:
    latent_key, key = jax.random.split(key)
    samples = _draw(game, now, latent_key)
  params, opt_state = now.players.params[phase.player], now.players.opt_state[phase.player]
  grads, (model_state, memories, metrics, sureness) = _gradient(game, phase, now, samples, key)
  grads, model_state, memories = core.pmean((grads, model_state, memories), game.axis_name)
  params, opt_state, norms = core.update(game.optimizers[phase.player], grads, opt_state, params)
  if phase.every == 1:
    metrics |= {f'{SHORT[phase.player]}_{name}': value for name, value in norms.items()}
  return (params, opt_state, model_state), memories, core.pmean(metrics, game.axis_name), sureness, samples


def _draw(game: Game, now: Now, key: jax.Array) -> Samples:
  labels, before = now.share['label'], now.players.model_state['generator']
  rows, labels_key, pass_key = labels.shape[0], jax.random.fold_in(key, 1), jax.random.fold_in(key, 2)
  latents = core.local_rows(lambda n: jax.random.normal(key, (n, game.latent_size)), rows, game.axis_name)
  if game.draw_labels is not None:
    labels = core.local_rows(lambda n: game.draw_labels(labels_key, n), rows, game.axis_name)
  generate = lambda params: game.forward('generator', params, before, latents, labels, key=pass_key)
  # The pullback of this pass is what G's update needs: its samples are computed once for both players.
  images, pullback, after = jax.vjp(generate, now.players.params['generator'], has_aux=True)
  return Samples(latents, labels, images, pullback, before, after)


def _gradient(game: Game, phase: Phase, now: Now, samples: Samples, key: jax.Array):
  """(gradient, aux); G's, where nothing else is asked for, through the pass that has drawn the samples."""
  params = now.players.params[phase.player]
  examples = {**now.share, 'latents': samples.latents, 'labels': samples.labels}
  objective = lambda params, examples, key: _objective(game, phase, now, samples.before, params, examples, key)
  if phase.player == 'discriminator':
    return (phase.gradient or whole_batch)(objective, params, {**examples, 'samples': samples.images}, key)
  if phase.gradient is not None:
    return phase.gradient(objective, params, examples, key)
  by_images = lambda params, images: objective(params, {**examples, 'samples': images}, key)
  (direct, cotangent), aux = jax.grad(by_images, argnums=(0, 1), has_aux=True)(params, samples.images)
  return jax.tree.map(jnp.add, direct, samples.pullback(cotangent)[0]), (samples.after, *aux[1:])


def _objective(game: Game, phase: Phase, now: Now, before: PyTree, params: PyTree, examples: PyTree, key: jax.Array):
  """The player's loss; aux: its collections, the memories, the metrics and E sign(D(x)) of real images.

  All of the aux are means over rows, which may be taken in parts.
  """
  real_key, fake_key, term_key = jax.random.split(key, 3)
  pass_keys = [jax.random.fold_in(term_key, number) for number in range(1, 5)]
  of, d_state, g_state = {**now.players.params, phase.player: params}, now.players.model_state['discriminator'], before
  share, labels = {name: examples[name] for name in ('image', 'label')}, examples['labels']
  is_d = phase.player == 'discriminator'

  def generate(*inputs, method=None):
    return game.forward('generator', of['generator'], before, *inputs, key=pass_keys[0], method=method)

  def judge(images, labels, state, key, method=None):
    return game.forward('discriminator', of['discriminator'], state, images, labels, key=key, method=method)

  def shown(images, key):
    return game.augment.apply(images, key, now.augment_memory, now.step)

  samples = examples.get('samples')
  if samples is None:
    samples, g_state = generate(examples['latents'], labels)
  real, fake = shown(share['image'], real_key), shown(samples, fake_key)
  real_output, new_state = judge(real, share['label'], d_state, pass_keys[1])
  fake_output, new_state = judge(fake, labels, new_state if is_d else d_state, pass_keys[2])
  context = terms.Context(
    step=now.step,
    batch=share,
    params=params,
    latents=examples['latents'],
    labels=labels,
    samples=samples,
    real=real,
    fake=fake,
    real_output=real_output,
    fake_output=fake_output,
    generate=lambda *inputs, method=None: generate(*inputs, method=method)[0],
    discriminate=lambda images, labels=None, method=None: judge(
      images, share['label'] if labels is None else labels, d_state, pass_keys[3], method
    )[0],
    augment=shown,
    key=term_key,
    axis_name=game.axis_name,
  )
  loss, metrics, memories = terms.total(phase.terms, context, now.memories)
  aux = new_state if is_d else g_state, memories, metrics, jnp.sign(terms.logits_of(real_output)).mean()
  return loss * phase.every, aux


def _split(batch: core.Batch, parts: int) -> list[core.Batch]:
  """Equal shares of a batch, interleaved so that a batch sharded over devices is split without moving a row."""
  rows = batch['image'].shape[0]
  if rows % parts:
    raise ArgumentError('d_steps_per_g_step', parts, f'a divisor of the batch, {rows} rows')
  take = lambda i: jax.tree.map(lambda x: x.reshape(rows // parts, parts, *x.shape[1:])[:, i], batch)
  return [take(i) for i in range(parts)] if parts > 1 else [batch]
