"""The types that everything else is written against, and what every builder of an algorithm shares.

`Algorithm` is to generative models what `optax.GradientTransformation` is to optimizers: a few pure functions over one
state. The loop, the mesh, the checkpoints, evaluation and generation only ever see this tuple and the `State` that it
maps to a new `State`.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import flax
import jax
import jax.numpy as jnp
import optax
from flax import linen as nn

from gengan.host.errors import ArgumentError as ArgumentError

PyTree = Any
Batch = dict[str, jax.Array]  # {'image': [B, H, W, C] float32 in [-1, 1], 'label': [B] int32}
Metrics = dict[str, jax.Array]  # float32 scalars (train_step) or one value an example, [B] (eval_step)
ScalarOrSchedule = float | Callable[[jax.Array], jax.Array]  # a number, or a function of the train steps done
FIRST_STAGE = 'first_stage'  # the frozen one of `latent.on`, in `State.extra`
RNGS = ('dropout', 'noise')  # random streams that a network may read in training


@flax.struct.dataclass
class State:
  """Everything that must survive a restart, and nothing else.

  >>> state = State(jnp.int32(0), {'generator': {'w': jnp.ones(2)}}, {}, {}, {}, {})
  >>> jax.tree.map(lambda leaf: leaf.shape, state.params)
  {'generator': {'w': (2,)}}
  """

  step: jax.Array  # int32 scalar: train steps done
  params: PyTree  # trainable leaves by network: {'generator': ..., 'discriminator': ...}
  opt_state: PyTree  # same top-level keys as params
  model_state: PyTree  # other linen collections by network: batch statistics, spectral-norm vectors, codebooks, w_avg
  ema_params: PyTree  # linen variables by network, averaged over time: what is evaluated, sampled and exported
  extra: PyTree  # memories of terms and of the augmentation, by name; a frozen first stage


class Init(Protocol):
  """Makes a state; only shapes and dtypes of the batch are used."""

  def __call__(self, key: jax.Array, batch: Batch) -> State: ...


class TrainStep(Protocol):
  """Updates every network once or more. Free of collectives; the caller folds the step into the key."""

  def __call__(self, state: State, batch: Batch, key: jax.Array) -> tuple[State, Metrics]: ...


class EvalStep(Protocol):
  """One value an example, [B] under each name; the caller masks and averages."""

  def __call__(self, state: State, batch: Batch, key: jax.Array) -> Metrics: ...


class Prior(Protocol):
  """Draws latents for labels [N] int32 (zeros where the model is unconditional: N is a shape).

  Truncation below 1 gives fewer, safer images, above 1 more, wilder ones. What it does is the algorithm's own; one that
  has nothing to truncate raises an ArgumentError for all but 1.
  """

  def __call__(self, state: State, key: jax.Array, labels: jax.Array, *, truncation: float = 1.0) -> PyTree: ...


class Decode(Protocol):
  """Images [N, H, W, C] float32 in [-1, 1] of latents; deterministic."""

  def __call__(self, state: State, latents: PyTree, labels: jax.Array) -> jax.Array: ...


class Encode(Protocol):
  """Latents of images, such as `decode` takes."""

  def __call__(self, state: State, images: jax.Array, labels: jax.Array) -> PyTree: ...


class Score(Protocol):
  """A discriminator's logits [N] of images."""

  def __call__(self, state: State, images: jax.Array, labels: jax.Array) -> jax.Array: ...


class Interpolate(Protocol):
  """Latents on the way from `start` (t = 0) to `end` (t = 1), both ends exact."""

  def __call__(self, start: PyTree, end: PyTree, t: jax.Array | float) -> PyTree: ...


