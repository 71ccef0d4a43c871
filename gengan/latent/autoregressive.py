"""A learned prior over codes: every code drawn given those before it."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn

from gengan import core
from gengan.core import Algorithm, ArgumentError, ScalarOrSchedule
from gengan.latent.posteriors import check_shape
from gengan.optimizers import Gradient, whole_batch


def autoregressive(
  network: nn.Module,
  *,
  shape: tuple[int, ...],
  optimizer: optax.GradientTransformation,
  gradient: Gradient = whole_batch,
  ema_half_life_kimg: ScalarOrSchedule = 10.0,
  ema_rampup: float = 0.05,
  dtype: Any = jnp.float32,
  axis_name: str | None = None,
) -> Algorithm:
  """log p(codes | label) = sum_l log p(code_l | codes before it, label) (van den Oord et al. 2017, section 3.3).

  Its 'images' are codes [N, *shape], int32, so it is trained by `on` with a first stage that gives such codes.

  Args:
    network: linen module `(codes [N, L], labels [N], *, train) -> logits [N, L, K]`, with L codes in raster order and K
      values of a code. It must be causal: logits l may depend on codes before l alone.
    shape: of the codes of one image.
    optimizer: of the network.
    gradient: how the gradient is taken, see `gengan.optimizers`.
    ema_half_life_kimg, ema_rampup: see `core.ema_decay`.
    dtype: in which the network computes in training; parameters and losses are float32.
    axis_name: the pmap axis that the step will run under; None for a global-view `jit`.

  Returns:
    An Algorithm. `eval_step` gives `nll`, the nats of each image's codes. The truncation of `prior` is a temperature:
    the logits are divided by it.

  Raises:
    ArgumentError: an average that cannot be; from `init`, a network whose logits do not fit.
  """
  decay_at, length = core.averaging(ema_half_life_kimg, ema_rampup, axis_name), math.prod(shape)
  flat = lambda codes: codes.reshape(codes.shape[0], length)

  def init(key, batch):
    logits, found = network.init_with_output(key, flat(batch['image']), batch['label'], train=False)
    check_shape('logits of the prior', logits, (*flat(batch['image']).shape, logits.shape[-1]))
    return core.init_state({'prior': found}, {'prior': optimizer}, averaged=['prior'])

  def train_step(state, batch, key):
    def objective(params, examples, key):
      inputs = flat(examples['image']), examples['label']
      settings = {'key': key, 'dtype': dtype, 'axis_name': axis_name}
      logits, after = core.forward(network, params['prior'], state.model_state['prior'], *inputs, **settings)
      nll = _nll(logits, inputs[0]).mean()
      return nll, ({'prior': after}, {'nll': nll, 'bits_per_code': nll / (length * math.log(2.0))})

    grads, (after, metrics) = core.pmean(gradient(objective, state.params, batch, key), axis_name)
    state, norms = core.advance(state, grads, after, optimizer, decay_at(state.step, batch))
    return state, metrics | norms

  def eval_step(state, batch, key):
    codes = flat(batch['image'])
    return {'nll': _nll(network.apply(state.ema_params['prior'], codes, batch['label'], train=False), codes)}

  def prior(state, key, labels, *, truncation=1.0):
    return _draw(network, state, key, labels, length, truncation).reshape(-1, *shape)

  return Algorithm(init, train_step, eval_step, prior, decode=lambda state, codes, labels: codes)


def _nll(logits: jax.Array, codes: jax.Array) -> jax.Array:
  """-log p of codes [N, L] under logits [N, L, K], summed: [N]."""
  return optax.softmax_cross_entropy_with_integer_labels(logits, codes).sum(axis=1)


def _draw(network: nn.Module, state: core.State, key: jax.Array, labels: jax.Array, length: int, temperature: float):
  """Codes [N, length], one after the other."""
  if not temperature > 0:
    raise ArgumentError('truncation', temperature, 'above 0')

  def one_more(i, codes):
    logits = network.apply(state.ema_params['prior'], codes, labels, train=False)[:, i]
    drawn = jax.random.categorical(jax.random.fold_in(key, i), logits / temperature)
    return codes.at[:, i].set(drawn.astype(jnp.int32))

  return jax.lax.fori_loop(0, length, one_more, jnp.zeros((labels.shape[0], length), jnp.int32))
