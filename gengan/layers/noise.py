"""Noise inputs of a generator."""

import jax
from flax import linen as nn

from gengan import core


class Noise(nn.Module):
  """Adds one map of standard normal noise an image, times a learned strength (Karras et al. 2019, section 2).

  Only in training, so that decoding stays deterministic. The strength begins at 0.

  Attributes:
    axis_name: the pmap axis over which the rows are cut.
  """

  axis_name: str | None = None

  @nn.compact
  def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
    """[N, H, W, C] -> the same; in training it reads the random stream 'noise'."""
    strength = self.param('strength', nn.initializers.zeros_init(), ())
    if not train:
      return x
    key, shape = self.make_rng('noise'), (*x.shape[1:3], 1)
    noise = core.local_rows(lambda rows: jax.random.normal(key, (rows, *shape), x.dtype), len(x), self.axis_name)
    return x + strength.astype(x.dtype) * noise
