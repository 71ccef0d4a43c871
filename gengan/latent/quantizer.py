"""The codebook of a vector-quantised model."""

import jax
import jax.numpy as jnp
from flax import linen as nn

from gengan.latent.posteriors import Quantized

SMOOTHING = 1e-5  # of the shares, so that a code that is never chosen stays finite


class Quantizer(nn.Module):
  """Vectors [N, L, size] -> the nearest entries of a codebook, which moves by averages (van den Oord et al. 2017).

  Every entry is the running mean of the vectors that chose it (appendix A.1): the collection 'codebook' holds the share
  of the vectors that chose each code and the sum of those vectors over their number.

  >>> quantizer = Quantizer(num_codes=8, size=3)
  >>> found, variables = quantizer.init_with_output(jax.random.key(0), jnp.ones((2, 5, 3)), train=False)
  >>> found.codes.shape, found.embedded.shape, found.commitment.shape, sorted(variables)
  ((2, 5), (2, 5, 3), (2,), ['codebook'])
  """

  num_codes: int
  size: int
  decay: float = 0.99

  def setup(self):
    even = jnp.full((self.num_codes, 1), 1 / self.num_codes)
    draw = lambda: even * jax.random.normal(self.make_rng('params'), (self.num_codes, self.size))
    self.sums, self.shares = self.variable('codebook', 'sums', draw), self.variable('codebook', 'shares', lambda: even)

  def embed(self, codes: jax.Array, *, train: bool = False) -> jax.Array:
    """The entries of codes [...]: [..., size]."""
    shares = (self.shares.value + SMOOTHING) / (1 + self.num_codes * SMOOTHING)
    return (self.sums.value / shares)[codes]

  def __call__(self, vectors: jax.Array, *, train: bool) -> Quantized:
    entries = self.embed(jnp.arange(self.num_codes))
    codes = jnp.square(vectors[..., None, :] - entries).sum(-1).argmin(-1).astype(jnp.int32)
    nearest = entries[codes]
    if train:
      chosen = jax.nn.one_hot(codes, self.num_codes)
      share = jnp.einsum('nlk,nld->kd', chosen, jax.lax.stop_gradient(vectors)) / codes.size
      self.sums.value = self.decay * self.sums.value + (1 - self.decay) * share
      self.shares.value = self.decay * self.shares.value + (1 - self.decay) * chosen.mean((0, 1))[:, None]
    commitment = jnp.square(vectors - jax.lax.stop_gradient(nearest)).sum((1, 2))
    return Quantized(codes, vectors + jax.lax.stop_gradient(nearest - vectors), commitment)
