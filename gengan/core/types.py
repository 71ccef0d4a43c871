"""State and Algorithm: a few pure functions over one state, which is all that the rest of the package sees.

`Algorithm` is to generative models what `optax.GradientTransformation` is to optimizers. The loop, the mesh, the
checkpoints, evaluation and generation only ever see this tuple and the `State` that it maps to a new `State`.
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol

import flax
import jax
import jax.numpy as jnp

from gengan.core.latents import PyTree, spherical
from gengan.host.errors import ArgumentError

Batch = dict[str, jax.Array]  # {'image': [B, H, W, C] float32 in [-1, 1], 'label': [B] int32}
Metrics = dict[str, jax.Array]  # float32 scalars (train_step) or one value an example, [B] (eval_step)
ScalarOrSchedule = float | Callable[[jax.Array], jax.Array]  # a number, or a function of the train steps done
FIRST_STAGE = 'first_stage'  # the frozen one of `latent.on`, in `State.extra`


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


class Settle(Protocol):
  """The state as it is to be evaluated, sampled and exported; training goes on from the one before."""

  def __call__(self, state: State) -> State: ...


class Algorithm(NamedTuple):
  """A generative model and the way to train it, as pure functions; each is described by its type.

  >>> from gengan.config import defaults
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
  encode: Encode | None = None  # None: the model has no encoder
  score: Score | None = None  # None: it has no discriminator
  interpolate: Interpolate = spherical
  settle: Settle | None = None  # None: a state is used as training leaves it


def sample(
  algorithm: Algorithm, state: State, key: jax.Array, labels: jax.Array, *, truncation: float = 1.0
) -> jax.Array:
  """Draws one image for every label: [N] int32 -> [N, H, W, C] float32 in [-1, 1]."""
  return algorithm.decode(state, algorithm.prior(state, key, labels, truncation=truncation), labels)


def settled(algorithm: Algorithm, state: State) -> State:
  """The state as it is to be used, see `Settle`; compiled where there is something to do."""
  return state if algorithm.settle is None else jax.jit(algorithm.settle)(state)


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
