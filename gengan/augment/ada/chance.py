"""What is drawn for an image, with a probability of being drawn at all."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from gengan import core


def rows_of(
  images: jax.Array,
  key: jax.Array,
  probability: jax.Array | float,
  draw: Callable[[jax.Array, int], jax.Array],
  otherwise: jax.Array | float,
  *,
  axis_name: str | None,
) -> jax.Array:
  """One value an image: what `draw(key, rows)` [rows, ...] gives with the probability, else what leaves it alone.

  The rows are those of all devices of the axis, of which each takes its own.
  """
  value_key, chance_key = jax.random.split(key)
  values = core.local_rows(lambda rows: draw(value_key, rows), len(images), axis_name)
  chance = core.local_rows(lambda rows: jax.random.uniform(chance_key, (rows,)), len(images), axis_name)
  happens = (chance < probability).reshape(-1, *(1,) * (values.ndim - 1))
  return jnp.where(happens, values, otherwise)
