"""Optimizers from settings, and the ways to take the gradient that they are given."""

import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax

from gengan import core
from gengan.core import ArgumentError, PyTree

OPTIMIZERS = ('adam', 'adamw', 'sgd', 'rmsprop')
FIELDS = {
  'learning_rate': (lambda x: 0 <= x < math.inf, 'a number > 0'),
  'b1': (lambda x: 0 <= x < 1, 'at least 0 and below 1'),
  'b2': (lambda x: 0 <= x < 1, 'at least 0 and below 1'),
  'eps': (lambda x: 0 < x < math.inf, 'a number > 0'),
  'weight_decay': (lambda x: 0 <= x < math.inf, 'a number >= 0 (0 is off)'),
  'clip_norm': (lambda x: 0 <= x < math.inf, 'a number >= 0 (0 is off)'),
  'clip_weights': (lambda x: 0 <= x < math.inf, 'a number >= 0 (0 is off)'),
}
SCHEDULED = ('learning_rate', 'b1', 'b2', 'weight_decay')  # may be functions of the updates done

Objective = Callable[[PyTree, PyTree, jax.Array], tuple[jax.Array, PyTree]]  # (params, examples, key) -> (loss, aux)
Gradient = Callable[[Objective, PyTree, PyTree, jax.Array], tuple[PyTree, PyTree]]  # ... -> (gradient, aux)


def make(settings: Mapping[str, Any]) -> optax.GradientTransformation:
  """The optimizer that settings describe; its state holds the learning rate of the last update.

  Args:
    settings: 'name' (adam | adamw | sgd | rmsprop), 'learning_rate', 'b1' (decay of the first moment; of sgd and
      rmsprop the momentum), 'b2' (decay of the second moment), 'eps', 'weight_decay' (decoupled, of adamw; Loshchilov
      and Hutter 2019), 'clip_norm' (global norm of the gradient) and 'clip_weights' (see `clipped_weights`). Those in
      `SCHEDULED` may be functions of the updates done.

  Raises:
    ArgumentError: a missing or unknown field, or a value out of range.
  """
  _check(settings)
  rates = {name: settings[name] for name in ('b1', 'b2', 'eps')}
  momentum = None if settings['b1'] == 0 else settings['b1']
  match settings['name']:
    case 'adam':
      factory, given = optax.adam, rates
    case 'adamw':
      factory, given = optax.adamw, {**rates, 'weight_decay': settings['weight_decay']}
    case 'sgd':
      factory, given = optax.sgd, {'momentum': momentum}
    case 'rmsprop':
      factory, given = optax.rmsprop, {'decay': rates['b2'], 'eps': rates['eps'], 'momentum': momentum}
  # Only the learning rate and what changes are kept in the state; constants stay constants of the compiled step.
  changing = {'learning_rate', *(name for name, value in given.items() if callable(value))}
  static = inspect.signature(factory).parameters.keys() - changing
  optimizer = optax.inject_hyperparams(factory, static_args=static)(settings['learning_rate'], **given)
  if settings['clip_norm']:
    optimizer = optax.chain(optax.clip_by_global_norm(settings['clip_norm']), optimizer)
  if settings['clip_weights']:
    optimizer = optax.chain(optimizer, clipped_weights(settings['clip_weights']))
  return optimizer


def clipped_weights(limit: float) -> optax.GradientTransformation:
  """Brings every weight back into [-limit, limit] after the update (WGAN; Arjovsky et al. 2017, algorithm 1).

  >>> clip, params = clipped_weights(0.01), jnp.array([0.0, 0.0095])
  >>> updates, _ = clip.update(jnp.array([-0.005, 0.005]), clip.init(params), params)
  >>> optax.apply_updates(params, updates).tolist() == jnp.array([-0.005, 0.01]).tolist()
  True
  """
  clip = lambda update, weight: jnp.clip(weight + update, -limit, limit) - weight
  return optax.stateless(lambda updates, params: jax.tree.map(clip, updates, params))


def lazily_corrected(name: str, value: float, ratio: float) -> float:
  """A setting of an optimizer of which only a share of the updates is the usual one (Karras et al. 2020, appendix B).

  Args:
    name: 'learning_rate' is multiplied with the ratio, 'b1' and 'b2' are raised to it; others stay.
    value: without lazy updates.
    ratio: usual updates among all: k / (k + 1) where a lazy one follows after k usual ones.

  >>> round(lazily_corrected('learning_rate', 0.002, 16 / 17), 6), round(lazily_corrected('b2', 0.99, 16 / 17), 6)
  (0.001882, 0.990585)
  """
  if name == 'learning_rate':
    return value * ratio
  return value**ratio if name in ('b1', 'b2') else value


