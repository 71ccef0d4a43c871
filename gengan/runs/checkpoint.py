"""Checkpoints that are whole or not there: the state, the data iterator, the configuration and the metrics of a step.

A checkpoint is a folder named after its step. It is written under another name, every file is hashed into SHA256SUMS,
and the folder is renamed as the last act; at restore every file is hashed again. Orbax writes and reads the arrays,
in the background and from any mesh to any other; nothing else in gengan imports it.
"""

import concurrent.futures
import json
import logging
import math
import os
import pathlib
import shutil
from collections.abc import Mapping
from typing import Any, NamedTuple

import flax
import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
from jax.experimental import multihost_utils

from gengan.host import checksums
from gengan.runs import leaves
from gengan.core import State

log = logging.getLogger(__name__)

_PARTIAL = '.partial'  # half-written or half-deleted: removed before the next run's first save
_DAMAGED = '.damaged'


class Restored(NamedTuple):
  """What `Checkpointer.restore` returns: all that was given to `Checkpointer.save`."""

  step: int
  state: State
  data: dict[str, Any]
  config: dict[str, Any]
  metrics: dict[str, float]


class Checkpointer:
  """Saves in the background, keeps the newest, the best and every k-th checkpoint, and restores only what is intact.

  Use it as a context manager, or call `close()`: leaving waits for the last save. An error in the background is raised
  by the next `save`, `wait` or `close`. An object that only restores changes nothing in the directory, so a run that is
  still going can be read.
  """

  def __init__(
    self,
    directory: str | os.PathLike,
    *,
    keep_latest: int = 2,
    keep_every_steps: int = 0,
    best_metric: str = '',
    best_mode: str = 'min',
  ):
    """Touches no file.

    Args:
      directory: made on the first save. All processes of a run must see it under this name.
      keep_latest: how many of the newest checkpoints are kept, at least one.
      keep_every_steps: also keep each checkpoint whose step is a multiple of this; 0: none.
      best_metric: also keep the one that is best by this metric; '': none. Without it or where it is not finite, a
        checkpoint does not compete.
      best_mode: 'min' or 'max'.

    Raises:
      ValueError: an impossible argument.
    """
    if keep_latest < 1 or keep_every_steps < 0:
      raise ValueError(
        f'keep_latest={keep_latest} must be at least 1 and keep_every_steps={keep_every_steps} at least 0'
      )
    if best_mode not in ('min', 'max'):
      raise ValueError(f"best_mode={best_mode!r} is unknown; possible: 'min', 'max'")
    self.directory = pathlib.Path(directory).absolute()
    self._keep_latest, self._keep_every_steps = keep_latest, keep_every_steps
    self._best_metric, self._best_mode = best_metric, best_mode
    self._orbax = ocp.AsyncCheckpointer(ocp.StandardCheckpointHandler())
    self._background = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix='checkpoint')
    self._pending: concurrent.futures.Future | None = None
    self._current: int | None = None  # the step that this object restored or saved last
    self._damaged: set[int] = set()  # found at restore
    self._cleaned = False

  def __enter__(self):
    return self

  def __exit__(self, exception_type, exception, traceback):
    try:
      self.close()
    except Exception:
      if exception_type is None:
        raise
      log.exception('the last checkpoint was not saved')  # the error on its way out goes first

  def steps(self) -> list[int]:
    """The steps of the finished checkpoints, oldest first. Those found damaged are left out."""
    return [step for step in finished_steps(self.directory) if step not in self._damaged]

  def best_step(self) -> int | None:
    """The step that is best by `best_metric`; None where no checkpoint has a finite value of it."""
    sign = 1 if self._best_mode == 'min' else -1
    values = {step: _metrics(self.directory / _name(step)).get(self._best_metric, math.nan) for step in self.steps()}
    finite = [step for step, value in values.items() if math.isfinite(value)]
    return min(finite, key=lambda step: (sign * values[step], -step), default=None)

  def save(
    self,
    step: int,
    state: State,
    *,
    data: Mapping[str, Any],
    config: Mapping[str, Any],
    metrics: Mapping[str, Any] | None = None,
  ) -> bool:
    """Starts to save; returns when the state has been copied, so that it may be donated.

    Every process calls it with its own `data`.

    Args:
      step: later than every finished checkpoint's.
      state: a tree of arrays, on any mesh.
      data: the state of this process's data iterator, as JSON-able values.
      config: the run's configuration, as JSON-able values.
      metrics: scalars by name.

    Returns:
      False where this object has restored or saved just this step: there is nothing to do.

    Raises:
      ValueError: a finished checkpoint is as late or later: it belongs to another run, or to another continuation of
        this one. Or data, config or metrics cannot be written as JSON.
    """
    self.wait()
    step = int(step)
    if step == self._current:
      return False
    self._clean()
    newest = max(self.steps(), default=-1)
    if step <= newest:
      raise ValueError(
        f'step {step} cannot be saved: {self.directory / _name(newest)} is not older; '
        'restore it first, move it away or use another directory'
      )
    arrays = leaves.by_path(state)
    about = {
      'step': step,
      'processes': jax.process_count(),
      'metrics': {name: _finite(value) for name, value in (metrics or {}).items()},
      'config': dict(config),
      'leaves': {path: leaves.describe(leaf) for path, leaf in arrays.items()},
    }
    about, data = _to_json(about), _to_json(dict(data))
    partial = self.directory / (_name(step) + _PARTIAL)
    partial.mkdir(parents=True, exist_ok=True)
    (partial / _data_file(jax.process_index())).write_text(data)
    if jax.process_index() == 0:
      (partial / 'checkpoint.json').write_text(about)
    # Orbax makes the processes meet before it writes, hence every data file is there when the arrays are.
    self._orbax.save(partial / 'state', args=ocp.args.StandardSave(leaves.nested(leaves.filled(arrays))), force=True)
    self._pending = self._background.submit(self._finish, step)
    self._current = step
    return True

  def restore(self, abstract_state: State, *, step: int | str | None = None) -> Restored:
    """Reads a checkpoint after checking every byte of it.

    Args:
      abstract_state: what to expect, as jax.ShapeDtypeStruct; the arrays are laid out by its shardings (where a leaf
        has none: on the first device). The mesh may differ from the one that saved.
      step: a step, 'best', or None for the newest that is intact; damaged ones are warned of and passed over.

    Raises:
      FileNotFoundError: there is no such checkpoint.
      ValueError: the checkpoint asked for, or every one, is damaged; or its leaves are not those of `abstract_state`.
    """
    self.wait()
    # One process looks, so that all take the same.
    found, error = self._choose(step) if jax.process_index() == 0 else (-1, None)
    if jax.process_count() > 1:
      found = int(multihost_utils.broadcast_one_to_all(np.int32(found)))
    if found < 0:
      raise error or ValueError(f'process 0 found no intact checkpoint in {self.directory}')
    folder = self.directory / _name(found)
    about = json.loads((folder / 'checkpoint.json').read_text())
    expected = leaves.by_path(abstract_state)
    leaves.check(folder, about['leaves'], {path: leaves.describe(leaf) for path, leaf in expected.items()})
    target = leaves.nested({path: _on_a_device(leaf) for path, leaf in leaves.filled(expected).items()})
    arrays = self._orbax.restore(folder / 'state', args=ocp.args.StandardRestore(target))
    arrays = flax.traverse_util.flatten_dict(arrays, sep='/')
    arrays |= {path: jnp.zeros(leaf.shape, leaf.dtype) for path, leaf in expected.items() if leaf.size == 0}
    treedef = jax.tree.structure(abstract_state)
    state = jax.tree.unflatten(treedef, [arrays[path] for path in expected])
    # Written by another number of processes, the iterators' states are those of process 0, the same for all.
    same = about['processes'] == jax.process_count()
    data = json.loads((folder / _data_file(jax.process_index() if same else 0)).read_text())
    self._current = found
    return Restored(found, state, data, about['config'], _metrics(folder))

  def wait(self) -> None:
    """Waits until what `save` started is a finished checkpoint; raises what went wrong."""
    pending, self._pending = self._pending, None
    if pending is not None:
      try:
        pending.result()
      except BaseException:
        self._current = None
        raise

  def close(self) -> None:
    """Waits as `wait` does, and ends the background thread."""
    try:
      self.wait()
    finally:
      self._background.shutdown()
      self._orbax.close()

  def _choose(self, wanted: int | str | None) -> tuple[int, Exception | None]:
    """The step to restore, or -1 and the reason."""
    steps = self.steps()
    if wanted == 'best':
      if not self._best_metric:
        return -1, ValueError(f'{self.directory} has no best checkpoint: no best_metric was chosen')
      wanted = self.best_step()
      if wanted is None:
        return -1, FileNotFoundError(f'no checkpoint in {self.directory} has a finite {self._best_metric!r}')
    if not steps or (wanted is not None and wanted not in steps):
      known = f'; there are {", ".join(map(str, steps))}' if steps else ''
      return -1, FileNotFoundError(
        f'no checkpoint{"" if wanted is None else f" of step {wanted}"} in {self.directory}{known}'
      )
    if wanted is not None:
      try:
        checksums.verify(self.directory / _name(wanted))
      except checksums.DamagedError as error:
        return -1, error
      return wanted, None
    for step in reversed(steps):
      try:
        checksums.verify(self.directory / _name(step))
      except checksums.DamagedError as error:
        log.warning('%s; this checkpoint is passed over', error)
        self._damaged.add(step)
      else:
        return step, None
    return -1, checksums.DamagedError(
      f'every checkpoint in {self.directory} is damaged: steps {", ".join(map(str, steps))}. '
      'Bring one back from a copy, or move this folder away to start afresh'
    )

  def _clean(self) -> None:
    """Before the first save: removes what a killed run left half-written, and sets damaged checkpoints aside."""
    if not self._cleaned and jax.process_index() == 0:
      self.directory.mkdir(parents=True, exist_ok=True)
      for leftover in self.directory.glob('*' + _PARTIAL):
        shutil.rmtree(leftover)
      for step in self._damaged:
        aside = self.directory / (_name(step) + _DAMAGED)
        shutil.rmtree(aside, ignore_errors=True)
        (self.directory / _name(step)).rename(aside)
    if not self._cleaned and jax.process_count() > 1:
      multihost_utils.sync_global_devices('gengan.runs.checkpoint.clean')
    self._cleaned = True
    self._damaged.clear()

  def _finish(self, step: int) -> None:
    """In the background: once the arrays are there, hashes all files, commits and applies the retention."""
    self._orbax.wait_until_finished()
    if jax.process_index() != 0:
      return
    partial = self.directory / (_name(step) + _PARTIAL)
    final = self.directory / _name(step)
    checksums.seal(partial)
    if final.exists():  # an empty or unhashed folder of this name: never a finished checkpoint
      shutil.rmtree(final)
    partial.rename(final)
    checksums.sync(self.directory)
    for old in set(self.steps()) - self._kept():
      # Renamed first, so that a kill in between leaves no folder that looks finished.
      doomed = self.directory / (_name(old) + _PARTIAL)
      (self.directory / _name(old)).rename(doomed)
      shutil.rmtree(doomed)

  def _kept(self) -> set[int]:
    steps = self.steps()
    kept = set(steps[-self._keep_latest :])
    if self._keep_every_steps:
      kept |= {step for step in steps if step % self._keep_every_steps == 0}
    best = self.best_step() if self._best_metric else None
    return kept if best is None else kept | {best}


