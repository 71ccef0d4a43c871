"""Standing statistics: batch norm's statistics of the averaged generator, taken anew (Brock et al. 2019, section 3)."""

from collections.abc import Callable

import jax
from flax import linen as nn

from gengan import core
from gengan.core import ArgumentError


def standing_statistics(
  generator: nn.Module,
  prior: core.Prior,
  *,
  batches: int,
  rows: int,
  draw_labels: Callable[[jax.Array, int], jax.Array],
) -> core.Settle:
  """A function from a state to the same with 'batch_stats' of `ema_params` that are means over generated batches.

  Training averages these statistics over weights that moved meanwhile, and over its own batches. This averages the mean
  and the variance of many batches of the weights that will be used; it does so always with the same noise.

  Args:
    generator: with batch norms of momentum 0, which keep the last batch's statistics.
    prior: of the algorithm.
    batches: at least 1.
    rows: images in each, at least 2.
    draw_labels: `(key, rows) -> labels [rows]`.

  Raises:
    ArgumentError: fewer batches or rows.
  """
  if batches < 1:
    raise ArgumentError('batches', batches, 'at least 1')
  if rows < 2:
    raise ArgumentError('rows', rows, 'at least 2')

  def settle(state: core.State) -> core.State:
    variables = state.ema_params['generator']

    def statistics(key: jax.Array) -> core.PyTree:
      labels_key, latents_key = jax.random.split(key)
      labels = draw_labels(labels_key, rows)
      latents = prior(state, latents_key, labels)
      return generator.apply(variables, latents, labels, train=True, mutable=['batch_stats'])[1]['batch_stats']

    found = jax.lax.map(statistics, jax.random.split(jax.random.key(0), batches))
    means = jax.tree.map(lambda values: values.mean(axis=0), found)
    return state.replace(ema_params={**state.ema_params, 'generator': {**variables, 'batch_stats': means}})

  return settle
