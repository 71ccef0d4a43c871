"""Arrays that are dear to compute and depend on nothing but their key: reference features, trained classifiers."""

import hashlib
import json
import os
import pathlib
import warnings
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gengan.host import files
from gengan.host.files import replacing


def default_folder() -> pathlib.Path:
  """$GENGAN_CACHE, or `gengan` in $XDG_CACHE_HOME or ~/.cache."""
  caches = pathlib.Path(os.environ.get('XDG_CACHE_HOME') or pathlib.Path.home() / '.cache')
  return files.path(os.environ.get('GENGAN_CACHE') or caches / 'gengan')


def cached(
  kind: str,
  key: Mapping[str, Any],
  compute: Callable[[], Mapping[str, np.ndarray]],
  *,
  folder: pathlib.Path | None = None,
) -> dict[str, np.ndarray]:
  """What `compute` returns, arrays by name, computed once for every key.

  A file that is damaged or was made for another key is computed again, with a warning. The key is JSON-able: all that
  the arrays depend on; `kind` begins the file's name, for people; `folder` is `default_folder()` where it is None.
  """
  name = json.dumps(key, sort_keys=True)
  path = (folder or default_folder()) / f'{kind}-{hashlib.sha256(name.encode()).hexdigest()[:24]}.npz'
  if path.exists():
    try:
      return _read(path, name)
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
      warnings.warn(f'{path} is damaged ({error}); it is computed again', stacklevel=2)
  arrays = {key: np.asarray(value) for key, value in compute().items()}
  try:
    with replacing(path) as beside, beside.open('wb') as file:
      np.savez(file, **{f'array/{key}': value for key, value in arrays.items()}, name=name, sha256=_hash(arrays))
  except OSError as error:
    warnings.warn(f'{path} cannot be written ({error}); it will be computed again. GENGAN_CACHE moves it', stacklevel=2)
  return arrays


def _read(path: pathlib.Path, name: str) -> dict[str, np.ndarray]:
  with np.load(path, allow_pickle=False) as file:
    if str(file['name']) != name:
      raise ValueError('it was made for something else')
    arrays = {key.removeprefix('array/'): file[key] for key in file.files if key.startswith('array/')}
    if str(file['sha256']) != _hash(arrays):
      raise ValueError('its SHA-256 does not match')
  return arrays


def _hash(arrays: Mapping[str, np.ndarray]) -> str:
  digest = hashlib.sha256()
  for key in sorted(arrays):
    digest.update(f'{key} {arrays[key].dtype.str} {arrays[key].shape}'.encode())
    digest.update(np.ascontiguousarray(arrays[key]).data)
  return digest.hexdigest()
