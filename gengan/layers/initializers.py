"""Initialisers that `flax.linen.initializers` lacks."""

import jax
from flax.typing import Initializer


def normal_around_one(stddev: float) -> Initializer:
  """Normal with mean 1: DCGAN's scale of batch norm (Radford et al. 2016; PyTorch's example takes 0.02)."""
  return lambda key, shape, dtype=float: 1.0 + stddev * jax.random.normal(key, shape, dtype)