def checked(name: str, value: Any) -> Any:
  """The value of a field; an ArgumentError where it is none, or not one that a schedule may have at either end."""
  valid, allowed = FIELDS[name]
  if callable(value) and name in SCHEDULED:
    return value
  if isinstance(value, bool) or not isinstance(value, (int, float)) or not valid(value):
    raise ArgumentError(name, value, allowed)
  return value


def _check(settings: Mapping[str, Any]) -> None:
  known = ('name', *FIELDS)
  for name in settings:
    if name not in known:
      raise ArgumentError(name, settings[name], f'left out: the fields are {", ".join(known)}')
  for name in known:
    if name not in settings:
      raise ArgumentError(name, None, 'given', why='that is missing')
  if settings['name'] not in OPTIMIZERS:
    raise ArgumentError('name', settings['name'], f'one of {", ".join(OPTIMIZERS)}')
  for name in FIELDS:
    checked(name, settings[name])
  if settings['learning_rate'] == 0:
    raise ArgumentError('learning_rate', settings['learning_rate'], 'a number > 0, or a schedule')
  if settings['weight_decay'] and settings['name'] != 'adamw':
    raise ArgumentError(
      'weight_decay', settings['weight_decay'], "0, for only 'adamw' reads it", beside={'name': settings['name']}
    )


def whole_batch(objective: Objective, params: PyTree, examples: PyTree, key: jax.Array) -> tuple[PyTree, PyTree]:
  """The gradient of the loss in the parameters, at once: (gradient, aux)."""
  return jax.grad(objective, has_aux=True)(params, examples, key)


def micro_batched(parts: int) -> Gradient:
  """The mean of the gradients of so many equal parts of the batch, one after the other, for less memory.

  Where losses are means over rows that do not look at each other it is the gradient of the whole batch. Floats of the
  aux are means over the parts, whole numbers those of the last part.

  Raises:
    ArgumentError: parts below 1; at trace time, a batch that does not divide.
  """
  if parts < 1:
    raise ArgumentError('micro_batches', parts, 'at least 1')

  def gradient(objective, params, examples, key):
    rows = len(jax.tree.leaves(examples)[0])
    if rows % parts:
      raise ArgumentError('micro_batches', parts, f'a divisor of the rows of an update, {rows}')
    cut = jax.tree.map(lambda x: jnp.moveaxis(x.reshape(rows // parts, parts, *x.shape[1:]), 1, 0), examples)
    part = lambda i: whole_batch(objective, params, jax.tree.map(lambda x: x[i], cut), jax.random.fold_in(key, i))
    is_float = lambda x: jnp.issubdtype(x.dtype, jnp.floating)
    add = lambda total, new: jax.tree.map(lambda a, b: a + b if is_float(a) else b, total, new)
    zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), jax.eval_shape(part, 0))
    total, _ = jax.lax.scan(lambda total, i: (add(total, part(i)), None), zeros, jnp.arange(parts))
    return jax.tree.map(lambda x: x / parts if is_float(x) else x, total)

  return gradient


def clipped_by_example(max_norm: float, *, noise_multiplier: float = 0.0, axis_name: str | None = None) -> Gradient:
  """The mean of the gradients of single examples, each clipped to a norm, with Gaussian noise (Abadi et al. 2016).

  Algorithm 1: (sum_i g_i min(1, C / ||g_i||) + N(0, (sigma C)^2 I)) / rows. Says nothing of how the rows were drawn,
  on which the privacy depends. The network must see every row alone: no batch norm. The aux is the mean over the rows.

  Args:
    max_norm: C, over all leaves.
    noise_multiplier: sigma.
    axis_name: the pmap axis over which the rows are cut: the noise is added once.

  Raises:
    ArgumentError: max_norm that is not positive, or a noise multiplier below 0.
  """
  if not max_norm > 0:
    raise ArgumentError('max_norm', max_norm, 'above 0')
  if not noise_multiplier >= 0:
    raise ArgumentError('noise_multiplier', noise_multiplier, 'at least 0')

  def gradient(objective, params, examples, key):
    rows = len(jax.tree.leaves(examples)[0])
    noise_key, key = jax.random.split(key)

    def of_row(number, example):
      alone = jax.tree.map(lambda x: x[None], example)
      return whole_batch(objective, params, alone, jax.random.fold_in(key, number))

    grads, aux = jax.vmap(of_row)(jnp.arange(rows), examples)
    total, _ = optax.per_example_global_norm_clip(grads, max_norm)
    noise = optax.tree.random_like(noise_key, params)
    scale = noise_multiplier * max_norm / core.axis_size(axis_name)
    grads = jax.tree.map(lambda g, n: (g + scale * n) / rows, total, noise)
    return grads, jax.tree.map(lambda x: x.mean(axis=0).astype(x.dtype), aux)

  return gradient
