"""Arrays of a checkpoint on the disk: written in the background, read onto any mesh, and proved to be readable.

Orbax does both; nothing else in gengan imports it.
"""

import contextlib
import logging
import math
import pathlib
import sys
import traceback
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import flax
import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp

from gengan.host import checksums, errors, paths
from gengan.runs import leaves

FOLDER = 'state'
_AT_ONCE = 2**28  # bytes that a proof holds in memory, or else one leaf


def start_writing(folder: pathlib.Path, arrays: Mapping[str, Any]) -> Callable[[], None]:
  """Starts to write leaves, by path, below a folder; returns when they have been copied and may be donated.

  Returns:
    What waits for the end, called once; it raises what Orbax does.
  """
  _told_once()
  with contextlib.ExitStack() as stack:
    place = stack.enter_context(paths.plain(folder))
    writer = ocp.AsyncCheckpointer(ocp.StandardCheckpointHandler())
    stack.push(_closing(writer))
    writer.save(place / FOLDER, args=ocp.args.StandardSave(leaves.nested(arrays)), force=True)
    opened = stack.pop_all()

  def finish() -> None:
    with opened:
      writer.wait_until_finished()

  return finish


def read(folder: pathlib.Path, expected: Mapping[str, Any]) -> dict[str, jax.Array]:
  """Leaves of a checkpoint by path, on their shardings. Orbax keeps none without elements: those are made.

  Raises:
    DamagedError: they cannot be read as what is expected.
  """
  first = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
  place = lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=getattr(leaf, 'sharding', None) or first)
  with contextlib.closing(ocp.Checkpointer(ocp.PyTreeCheckpointHandler())) as reader:
    _require_pieces(folder, expected)
    arrays = _restore(reader, folder, {path: place(leaf) for path, leaf in expected.items()})
  return arrays | {path: jnp.zeros(leaf.shape, leaf.dtype) for path, leaf in expected.items() if leaf.size == 0}


def fingerprints(arrays: Mapping[str, Any]) -> dict[str, list[list[Any]]]:
  """What `prove` compares with: the CRC-32 of every part of every leaf that this process writes, as JSON-able values.

  Returns:
    By path [start and stop of every axis, CRC-32] of each part: [[[0, 4], [0, 8]], 3632233996].
  """
  return {path: [[index, _crc(part)] for index, part in _parts(leaf)] for path, leaf in arrays.items() if leaf.size}


def prove(folder: pathlib.Path, expected: Mapping[str, Any], written: list[Mapping[str, list]]) -> None:
  """Reads everything back, a few leaves at a time.

  Args:
    folder: above `FOLDER`; all processes have written.
    expected: the leaves by path, for their shapes and dtypes.
    written: the `fingerprints` of every process.

  Raises:
    DamagedError: names the first leaf that is not what was written.
  """
  reader = ocp.PyTreeCheckpointHandler()
  for group in _groups(expected):
    found = _restore(reader, folder, {path: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for path, leaf in group})
    for path, leaf in group:
      parts = [part for process in written for part in process.get(path, [])]
      whole = sum(int(np.prod([stop - start for start, stop in index])) for index, _ in parts) >= leaf.size
      same = (crc == _crc(found[path][tuple(slice(*axis) for axis in index)]) for index, crc in parts)
      if not (whole and all(same)):
        raise checksums.DamagedError(f'{path} in {folder} is not read back as it was written')


def _restore(reader: Any, folder: pathlib.Path, target: Mapping[str, jax.ShapeDtypeStruct]) -> dict[str, Any]:
  """Leaves with elements, as NumPy where the target has no sharding."""
  as_array = lambda leaf: ocp.ArrayRestoreArgs(sharding=leaf.sharding, global_shape=leaf.shape)
  where = lambda leaf: as_array(leaf) if leaf.sharding else ocp.RestoreArgs(restore_type=np.ndarray)
  tree = leaves.nested(target)
  with _reading(folder) as place:
    settings = ocp.args.PyTreeRestore(tree, restore_args=jax.tree.map(where, tree), partial_restore=True)
    found = flax.traverse_util.flatten_dict(reader.restore(place, args=settings), sep='/')
    for path, leaf in target.items():
      if leaf.size and not isinstance(found[path], (jax.Array, np.ndarray)):  # what is asked for, where it is not there
        raise ValueError(f'{path} is missing')
      if leaf.size and leaves.describe(found[path]) != leaves.describe(leaf):
        raise ValueError(f'{path} is {leaves.describe(found[path])}, not {leaves.describe(leaf)}')
  return found


