"""Terms of the weights alone."""

import jax
import jax.numpy as jnp

from gengan import core
from gengan.core import ScalarOrSchedule
from gengan.terms.term import Context, Term, check_weight, simple


def orthogonal(weight: ScalarOrSchedule = 1e-4) -> Term:
  """weight sum ||W^T W (1 - I)||_F^2 over the player's kernels W, [inputs, outputs] (Brock et al. 2019, eq. 3).

  >>> params = {'kernel': jnp.ones((3, 2)), 'bias': jnp.ones(2)}
  >>> float(orthogonal(1.0).apply(Context(step=0, batch={}, params=params), {})[0])  # 3^2 above and below the diagonal
  18.0
  """
  check_weight('weight', weight)

  def off_diagonal(kernel: jax.Array) -> jax.Array:
    flat = kernel.reshape(-1, kernel.shape[-1])
    product = flat.T @ flat
    return jnp.sum(jnp.square(product - jnp.diag(jnp.diag(product))))

  def loss(context: Context) -> jax.Array:
    leaves = jax.tree.leaves_with_path(context.params)
    kernels = [leaf for path, leaf in leaves if path[-1].key == 'kernel']
    return core.value_at(weight, context.step) * sum(map(off_diagonal, kernels))

  return simple('orthogonal', loss)
