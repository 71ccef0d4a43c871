"""gengan: generative models in JAX as pure functions over one state.

What is named here is imported when it is first asked for, so that a command line answers before JAX has started.
"""

from gengan.host import stopping

if _command := stopping.command():  # not where another program imports gengan
  stopping.answer(_command)  # before `typing`, which takes longer than all else that Python starts with

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
  from gengan.core import Algorithm as Algorithm
  from gengan.core import State as State
  from gengan.runs import load as load

__version__ = '0.2.0'
_PLACES = {'Algorithm': 'gengan.core', 'State': 'gengan.core', 'load': 'gengan.runs'}
_MODULES = ('gan', 'latent', 'layers', 'likelihoods', 'losses', 'metrics', 'sharding', 'terms', 'train', 'vae')
__all__ = ['Algorithm', 'State', 'load', *_MODULES]


def __getattr__(name: str) -> Any:
  if name in _PLACES:
    return getattr(importlib.import_module(_PLACES[name]), name)
  if name in _MODULES:
    return importlib.import_module(f'gengan.{name}')
  raise AttributeError(f"module 'gengan' has no attribute {name!r}")


def __dir__() -> list[str]:
  return sorted({*globals(), *__all__})
