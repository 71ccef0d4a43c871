"""What every builder of an algorithm shares: passes, updates, averages, schedules and rows on devices."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn

from gengan.core.types import Algorithm, Batch, Metrics, PyTree, ScalarOrSchedule, State
from gengan.host.errors import ArgumentError

DROPOUT, NOISE = 'dropout', 'noise'  # random streams that a network may read in training


def value_at(value: ScalarOrSchedule, step: jax.Array) -> jax.Array | float:
  """A number, or what a schedule gives at a step."""
  return value(step) if callable(value) else value


def variables(state: State, network: str) -> PyTree:
  """The linen variables of one network as it is trained now: parameters and every other collection."""
  return {'params': state.params[network], **state.model_state.get(network, {})}


def with_trained_weights(state: State) -> State:
  """The same state with the weights as trained in the place of their moving average."""
  return state.replace(ema_params={network: variables(state, network) for network in state.ema_params})


def init_state(
  networks: Mapping[str, PyTree],
  optimizers: Mapping[str, optax.GradientTransformation],
  *,
  averaged: Sequence[str],
  extra: PyTree | None = None,
) -> State:
  """The state at step 0.

  Args:
    networks: linen variables by network.
    optimizers: by network.
    averaged: networks whose moving average is kept.
    extra: memories.
  """
  params = {name: found['params'] for name, found in networks.items()}
  rest = lambda found: {collection: value for collection, value in found.items() if collection != 'params'}
  return State(
    step=jnp.zeros((), jnp.int32),
    params=params,
    opt_state={name: optimizers[name].init(params[name]) for name in params},
    model_state={name: rest(found) for name, found in networks.items()},
    ema_params={name: networks[name] for name in averaged},
    extra=extra or {},
  )


def forward(
  network: nn.Module,
  params: PyTree,
  model_state: PyTree,
  *inputs: PyTree,
  key: jax.Array | None = None,
  dtype: Any = jnp.float32,
  method: str | None = None,
  axis_name: str | None = None,
) -> tuple[PyTree, PyTree]:
  """A pass in training mode: outputs (float32) and the updated collections (batch statistics, codebooks, ...).

  Args:
    key: of the random streams; None: the network reads none. 'dropout' is every device's own. 'noise' is the same on
      all devices, for what is drawn with `local_rows`, so that it does not depend on how many share the batch.
    dtype: in which parameters and inputs enter. Collections keep the dtype that they have.
    method: of the module; None: `__call__`.
    axis_name: the pmap axis over which the rows are cut.
  """
  rngs = None
  if key is not None:
    rngs = {DROPOUT: local_key(jax.random.fold_in(key, 0), axis_name), NOISE: jax.random.fold_in(key, 1)}
  if dtype != jnp.float32:
    params, inputs = _cast((params, inputs), dtype)
  outputs, updated = network.apply(
    {'params': params, **model_state}, *inputs, train=True, mutable=list(model_state), rngs=rngs, method=method
  )
  updated = jax.tree.map(lambda new, old: new.astype(old.dtype), updated, {name: model_state[name] for name in updated})
  return _cast(outputs, jnp.float32), updated


def _cast(tree: PyTree, dtype: Any) -> PyTree:
  """Every float leaf in this dtype."""
  is_float = lambda x: jnp.issubdtype(jnp.asarray(x).dtype, jnp.floating)
  return jax.tree.map(lambda x: x.astype(dtype) if is_float(x) else x, tree)


def update(
  optimizer: optax.GradientTransformation, grads: PyTree, opt_state: PyTree, params: PyTree
) -> tuple[PyTree, PyTree, Metrics]:
  """One optimizer step: new parameters, new optimizer state, and `grad_norm`, `param_norm` and `learning_rate`.

  The norms are over all leaves, the gradient's before the optimizer clips it. The learning rate is reported where the
  optimizer keeps one in its state, as those of `gengan.optimizers` do.
  """
  updates, opt_state = optimizer.update(grads, opt_state, params)
  params = optax.apply_updates(params, updates)
  metrics = {'grad_norm': optax.tree.norm(grads), 'param_norm': optax.tree.norm(params)}
  is_number = lambda path, value: isinstance(value, jax.Array)  # a schedule keeps its state under the same name
  rate = optax.tree.get(opt_state, 'learning_rate', filtering=is_number)
  return params, opt_state, metrics if rate is None else metrics | {'learning_rate': rate}


def ema_decay(step: jax.Array, batch_size: int, *, half_life_kimg: ScalarOrSchedule, rampup: float) -> jax.Array:
  """Decay of the moving average at a step: 0.5^(batch / half-life), both in images (Karras et al. 2020, appendix B).

  Args:
    step: train steps done before this one.
    batch_size: images a step reads.
    half_life_kimg: thousands of images after which a weight counts half; 0 switches the average off.
    rampup: at most this share of the images seen so far is the half-life, so that early samples are not stale.
      0: no ramp-up.
  """
  half_life = jnp.asarray(value_at(half_life_kimg, step) * 1000.0, jnp.float32)
  if rampup > 0:
    half_life = jnp.minimum(half_life, step.astype(jnp.float32) * batch_size * rampup)
  return jnp.where(half_life > 0, 0.5 ** (batch_size / jnp.maximum(half_life, 1e-8)), 0.0)


def check_ema(half_life_kimg: ScalarOrSchedule, rampup: float) -> None:
  """Raises an ArgumentError for what `ema_decay` cannot work with."""
  if not callable(half_life_kimg) and not 0 <= half_life_kimg < math.inf:
    raise ArgumentError('half_life_kimg', half_life_kimg, 'at least 0 (0: no average)')
  if not 0 <= rampup <= 1:
    raise ArgumentError('rampup', rampup, 'from 0 to 1 (0: no ramp-up)')


def averaging(
  half_life_kimg: ScalarOrSchedule, rampup: float, axis_name: str | None
) -> Callable[[jax.Array, Batch], jax.Array]:
  """`ema_decay` with its settings checked: from a step and a device's share of a batch to the decay."""
  check_ema(half_life_kimg, rampup)

  def decay_at(step: jax.Array, batch: Batch) -> jax.Array:
    images = len(batch['label']) * axis_size(axis_name)
    return ema_decay(step, images, half_life_kimg=half_life_kimg, rampup=rampup)

  return decay_at


