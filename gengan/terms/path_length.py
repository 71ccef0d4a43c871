"""Path length regularization of a style-based generator."""

import jax
import jax.numpy as jnp

from gengan import core
from gengan.core import ArgumentError, ScalarOrSchedule
from gengan.terms.term import Context, Term, check_weight


def path_length(
  weight: ScalarOrSchedule = 2.0,
  *,
  decay: float = 0.01,
  shrink: int = 2,
  mapping: str | None = 'mapping',
  synthesis: str | None = 'synthesis',
) -> Term:
  """weight E (||J^T y|| - a)^2, J the Jacobian of the images in w, y ~ N(0, I / pixels) (Karras et al. 2020, eq. 4).

  The memory holds `a`, the running mean of the lengths, which moves by `decay` of the way at every use. Where w is
  [N, L, D], one vector a layer, the length is the root of the mean over the layers.

  Args:
    weight: 2 in the paper.
    decay: 0.01 in the paper.
    shrink: a 1 / shrink of the samples is used; the paper's 2 saves memory.
    mapping: method of G from latents and labels to w; None: the latents are w.
    synthesis: method of G from w and labels to images; None: `__call__`.

  Raises:
    ArgumentError: a weight below 0, a decay outside (0, 1], or a shrink below 1.

  >>> term = path_length(mapping=None, synthesis=None)
  >>> term.init(jax.random.key(0), {})
  {'mean': Array(0., dtype=float32)}
  """
  check_weight('weight', weight)
  if not 0 < decay <= 1:
    raise ArgumentError('decay', decay, 'above 0 and at most 1')
  if shrink < 1:
    raise ArgumentError('shrink', shrink, 'at least 1')

  def apply(context: Context, memory: core.PyTree) -> tuple[jax.Array, core.Metrics, core.PyTree]:
    rows = max(1, len(context.latents) // shrink)
    # Every shrink-th row: the same ones however many devices share the batch.
    latents, labels = context.latents[::shrink][:rows], context.labels[::shrink][:rows]
    w = latents if mapping is None else context.generate(latents, labels, method=mapping)
    shape = jax.eval_shape(lambda w: context.generate(w, labels, method=synthesis), w).shape
    pixels = shape[1] * shape[2]
    draw = lambda rows: jax.random.normal(context.key, (rows, *shape[1:])) / jnp.sqrt(pixels)
    noise = core.local_rows(draw, rows, context.axis_name)
    gradients = jax.grad(lambda w: jnp.sum(context.generate(w, labels, method=synthesis) * noise))(w)
    squares = jnp.sum(jnp.square(gradients), axis=-1)
    lengths = jnp.sqrt(jnp.mean(squares.reshape(rows, -1), axis=1))
    length = core.pmean(jax.lax.stop_gradient(lengths.mean()), context.axis_name)
    mean = memory['mean'] + decay * (length - memory['mean'])
    loss = core.value_at(weight, context.step) * jnp.mean(jnp.square(lengths - mean))
    return loss, {'path_length_penalty': loss, 'path_length': length}, {'mean': mean}

  return Term(apply, lambda key, batch: {'mean': jnp.zeros((), jnp.float32)})
