"""Self-attention between the places of an image (Zhang et al. 2019, "Self-Attention GANs", section 3)."""

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax.typing import Initializer

from gengan.layers.doubling import blocks_of_2x2
from gengan.layers.linear import Dense, lecun_normal


class SelfAttention(nn.Module):
  """x + gamma v(sum_j softmax_j(f(x_i)' g(x_j)) h(x_j)), all of f, g, h and v linear maps of one place.

  f and g have an eighth of the features, h half of them; g(x_j) and h(x_j) are the largest values of 2x2 places (Brock
  et al. 2019, appendix B), so that there are a fourth as many j as i. The scalar gamma begins at 0: the layer learns
  to be there (eq. 3).

  Attributes:
    kernel_init: of the four kernels.
    spectral_norm: of the four kernels.
  """

  kernel_init: Initializer = lecun_normal
  spectral_norm: bool = False

  @nn.compact
  def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
    """[N, H, W, C] -> the same; H and W are even.

    Raises:
      ValueError: an odd side.
    """
    features = x.shape[-1]

    def project(x, size, name):
      settings = {'kernel_init': self.kernel_init, 'spectral_norm': self.spectral_norm, 'name': name}
      return Dense(size, use_bias=False, **settings)(x, train=train)

    flat = lambda x: x.reshape(x.shape[0], -1, x.shape[-1])
    largest = lambda x: flat(blocks_of_2x2(x).max(axis=(2, 4)))
    narrow, half = max(features // 8, 1), max(features // 2, 1)
    queries = flat(project(x, narrow, 'f'))
    keys, values = largest(project(x, narrow, 'g')), largest(project(x, half, 'h'))
    scores = jnp.einsum('nid,njd->nij', queries, keys).astype(jnp.float32)
    shares = jax.nn.softmax(scores, axis=-1).astype(x.dtype)
    seen = project(jnp.einsum('nij,njd->nid', shares, values), features, 'v')
    gamma = self.param('gamma', nn.initializers.zeros_init(), ())
    return x + gamma.astype(x.dtype) * seen.reshape(x.shape)