def spherical(start: PyTree, end: PyTree, t: jax.Array | float) -> PyTree:
  """Turns from one direction to the other at constant speed, which keeps the length that a Gaussian prior gives.

  Slerp (Shoemake 1985; for generative models White 2016, "Sampling Generative Networks", section 2.1):
    sin((1 - t) w) / sin(w) * a + sin(t w) / sin(w) * b,  w the angle between a and b.
  Where a and b are parallel or opposite it is the straight line. Whole numbers (codes) have no in-between: they step
  from one to the other half-way.

  Args:
    start: pytree of [N, ...]; every leaf's row is one vector with an angle of its own.
    end: the same tree and shapes.
    t: in [0, 1].

  Raises:
    ArgumentError: leaves of two shapes or dtypes.
  """

  def between(a, b):
    a, b, time, straight = _straight(a, b, t)
    if not jnp.issubdtype(a.dtype, jnp.floating):
      return straight
    u, v = a.astype(jnp.float32), b.astype(jnp.float32)
    axes = tuple(range(1, a.ndim))
    total = lambda x: jnp.sum(x, axes, keepdims=True)
    lengths = jnp.sqrt(total(u * u) * total(v * v))
    angle = jnp.arccos(jnp.clip(total(u * v) / jnp.maximum(lengths, 1e-12), -1, 1))
    sine = jnp.sin(angle)
    arc = (jnp.sin((1 - time) * angle) * u + jnp.sin(time * angle) * v) / jnp.where(sine > 1e-4, sine, 1)
    return jnp.where((sine > 1e-4) & (time > 0) & (time < 1), arc.astype(a.dtype), straight)

  return jax.tree.map(between, start, end)


def linear(start: PyTree, end: PyTree, t: jax.Array | float) -> PyTree:
  """The straight line, for latents whose prior is no sphere (w of a style-based generator); else as `spherical`."""
  return jax.tree.map(lambda a, b: _straight(a, b, t)[3], start, end)


def _straight(a, b, t):
  a, b, time = jnp.asarray(a), jnp.asarray(b), jnp.asarray(t, jnp.float32)
  if a.shape != b.shape or a.dtype != b.dtype:
    raise ArgumentError('end', f'{b.dtype}{list(b.shape)}', f'{a.dtype}{list(a.shape)}, as the start is')
  if not jnp.issubdtype(a.dtype, jnp.floating):
    return a, b, time, jnp.where(time < 0.5, a, b)
  return a, b, time, ((1 - time) * a.astype(jnp.float32) + time * b.astype(jnp.float32)).astype(a.dtype)


class Algorithm(NamedTuple):
  """A generative model and the way to train it, as pure functions.

  Attributes:
    init: `(key, batch) -> State`.
    train_step: `(state, batch, key) -> (State, Metrics)`.
    eval_step: `(state, batch, key) -> Metrics`; `jax.eval_shape` says which.
    prior: `(state, key, labels, *, truncation=1.0) -> latents`.
    decode: `(state, latents, labels) -> images`.
    encode: `(state, images, labels) -> latents`, or None where the model has no encoder.
    score: `(state, images, labels) -> logits [N]` of a discriminator, or None where there is none.
    interpolate: `(start, end, t) -> latents`.

  >>> from configs import defaults
  >>> from gengan.models import dcgan
  >>> algorithm = dcgan.make(defaults.gan('digits'))
  >>> algorithm.encode is None, algorithm.score is None
  (True, False)
  """

  init: Init
  train_step: TrainStep
  eval_step: EvalStep
  prior: Prior
  decode: Decode
  encode: Encode | None = None
  score: Score | None = None
  interpolate: Interpolate = spherical


def sample(
  algorithm: Algorithm, state: State, key: jax.Array, labels: jax.Array, *, truncation: float = 1.0
) -> jax.Array:
  """Draws one image for every label: [N] int32 -> [N, H, W, C] float32 in [-1, 1]."""
  return algorithm.decode(state, algorithm.prior(state, key, labels, truncation=truncation), labels)


