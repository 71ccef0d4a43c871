"""The types that everything else is written against: an algorithm is a few pure functions over one state.

`Algorithm` is to generative models what `optax.GradientTransformation` is to optimizers. The loop, the mesh, the
checkpoints, evaluation and generation only ever see this tuple and the `State` that it maps to a new `State`.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import flax
import jax
import jax.numpy as jnp
import optax

from gengan.host.errors import ArgumentError as ArgumentError

PyTree = Any
Batch = dict[str, jax.Array]  # {'image': [B, H, W, C] float32 in [-1, 1], 'label': [B] int32}
Metrics = dict[str, jax.Array]  # float32 scalars (train_step) or one value an example, [B] (eval_step)


@flax.struct.dataclass
class State:
  """Everything that must survive a restart, and nothing else."""

  step: jax.Array  # int32 scalar: train steps done
  params: PyTree  # trainable leaves by network: {'generator': ..., 'discriminator': ...}
  opt_state: PyTree  # same top-level keys as params
  model_state: PyTree  # other linen collections by network: batch statistics, spectral-norm vectors
  ema_params: PyTree  # linen variables by network, averaged over time: what is evaluated, sampled and exported
  extra: PyTree  # private to the algorithm: augmentation probability, path-length mean, codebook usage


class Algorithm(NamedTuple):
  """A generative model and the way to train it, as pure functions.

  Attributes:
    init: `(key, batch) -> State`. Only shapes and dtypes of the batch are used.
    train_step: `(state, batch, key) -> (State, Metrics)`. Updates every network once or more. Free of collectives;
      the caller folds the step into the key, so no key lives in the state.
    eval_step: `(state, batch, key) -> Metrics`, one value an example; the caller masks and averages.
    prior: `(state, key, labels) -> latents`. Labels are int32 [N], zeros when the model is unconditional: N is a shape.
    decode: `(state, latents, labels) -> images`. Deterministic; the images are [N, H, W, C] float32 in [-1, 1].
    encode: `(state, images, labels) -> latents`, or None where the model has no encoder.
    score: `(state, images, labels) -> logits [N]` of a discriminator, or None where there is none.
  """

  init: Callable[..., State]
  train_step: Callable[..., tuple[State, Metrics]]
  eval_step: Callable[..., Metrics]
  prior: Callable[..., PyTree]
  decode: Callable[..., jax.Array]
  encode: Callable[..., PyTree] | None = None
  score: Callable[..., jax.Array] | None = None


def sample(algorithm: Algorithm, state: State, key: jax.Array, labels: jax.Array) -> jax.Array:
  """Draws one image for every label: [N] int32 -> [N, H, W, C] float32 in [-1, 1]."""
  return algorithm.decode(state, algorithm.prior(state, key, labels), labels)


def scale_latents(latents: PyTree, factor: float) -> PyTree:
  """Latents of a zero-mean prior times a factor: below 1 truncation (fewer, safer images), above 1 expansion.

  Raises:
    ValueError: the factor is not positive, or the latents are not float (codes have no mean to be pulled to).
  """
  if not factor > 0:
    raise ValueError(f'latents can be scaled by a positive factor, not by {factor}')
  if factor == 1:
    return latents
  if not all(jnp.issubdtype(leaf.dtype, jnp.floating) for leaf in jax.tree.leaves(latents)):
    raise ValueError('truncation and expansion need float latents; this model draws codes')
  return jax.tree.map(lambda z: (factor * z).astype(z.dtype), latents)


def variables(state: State, network: str) -> PyTree:
  """The linen variables of one network as it is trained now: parameters and every other collection."""
  return {'params': state.params[network], **state.model_state.get(network, {})}


def without_ema(state: State) -> State:
  """The same state with the weights as trained in the place of their moving average."""
  return state.replace(ema_params={network: variables(state, network) for network in state.ema_params})


def apply_updates(
  optimizer: optax.GradientTransformation, grads: PyTree, opt_state: PyTree, params: PyTree
) -> tuple[PyTree, PyTree]:
  """One optimizer step: the new parameters and the new optimizer state."""
  updates, opt_state = optimizer.update(grads, opt_state, params)
  return optax.apply_updates(params, updates), opt_state


def ema_decay(step: jax.Array, batch_size: int, *, half_life_kimg: float, rampup: float | None) -> jax.Array:
  """Decay of the moving average at a step: 0.5^(batch / half-life), both in images (Karras et al. 2020, appendix B).

  Args:
    step: train steps done before this one.
    batch_size: images a step reads.
    half_life_kimg: thousands of images after which a weight counts half; 0 switches the average off.
    rampup: at most this share of the images seen so far is the half-life, so that early samples are not stale.
      None: no ramp-up.
  """
  half_life = jnp.asarray(half_life_kimg * 1000.0, jnp.float32)
  if rampup is not None:
    half_life = jnp.minimum(half_life, step.astype(jnp.float32) * batch_size * rampup)
  return jnp.where(half_life > 0, 0.5 ** (batch_size / jnp.maximum(half_life, 1e-8)), 0.0)


def check_ema(half_life_kimg: float, rampup: float | None) -> None:
  """Raises a ValueError that names the field of `config.ema` which `ema_decay` cannot work with."""
  if not 0 <= half_life_kimg < math.inf:
    raise ValueError(f'config.ema.half_life_kimg is {half_life_kimg}; it must be at least 0 (0: no average)')
  if rampup is not None and not 0 < rampup <= 1:
    raise ValueError(f'config.ema.rampup is {rampup}; it must be above 0 and at most 1, or None for no ramp-up')


def ema(average: PyTree, trained: PyTree, decay: jax.Array) -> PyTree:
  """Moves the average of linen variables towards those trained now.

  Parameters and batch statistics are averaged. Any other collection (spectral-norm vectors, which are directions, not
  estimates) is copied.
  """

  def mix(collection, old, new):
    if collection not in ('params', 'batch_stats'):
      return new
    return jax.tree.map(lambda a, b: a * decay + b * (1.0 - decay), old, new)

  return {collection: mix(collection, average[collection], new) for collection, new in trained.items()}


def pmean(tree: PyTree, axis_name: str | None) -> PyTree:
  """Mean over the devices of a pmap axis; the identity under a global-view `jit` (`axis_name=None`)."""
  return tree if axis_name is None else jax.lax.pmean(tree, axis_name)


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
    ValueError: sizes that do not go together, such as a batch that does not divide.
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
  except ValueError as error:
    if 'config.' in str(error):
      raise
    raise ValueError(f'with this config no step can be made: {error}') from error
