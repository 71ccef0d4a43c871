"""Options of the compiler, given only where its version knows them."""

import functools

import jax
import numpy as np


def cpu_options(platform: str, options: dict[str, str]) -> dict[str, str]:
  """Those of the options that this version's compiler knows, on CPUs; else none."""
  return {name: value for name, value in options.items() if platform == 'cpu' and _accepts(name, value)}


@functools.cache
def _accepts(name: str, value: str) -> bool:
  try:
    jax.jit(lambda: np.float32(0), compiler_options={name: value}).lower().compile()
  except jax.errors.JaxRuntimeError:
    return False
  return True
