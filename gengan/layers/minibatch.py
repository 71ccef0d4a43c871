"""The minibatch standard deviation, by which D sees how varied images are (Karras et al. 2018, section 3)."""

import jax
import jax.numpy as jnp
from flax import linen as nn

from gengan import core

EPSILON = 1e-8  # under the root


class MinibatchDeviation(nn.Module):
  """Adds to each map one feature: the deviation of the rows of its group from each other, over all places and features.

  Groups are interleaved, so that their rows do not depend on how many devices share the batch: of B rows, in M groups,
  group m has the rows m, m + M, m + 2 M, ... M is the largest divisor of B with groups of at least the given size, and
  1 in a smaller batch. A row by itself has the deviation 0.

  Attributes:
    group_size: at least so many rows.
    axis_name: the pmap axis over which the rows are cut.
  """

  group_size: int
  axis_name: str | None = None

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    """[N, H, W, C] -> [N, H, W, C + 1]."""
    rows = x
    if self.axis_name is not None:
      rows = jax.lax.all_gather(x, self.axis_name, tiled=True)
    groups = max(m for m in range(1, max(1, len(rows) // self.group_size) + 1) if len(rows) % m == 0)
    grouped = rows.astype(jnp.float32).reshape(-1, groups, *rows.shape[1:])
    deviation = jnp.sqrt(jnp.square(grouped - grouped.mean(axis=0)).mean(axis=0) + EPSILON)
    values = jnp.tile(deviation.mean(axis=(1, 2, 3)), len(rows) // groups)
    values = core.local_rows(lambda _: values, len(x), self.axis_name)
    added = jnp.broadcast_to(values[:, None, None, None].astype(x.dtype), (*x.shape[:3], 1))
    return jnp.concatenate([x, added], axis=-1)
