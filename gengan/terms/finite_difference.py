"""Squared gradients of D from two of its values, without a gradient of a gradient (GAT, arXiv 2509.24935)."""

import jax
import jax.numpy as jnp

from gengan.terms.term import Critic


def squared_slopes(critic: Critic, logits: jax.Array, images: jax.Array, noise: jax.Array, sigma: float) -> jax.Array:
  """((D(x + sigma n) - D(x)) / sigma)^2 of every image: [N].

  Its mean over n ~ N(0, I) is ||grad D(x)||^2 + O(sigma^2), exact where D is linear; a single one scatters around it
  by sqrt(2) times its value. Where D has a Hessian H and no higher derivatives the rest is
  sigma^2 / 4 ((tr H)^2 + 2 tr H^2).

  Args:
    critic: D as a function of images alone; it must give the same logits whenever it is called.
    logits: D(x) [N], which a pass has given already.
    images: x [N, ...].
    noise: n, like the images.
    sigma: in units of the images; 0.01 in the paper. The smaller, the more digits the difference loses: bfloat16 has
      two or three.

  >>> linear = lambda x: 3.0 * x[:, 0]
  >>> x, n = jnp.zeros((2, 1)), jnp.array([[1.0], [-2.0]])
  >>> squared_slopes(linear, linear(x), x, n, 0.5).tolist()  # (3 n)^2
  [9.0, 36.0]
  """
  return jnp.square((critic(images + sigma * noise) - logits) / sigma)
