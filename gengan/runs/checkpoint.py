"""Checkpoints that are whole or not there: the state, the data iterator, the configuration and the metrics of a step.

A checkpoint is a folder named after its step. It is written under another name, read back and compared, every file is
hashed into SHA256SUMS, and the folder is renamed as the last act; at restore every file is hashed again.
"""

import concurrent.futures
import contextlib
import errno
import json
import logging
import os
import pathlib
import shutil
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import jax
from jax.experimental import multihost_utils

from gengan import sharding
from gengan.core import State
from gengan.host import checksums, errors, files, paths
from gengan.runs import arrays, finished, leaves

log = logging.getLogger(__name__)


class NotSavedError(OSError):
  """A checkpoint could not be written, or not be read back as it was; those before it are what they were."""


class Restored(NamedTuple):
  """All that was given to `Checkpointer.save`."""

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

  Args:
    directory: made on the first save, on a disk that all processes share; raises ValueError as `paths.check`.
    **rules: which checkpoints are kept, the fields of `finished.Rules`; raises ArgumentError for what cannot be.
  """

  def __init__(self, directory: str | os.PathLike, **rules: Any):
    self.directory = pathlib.Path(directory).absolute()
    paths.check(self.directory)
    self._rules = finished.Rules(**rules)
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
    except NotSavedError as error:
      if exception_type is None:
        raise
      log.error('%s', error)  # the error on its way out goes first

  def steps(self) -> list[int]:
    """The steps of the finished checkpoints, oldest first. Those found damaged are left out."""
    return [step for step in finished.steps(self.directory) if step not in self._damaged]

  def best_step(self) -> int | None:
    """The step that is best by `best_metric`; None where no checkpoint has a finite value of it."""
    return finished.best(self.directory, self.steps(), self._rules)

  def save(
    self, step: int, state: State, *, data: Mapping[str, Any], config: Mapping[str, Any], metrics: Mapping | None = None
  ) -> bool:
    """Starts to save; returns when the state has been copied, so that it may be donated.

    Args:
      step: later than every finished checkpoint's.
      state: a tree of arrays, on any mesh.
      data: the state of this process's data iterator, as JSON-able values; each process gives its own.
      config: of the run, as JSON-able values.
      metrics: scalars by name.

    Returns:
      False where this object has restored or saved just this step: there is nothing to do.

    Raises:
      ValueError: a finished checkpoint is as late or later: it belongs to another run, or to another continuation of
        this one. Or data, config or metrics cannot be written as JSON.
      NotSavedError: this checkpoint, or the one before, cannot be written.
    """
    self.wait()
    step = int(step)
    if step == self._current:
      return False
    with _saving(self._path(step)):
      self._clean()
    newest = max([*self.steps(), *finished.unsealed(self.directory)], default=-1)
    if step <= newest:
      why = f'{self._path(newest)} is not older; restore it first, move it away or use another directory'
      raise ValueError(f'step {step} cannot be saved: {why}')
    tree = leaves.by_path(state)
    metrics = {name: float(value) for name, value in (metrics or {}).items()}
    about = {
      'step': step,
      'processes': jax.process_count(),
      'metrics': finished.as_json(metrics),
      'config': dict(config),
      'leaves': {path: leaves.describe(leaf) for path, leaf in tree.items()},
    }
    about, data, partial = _to_json(about), _to_json(dict(data)), self._path(step, finished.PARTIAL)
    with _saving(self._path(step), need=leaves.num_bytes(tree)):
      partial.mkdir(exist_ok=True)
      _data_file(partial, jax.process_index()).write_text(data)
      _written_file(partial, jax.process_index()).write_text(json.dumps(arrays.fingerprints(tree)))
      if jax.process_index() == 0:
        (partial / 'checkpoint.json').write_text(about)
      # Orbax makes the processes meet before it writes, hence all these files are there when the arrays are.
      finish_writing = arrays.start_writing(partial, tree)
    expected = {path: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for path, leaf in tree.items()}
    self._pending = self._background.submit(self._finish, step, finish_writing, expected)
    self._current = step
    return True

  def score(self, metrics: Mapping[str, Any]) -> None:
    """Adds scalars by name to the checkpoint that was saved or restored last: measured since, they may be its best.

    Raises:
      NotSavedError: the checkpoint was not saved, or this cannot be written.
    """
    self.wait()
    if self._current is None or jax.process_index():
      return
    folder = self._path(self._current)
    with _saving(folder / finished.SCORES):
      metrics = finished.metrics(folder) | {name: float(value) for name, value in metrics.items()}
      files.write_json(folder / finished.SCORES, finished.as_json(metrics))
      checksums.add(folder, finished.SCORES)
      self._retain()

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
    found, folder = self._found(step)
    about = finished.about(folder)
    expected = leaves.by_path(abstract_state)
    leaves.check(folder, about['leaves'], {path: leaves.describe(leaf) for path, leaf in expected.items()})
    found_arrays = arrays.read(folder, expected)
    state = jax.tree.unflatten(jax.tree.structure(abstract_state), [found_arrays[path] for path in expected])
    # Written by another number of processes, the iterators' states are those of process 0, the same for all.
    same = about['processes'] == jax.process_count()
    data = files.read_json(_data_file(folder, jax.process_index() if same else 0))
    self._current = found
    return Restored(found, state, data, about['config'], finished.metrics(folder))

  def described(self, *, step: int | str | None = None) -> tuple[int, dict[str, str]]:
    """The step of an intact checkpoint, chosen as `restore` does, and its leaves by path as 'float32[4,8]'."""
    found, folder = self._found(step)
    return found, finished.about(folder)['leaves']

  def read(self, abstract: Mapping[str, jax.ShapeDtypeStruct], *, step: int) -> dict[str, jax.Array]:
    """Some leaves of a checkpoint by path, of the shapes and dtypes there; checks and errors are those of `restore`."""
    return arrays.read(self._found(step)[1], abstract)

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

  def _path(self, step: int, suffix: str = '') -> pathlib.Path:
    return self.directory / (finished.name(step) + suffix)

  def _found(self, wanted: int | str | None) -> tuple[int, pathlib.Path]:
    """The step to read and its folder, the same in every process: the first one looks."""
    self.wait()
    otherwise = f'process 0 found no intact checkpoint in {self.directory}'
    step = sharding.decided_by_first(lambda: self._choose(wanted), otherwise)
    return step, self._path(step)

  def _choose(self, wanted: int | str | None) -> int:
    steps = sorted({*self.steps(), *finished.unsealed(self.directory)} - self._damaged)
    if wanted == 'best':
      if not self._rules.best_metric:
        raise ValueError(f'{self.directory} has no best checkpoint: no best_metric was chosen')
      wanted = self.best_step()
      if wanted is None:
        raise FileNotFoundError(f'no checkpoint in {self.directory} has a finite {self._rules.best_metric!r}')
    if not steps or (wanted is not None and wanted not in steps):
      known = f'; there are {", ".join(map(str, steps))}' if steps else ', for its training has saved none yet'
      of_step = '' if wanted is None else f' of step {wanted}'
      raise FileNotFoundError(f'no checkpoint{of_step} in {self.directory}{known}')
    if wanted is not None:
      checksums.verify(self._path(wanted))
      return wanted
    newest, damaged = finished.newest_intact(self.directory, steps)
    self._damaged |= damaged
    return newest

  def _clean(self) -> None:
    """Before the first save: removes what a killed run left half-written, and sets damaged checkpoints aside."""
    if self._cleaned:
      return
    if jax.process_index() == 0:
      self.directory.mkdir(parents=True, exist_ok=True)
      for leftover in self.directory.glob('*' + finished.PARTIAL):
        shutil.rmtree(leftover)
      for step in self._damaged:
        shutil.rmtree(self._path(step, finished.DAMAGED), ignore_errors=True)
        self._path(step).rename(self._path(step, finished.DAMAGED))
    if jax.process_count() > 1:
      multihost_utils.sync_global_devices('gengan.runs.checkpoint.clean')
    self._cleaned, self._damaged = True, set()

  def _finish(self, step: int, finish_writing: Callable[[], None], expected: Mapping[str, Any]) -> None:
    """In the background: once the arrays are there, reads them back, hashes all files, commits, applies retention."""
    partial = self._path(step, finished.PARTIAL)
    with _saving(self._path(step), need=leaves.num_bytes(expected)):
      finish_writing()
      if jax.process_index() != 0:
        return
      written = [_written_file(partial, process) for process in range(jax.process_count())]
      arrays.prove(partial, expected, [files.read_json(path) for path in written])
      for path in written:
        path.unlink()
      checksums.seal(partial)
      if self._path(step).exists():  # an empty folder of this name
        self._path(step).rmdir()
      partial.rename(self._path(step))
      files.sync(self.directory)
      self._retain()

  def _retain(self) -> None:
    """Deletes what the rules do not keep."""
    steps = self.steps()
    for old in set(steps) - finished.kept(self.directory, steps, self._rules):
      # Renamed first, so that a kill in between leaves no folder that looks finished.
      with _saving(self._path(old), 'cannot be deleted'):
        shutil.rmtree(self._path(old).rename(self._path(old, finished.PARTIAL)))


@contextlib.contextmanager
def _saving(path: pathlib.Path, failed: str = 'was not saved', *, need: int = 0) -> Iterator[None]:
  """Whatever goes wrong, in one line that names the checkpoint; `need` is how many bytes it takes on the disk."""
  try:
    yield
  except NotSavedError:
    raise
  except Exception as error:
    if not isinstance(error, OSError) and files.is_full(path.parent, need=need):  # TensorStore has errors of its own
      error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    raise NotSavedError(f'{path} {failed}: {errors.reason(error)}') from error


def _data_file(folder: pathlib.Path, process: int) -> pathlib.Path:
  return folder / f'data-{process:05d}.json'


def _written_file(folder: pathlib.Path, process: int) -> pathlib.Path:
  """Fingerprints of the arrays that a process wrote, there until they have been compared."""
  return folder / f'written-{process:05d}.json'


def _to_json(value: dict[str, Any]) -> str:
  try:
    return json.dumps(value, indent=1, allow_nan=False) + '\n'
  except (TypeError, ValueError) as error:
    raise ValueError(f'data and config of a checkpoint must be JSON: {error}') from None