def walk(algorithm: Algorithm, start: PyTree, end: PyTree, num: int) -> PyTree:
  """Latents of `num` points (2 or more) on the way between two sets of latents [N, ...]: [N, num, ...].

  Raises:
    ArgumentError: fewer points.

  >>> straight = Algorithm(None, None, None, None, None, interpolate=linear)
  >>> walk(straight, jnp.zeros((1, 1)), jnp.ones((1, 1)), 3).tolist()
  [[[0.0], [0.5], [1.0]]]
  """
  if num < 2:
    raise ArgumentError('num', num, 'at least 2')
  return jax.vmap(lambda t: algorithm.interpolate(start, end, t), out_axes=1)(jnp.linspace(0.0, 1.0, num))


def truncated(latents: PyTree, truncation: float) -> PyTree:
  """Latents of a zero-mean prior times the truncation: pulled to the mean below 1, driven from it above.

  The psi of Karras et al. 2019 (appendix B) with the mean at 0; the temperature of Kingma and Dhariwal 2018. It is not
  the truncation trick of Brock et al. 2019, which draws again whatever lies beyond a threshold.

  Raises:
    ArgumentError: it is not positive, or the latents are not float: codes have no mean to be pulled to.
  """
  if not truncation > 0:
    raise ArgumentError('truncation', truncation, 'above 0')
  if truncation == 1:
    return latents
  if not all(jnp.issubdtype(leaf.dtype, jnp.floating) for leaf in jax.tree.leaves(latents)):
    raise ArgumentError('truncation', truncation, '1', why='but this model draws codes, which have no mean')
  return jax.tree.map(lambda z: (truncation * z).astype(z.dtype), latents)


def variables(state: State, network: str) -> PyTree:
  """The linen variables of one network as it is trained now: parameters and every other collection."""
  return {'params': state.params[network], **state.model_state.get(network, {})}


def with_trained_weights(state: State) -> State:
  """The same state with the weights as trained in the place of their moving average."""
  return state.replace(ema_params={network: variables(state, network) for network in state.ema_params})


def value_at(value: ScalarOrSchedule, step: jax.Array) -> jax.Array | float:
  """A number, or what a schedule gives at a step."""
  return value(step) if callable(value) else value


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
) -> tuple[PyTree, PyTree]:
  """A pass in training mode: outputs (float32) and the updated collections (batch statistics, codebooks, ...).

  Args:
    key: of the random streams in `RNGS`; None: the network reads none.
    dtype: in which parameters and inputs enter. Collections keep the dtype that they have.
    method: of the module; None: `__call__`.
  """
  rngs = None if key is None else {name: jax.random.fold_in(key, i) for i, name in enumerate(RNGS)}
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


def ema_decay(step: jax.Array, batch_size: int, *, half_life_kimg: ScalarOrSchedule, rampup: float | None) -> jax.Array:
  """Decay of the moving average at a step: 0.5^(batch / half-life), both in images (Karras et al. 2020, appendix B).

  Args:
    step: train steps done before this one.
    batch_size: images a step reads.
    half_life_kimg: thousands of images after which a weight counts half; 0 switches the average off.
    rampup: at most this share of the images seen so far is the half-life, so that early samples are not stale.
      None: no ramp-up.
  """
  half_life = jnp.asarray(value_at(half_life_kimg, step) * 1000.0, jnp.float32)
  if rampup is not None:
    half_life = jnp.minimum(half_life, step.astype(jnp.float32) * batch_size * rampup)
  return jnp.where(half_life > 0, 0.5 ** (batch_size / jnp.maximum(half_life, 1e-8)), 0.0)


def check_ema(half_life_kimg: ScalarOrSchedule, rampup: float | None) -> None:
  """Raises an ArgumentError for what `ema_decay` cannot work with."""
  if not callable(half_life_kimg) and not 0 <= half_life_kimg < math.inf:
    raise ArgumentError('half_life_kimg', half_life_kimg, 'at least 0 (0: no average)')
  if rampup is not None and not 0 < rampup <= 1:
    raise ArgumentError('rampup', rampup, 'above 0 and at most 1, or None for no ramp-up')


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