def _require_pieces(folder: pathlib.Path, expected: Mapping[str, Any]) -> None:
  """Refuses pieces larger than their arrays, before memory is taken: each is unpacked whole, whatever is read of it."""
  with _reading(folder) as place:
    found = flax.traverse_util.flatten_dict(ocp.PyTreeCheckpointHandler().metadata(place).tree, sep='/')
    for path in sorted(expected.keys() & found.keys()):
      piece, leaf = found[path].storage.chunk_shape, expected[path]
      if math.prod(piece) * np.dtype(found[path].dtype).itemsize > leaf.size * leaf.dtype.itemsize:
        raise ValueError(f'{path} is kept in pieces of {list(piece)}, larger than {leaves.describe(leaf)}')


@contextlib.contextmanager
def _reading(folder: pathlib.Path) -> Iterator[pathlib.Path]:
  """The place of the arrays for Orbax; whatever it makes of files that are not its own is a DamagedError."""
  _told_once()
  try:
    with paths.plain(folder) as place:
      yield place / FOLDER
  except (MemoryError, jax.errors.JaxRuntimeError):
    raise
  except Exception as error:
    raise checksums.DamagedError(f'{folder / FOLDER} cannot be read as arrays ({errors.reason(error)})') from error


def _groups(expected: Mapping[str, Any]) -> Iterator[list[tuple[str, Any]]]:
  bytes_of = lambda leaf: leaf.size * leaf.dtype.itemsize
  group, size = [], 0
  for path, leaf in expected.items():
    if not leaf.size:
      continue
    if group and size + bytes_of(leaf) > _AT_ONCE:
      yield group
      group, size = [], 0
    group.append((path, leaf))
    size += bytes_of(leaf)
  if group:
    yield group


def _parts(leaf: Any) -> Iterator[tuple[list[list[int]], np.ndarray]]:
  """The parts of a leaf that this process writes, with start and stop of every axis."""
  if not isinstance(leaf, jax.Array):
    yield [[0, size] for size in np.shape(leaf)], np.asarray(leaf)
    return
  for shard in leaf.addressable_shards:
    if shard.replica_id == 0:
      bounds = zip(shard.index, leaf.shape, strict=True)
      yield [list(axis.indices(size)[:2]) for axis, size in bounds], np.asarray(shard.data)


def _crc(array: np.ndarray) -> int:
  return zlib.crc32(np.ascontiguousarray(array).reshape(-1).view(np.uint8))


def _closing(writer: ocp.AsyncCheckpointer) -> Callable[..., None]:
  """Closes; what Orbax then says again of an error that it has raised is not told twice."""

  def close(kind, error, where) -> None:
    with contextlib.suppress(Exception) if error else contextlib.nullcontext():
      writer.close()

  return close


def _told_once() -> None:
  """Of an error that Orbax raises, keeps what it prints beside: its log, and a traceback for every other array."""
  logging.getLogger('absl').addFilter(_not_of_orbax)
  if not isinstance(sys.unraisablehook, _Hook):
    sys.unraisablehook = _Hook(sys.unraisablehook)


class _Hook:
  """Leaves out what TensorStore prints where it calls back into an event loop that Orbax has closed, after an error."""

  def __init__(self, before: Callable):
    self._before = before

  def __call__(self, unraisable) -> None:
    calls = [frame.f_code.co_qualname for frame, _ in traceback.walk_tb(unraisable.exc_traceback)]
    if calls != ['BaseEventLoop.call_soon_threadsafe', 'BaseEventLoop._check_closed']:
      self._before(unraisable)


def _not_of_orbax(record: logging.LogRecord) -> bool:
  """Orbax logs with a traceback what it also raises, and warns of a merge that the proof would miss."""
  return 'orbax' not in pathlib.PurePath(record.pathname).parts