def _name(step: int) -> str:
  return f'{step:08d}'


def _data_file(process: int) -> str:
  return f'data-{process:05d}.json'


def finished_steps(directory: pathlib.Path) -> list[int]:
  """The steps of the finished checkpoints in a folder, damaged or not, oldest first; none where there is no folder."""
  if not directory.is_dir():
    return []
  named = {path: int(path.name) for path in directory.iterdir() if path.name.isdecimal()}
  return sorted(step for path, step in named.items() if path.name == _name(step) and (path / checksums.SUMS).is_file())


def _metrics(folder: pathlib.Path) -> dict[str, float]:
  """The metrics of a checkpoint, none where it is damaged: one bad file must not stop a run that only ranks them."""
  try:
    metrics = json.loads((folder / 'checkpoint.json').read_text())['metrics']
    return {name: math.nan if value is None else float(value) for name, value in metrics.items()}
  except (OSError, ValueError, KeyError, TypeError, AttributeError):
    return {}


def _finite(value: Any) -> float | None:
  """JSON has no NaN and no infinity: they are written as null and read as NaN."""
  value = float(value)
  return value if math.isfinite(value) else None


def _to_json(value: dict[str, Any]) -> str:
  try:
    return json.dumps(value, indent=1, allow_nan=False) + '\n'
  except (TypeError, ValueError) as error:
    raise ValueError(f'data and config of a checkpoint must be JSON: {error}') from None


def _on_a_device(leaf: jax.ShapeDtypeStruct) -> jax.ShapeDtypeStruct:
  sharding = getattr(leaf, 'sharding', None) or jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
  return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding)
