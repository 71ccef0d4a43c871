"""LeCam regularization of D, which anchors its logits to running means of the other side."""

import jax
import jax.numpy as jnp

from gengan import core
from gengan.core import ArgumentError, ScalarOrSchedule
from gengan.terms.term import Context, Term, check_weight


def lecam(weight: ScalarOrSchedule = 0.3, *, decay: float = 0.99, start: int = 1000) -> Term:
  """weight (E max(0, D(x) - a_fake)^2 + E max(0, a_real - D(G(z)))^2), a running means (Tseng et al. 2021, eq. 4).

  Eq. 4 has the squares of the differences whatever their sign; here one counts where D tells the sides apart, as in
  the settings with which the paper's numbers are reproduced. Before `start` the means are those of the batch and the
  term is 0.

  Args:
    weight: 0.3 for BigGAN on CIFAR-10.
    decay: of the running means, 0.99.
    start: the train step at which it sets in, 1000.

  Raises:
    ArgumentError: a weight below 0, or a decay outside [0, 1).
  """
  check_weight('weight', weight)
  if not 0 <= decay < 1:
    raise ArgumentError('decay', decay, 'at least 0 and below 1')

  def apply(context: Context, memory: core.PyTree) -> tuple[jax.Array, core.Metrics, core.PyTree]:
    real, fake = context.logits
    begun = context.step >= start
    kept = jnp.where(begun, decay, 0.0)
    means = core.pmean(jax.lax.stop_gradient({'real': real.mean(), 'fake': fake.mean()}), context.axis_name)
    anchors = jax.tree.map(lambda old, new: kept * old + (1 - kept) * new, memory, means)
    squares = lambda differences: jnp.mean(jnp.square(jnp.maximum(differences, 0.0)))
    far = squares(real - anchors['fake']) + squares(anchors['real'] - fake)
    loss = jnp.where(begun, core.value_at(weight, context.step), 0.0) * far
    return loss, {'lecam': loss}, anchors

  return Term(apply, lambda key, batch: {'fake': jnp.zeros(()), 'real': jnp.zeros(())})