def advance(
  state: State, grads: PyTree, model_state: PyTree, optimizer: optax.GradientTransformation, decay: jax.Array
) -> tuple[State, Metrics]:
  """The state one step on, with every network moved and averaged, and the metrics of `update` by network."""
  params, opt_state, average, metrics = {}, {}, {}, {}
  for name in state.params:
    params[name], opt_state[name], norms = update(optimizer, grads[name], state.opt_state[name], state.params[name])
    metrics |= {f'{name}_{metric}': value for metric, value in norms.items()}
    average[name] = ema(state.ema_params[name], {'params': params[name], **model_state[name]}, decay)
  return State(state.step + 1, params, opt_state, model_state, average, state.extra), metrics


def ema(average: PyTree, trained: PyTree, decay: jax.Array) -> PyTree:
  """Moves the average of linen variables towards those trained now.

  Parameters and batch statistics are averaged. Any other collection (spectral-norm vectors, which are directions, not
  estimates; codebooks and w_avg, which are averages already) is copied.
  """

  def mix(collection, old, new):
    if collection not in ('params', 'batch_stats'):
      return new
    return jax.tree.map(lambda a, b: a * decay + b * (1.0 - decay), old, new)

  return {collection: mix(collection, average[collection], new) for collection, new in trained.items()}


def pmean(tree: PyTree, axis_name: str | None) -> PyTree:
  """Mean of all floats over the devices of a pmap axis; the identity under a global-view `jit` (`axis_name=None`).

  Whole numbers are counts, the same on every device: they stay.
  """
  if axis_name is None:
    return tree
  is_float = lambda x: jnp.issubdtype(jnp.asarray(x).dtype, jnp.inexact)
  return jax.tree.map(lambda x: jax.lax.pmean(x, axis_name) if is_float(x) else x, tree)


def axis_size(axis_name: str | None) -> int:
  """Devices on a pmap axis; 1 under a global-view `jit`."""
  return 1 if axis_name is None else jax.lax.axis_size(axis_name)


def local_rows(draw: Callable[[int], jax.Array], rows: int, axis_name: str | None) -> jax.Array:
  """Random rows that do not depend on how many devices share the batch.

  Args:
    draw: from a number of rows to an array with that many rows.
    rows: rows that this device needs.
    axis_name: the pmap axis; every device draws for all and keeps its own rows. None: `draw(rows)`.
  """
  if axis_name is None:
    return draw(rows)
  everything = draw(rows * axis_size(axis_name))
  return jax.lax.dynamic_slice_in_dim(everything, jax.lax.axis_index(axis_name) * rows, rows)


def local_key(key: jax.Array, axis_name: str | None) -> jax.Array:
  """A key of this device's own on a pmap axis, for what a network draws by itself."""
  return key if axis_name is None else jax.random.fold_in(key, jax.lax.axis_index(axis_name))


def check_steps(
  algorithm: Algorithm, abstract_state: State, batch: Batch, *, axis_name: str | None, devices: int
) -> None:
  """Traces a train step and an evaluation step, which takes about a second and compiles nothing.

  Args:
    algorithm: made with the same `axis_name`.
    abstract_state: of `jax.ShapeDtypeStruct`.
    batch: of `jax.ShapeDtypeStruct`, the whole batch.
    axis_name: the pmap axis; None under a global-view `jit`.
    devices: on that axis.

  Raises:
    ArgumentError: a setting that does not go with these sizes, such as a batch that does not divide.
    ValueError: sizes that do not go together.
  """
  key = jax.eval_shape(lambda: jax.random.key(0))
  train_step, parts = algorithm.train_step, batch
  if axis_name is not None:  # named by vmap, which under pmap would be the same step
    train_step = jax.vmap(train_step, in_axes=(None, 0, None), axis_name=axis_name)
    cut = lambda x: jax.ShapeDtypeStruct((devices, x.shape[0] // devices, *x.shape[1:]), x.dtype)
    parts = jax.tree.map(cut, batch)
  try:
    jax.eval_shape(train_step, abstract_state, parts, key)
    if algorithm.eval_step is not None:
      jax.eval_shape(algorithm.eval_step, abstract_state, batch, key)
  except ArgumentError:
    raise
  except ValueError as error:
    raise ValueError(f'with this config no step can be made: {error}') from error
