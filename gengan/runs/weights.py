"""Which weights they are: the hash that a data card and an evaluation of the same weights have in common."""

import hashlib

import jax
import numpy as np

from gengan.core import State


def state_sha256(state: State) -> str:
  """Of everything that samples can depend on: the same numbers, the same hash, on any device."""
  digest = hashlib.sha256()
  for path, leaf in jax.tree_util.tree_leaves_with_path(state.replace(opt_state={})):
    array = np.ascontiguousarray(leaf)
    digest.update(f'{jax.tree_util.keystr(path)} {array.dtype.name} {array.shape}\n'.encode())
    digest.update(array.tobytes())
  return digest.hexdigest()
