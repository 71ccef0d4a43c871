"""The leaves of a state by their paths, as a checkpoint names, describes and compares them, and their hash."""

import hashlib
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import flax
import jax
import numpy as np

from gengan.core import PyTree, State


def by_path(tree: PyTree) -> dict[str, Any]:
  """Leaves by path, 'params/generator/Conv_0/kernel'. Empty collections and None have none, so any may be saved."""
  paths = jax.tree_util.tree_flatten_with_path(tree)[0]
  leaves = {jax.tree_util.keystr(path, simple=True, separator='/'): leaf for path, leaf in paths}
  if len(leaves) < len(paths):
    raise ValueError('two leaves of the state have the same path; do not use "/" in the names of collections')
  return leaves


def nested(leaves: Mapping[str, Any]) -> dict[str, Any]:
  """The tree of dicts that the paths spell, of those leaves that have elements: Orbax writes no others."""
  return flax.traverse_util.unflatten_dict({path: leaf for path, leaf in leaves.items() if leaf.size}, sep='/')


def describe(leaf: Any) -> str:
  """Dtype and shape: 'float32[4,8]'."""
  return f'{leaf.dtype}[{",".join(map(str, leaf.shape))}]'


def num_bytes(leaves: Mapping[str, Any]) -> int:
  """What leaves take in memory, and on a disk about as much."""
  return sum(leaf.size * leaf.dtype.itemsize for leaf in leaves.values())


def check(folder: pathlib.Path, found: dict[str, str], expected: dict[str, str]) -> None:
  """Compares the leaves of a checkpoint with those of a model, both as `describe` puts them.

  Raises:
    ValueError: names those that are missing, superfluous or of another shape or dtype, five of each at most.
  """
  differ = [path for path in expected if path in found and found[path] != expected[path]]
  problems = {
    'missing in the checkpoint': [path for path in expected if path not in found],
    'not in the model': [path for path in found if path not in expected],
    'different': [f'{path} is {found[path][:60]}, the model has {expected[path]}' for path in differ],
  }
  if text := listed(problems):
    raise ValueError(f'{folder} does not fit the model; {text}')


def listed(problems: Mapping[str, Sequence[str]]) -> str:
  """'missing: a, b; different: c', five of each at most and without those that are empty."""
  more = lambda paths: f' and {len(paths) - 5} more' if len(paths) > 5 else ''
  return '; '.join(f'{name}: {", ".join(paths[:5])}{more(paths)}' for name, paths in problems.items() if paths)


def state_sha256(state: State) -> str:
  """Which weights they are: of everything that samples can depend on, the same on any device.

  A data card and an evaluation of the same weights have it in common.
  """
  digest = hashlib.sha256()
  for path, leaf in jax.tree_util.tree_leaves_with_path(state.replace(opt_state={})):
    array = np.ascontiguousarray(leaf)
    digest.update(f'{jax.tree_util.keystr(path)} {array.dtype.name} {array.shape}\n'.encode())
    digest.update(array.tobytes())
  return digest.hexdigest()
