"""Options of the compiler, given only where its version knows them."""

import functools

import jax
import numpy as np


def cpu_options(platform: str, options: dict[str, str]) -> dict[str, str] | None:
  """The options on CPUs, where this version's compiler knows them; else None."""
  return options if platform == 'cpu' and _accepts(tuple(options.items())) else None


@functools.cache
def _accepts(options: tuple[tuple[str, str], ...]) -> bool:
  try:
    jax.jit(lambda: np.float32(0), compiler_options=dict(options)).lower().compile()
  except jax.errors.JaxRuntimeError:
    return False
  return True
