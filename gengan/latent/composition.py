"""Algorithms on the latents of another, which is frozen."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from gengan.core import FIRST_STAGE, Algorithm, ArgumentError, Batch, State


def on(first_stage: Algorithm, algorithm: Algorithm, *, trained: State | None = None) -> Algorithm:
  """Trains an algorithm on the latents of a frozen first stage, and decodes its samples with it.

  What the first stage needs to encode and decode is kept in `State.extra`, so a checkpoint stands alone: to restore
  one, `trained` is not needed.

  Args:
    first_stage: has an encoder. Its latents are the 'images' of the other, so they are one array [N, ...].
    algorithm: made for data of that shape.
    trained: a state of the first stage; None: as `first_stage.init` makes it, for shapes alone.

  Raises:
    ArgumentError: a first stage without an encoder; at trace time, one whose latents are not one array.

  >>> import optax
  >>> from flax import linen as nn
  >>> from gengan import gan, latent, likelihoods, losses, vae
  >>> from gengan.models.conv_vae import MlpDecoder, MlpEncoder
  >>> parts = {'posterior': latent.gaussian(5), 'likelihood': likelihoods.bernoulli(1), 'optimizer': optax.adam(1e-3)}
  >>> first = vae.make(MlpEncoder(5, 16), MlpDecoder(8, 1, 16), **parts)
  >>> class Small(nn.Module):
  ...   size: int
  ...   @nn.compact
  ...   def __call__(self, x, labels, *, train):
  ...     return nn.Dense(self.size)(x)
  >>> parts = {'phases': gan.alternating(losses.hinge), 'optimizers': dict.fromkeys(gan.PLAYERS, optax.adam(1e-3))}
  >>> algorithm = latent.on(first, gan.make(Small(5), Small(1), latent_size=2, **parts))
  >>> batch = {'image': jnp.ones((2, 8, 8, 1)), 'label': jnp.zeros(2, jnp.int32)}
  >>> state = algorithm.init(jax.random.key(0), batch)
  >>> sorted(state.params), algorithm.decode(state, jnp.ones((2, 2)), batch['label']).shape
  (['discriminator', 'generator'], (2, 8, 8, 1))
  """
  if first_stage.encode is None:
    raise ArgumentError('first_stage', 'an algorithm without an encoder', 'one that encodes')
  stages = _Stages(first_stage, algorithm)

  def init(key, batch):
    first_key, key = jax.random.split(key)
    first = first_stage.init(first_key, batch) if trained is None else trained
    kept = {'ema_params': first.ema_params, 'extra': first.extra}
    return _joined(algorithm.init(key, stages.encoded(first, batch)), kept)

  def train_step(state, batch, key):
    after, metrics = algorithm.train_step(_inner(state), stages.encoded(_frozen(state), batch), key)
    return _joined(after, state.extra[FIRST_STAGE]), metrics

  def eval_step(state, batch, key):
    return algorithm.eval_step(_inner(state), stages.encoded(_frozen(state), batch), key)

  def prior(state, key, labels, *, truncation=1.0):
    return algorithm.prior(_inner(state), key, labels, truncation=truncation)

  def decode(state, latents, labels):
    return first_stage.decode(_frozen(state), algorithm.decode(_inner(state), latents, labels), labels)

  def settle(state):
    return _joined(algorithm.settle(_inner(state)), state.extra[FIRST_STAGE])

  encode, score = stages.through(algorithm.encode), stages.through(algorithm.score)
  settles = settle if algorithm.settle else None
  return Algorithm(init, train_step, eval_step, prior, decode, encode, score, algorithm.interpolate, settles)


class _Stages(NamedTuple):
  first: Algorithm
  second: Algorithm

  def encoded(self, first: State, batch: Batch) -> Batch:
    """The batch that the second sees, from a state of the first."""
    latents = self.first.encode(first, batch['image'], batch['label'])
    if not isinstance(latents, jax.Array):
      raise ArgumentError('first_stage', f'an algorithm with latents {jax.tree.map(jnp.shape, latents)}', 'one array')
    return {**batch, 'image': jax.lax.stop_gradient(latents)}

  def through(self, function: Any) -> Any:
    """A function of the second, where it has it, on encoded images."""
    if function is None:
      return None
    return lambda state, images, labels: function(
      _inner(state), self.encoded(_frozen(state), {'image': images, 'label': labels})['image'], labels
    )


def _frozen(state: State) -> State:
  """The first stage's state."""
  return State(jnp.zeros((), jnp.int32), {}, {}, {}, **state.extra[FIRST_STAGE])


def _inner(state: State) -> State:
  """The second algorithm's state."""
  return state.replace(extra=state.extra['algorithm'])


def _joined(inner: State, first: Any) -> State:
  """The second algorithm's state together with what is kept of the first."""
  return inner.replace(extra={'algorithm': inner.extra, FIRST_STAGE: first})
