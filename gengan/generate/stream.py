"""Numbered images: image i of a set depends on the weights, the seed, i and its label, and on nothing else.

Image i lies in slot i of the set. Its candidate at an attempt is decoded from latents that the prior draws with the key
fold_in(fold_in(key(seed), i), attempt), so the latents do not depend on batch size or devices. The pixels still would:
compiled for another number of rows, a convolution rounds differently, and some pixels land on the next grey level. So
one program is compiled, for `ROWS` rows on one device, and slot i is always computed in its row i % ROWS. More devices
and larger batches mean more calls of that program at a time.
"""

import collections
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec

from gengan import sharding
from gengan.core import Algorithm, State
from gengan.data import images

ROWS = 64  # images of one call on one device: another number would give other pixels
MAX_ATTEMPTS = 100  # candidates a slot, where something may be rejected

Draw = Callable[[np.ndarray, int, np.ndarray], Iterator[tuple[np.ndarray, np.ndarray]]]


class Candidates(NamedTuple):
  """What a filter sees: always `ROWS` rows, of which some may only fill the program up."""

  images: np.ndarray  # [ROWS, H, W, C] float32 in [-1, 1]
  labels: np.ndarray  # [ROWS] int32
  slots: np.ndarray  # [ROWS] int64
  attempt: int
  wanted: np.ndarray  # [ROWS] bool: only the answers for these rows count


class Filter(NamedTuple):
  """A reason to draw again: candidates for which `keep` is false are dropped, and counted under this name."""

  name: str
  keep: Callable[[Candidates], np.ndarray]  # -> [ROWS] bool; a row's answer must depend on that row alone


class Filled(NamedTuple):
  """The slots that found an image, in ascending order, and what was dropped on the way."""

  images: np.ndarray  # [N, H, W, C] uint8
  labels: np.ndarray  # [N] int32
  slots: np.ndarray  # [N] int64
  attempts: np.ndarray  # [N] int32: candidates that were dropped before this one
  drawn: int  # candidates, of all slots
  dropped: dict[str, int]  # candidates by the name of the filter that dropped them


def labels_of(slots: np.ndarray, classes: Sequence[int]) -> np.ndarray:
  """The label of every slot, int32: the classes in turn, so any stretch of slots is balanced; 0 without classes."""
  return np.asarray(classes or [0], np.int32)[np.asarray(slots) % max(len(classes), 1)]


def make_draw(
  algorithm: Algorithm,
  state: State,
  *,
  seed: int,
  truncation: float = 1.0,
  mesh: Mesh | None = None,
  batch_size: int = 256,
) -> Draw:
  """Makes the sampler, which is compiled when it is first called.

  Args:
    algorithm: decodes each row by itself.
    state: on any device.
    seed: of the whole set.
    truncation: see `core.Prior`.
    mesh: of this process's devices; default: all of them. The rows are cut over it, the weights are on every device.
    batch_size: images under way at once, rounded up to `ROWS` a device: more keep a fast device busy.

  Returns:
    `draw(slots, attempt, labels)`, which yields blocks `(chosen, images)`: of each row its position in `slots`, [ROWS],
    -1 where it only fills the block up, and its image, float32 [ROWS, H, W, C]. Every position comes once, in an order
    that depends on the slots alone.
  """
  mesh = sharding.make_mesh(devices=jax.local_devices()) if mesh is None else mesh
  key = jax.random.key(seed)
  rows, whole = PartitionSpec(sharding.AXES), PartitionSpec()

  def latent(state, key, slot, attempt, label):
    key = jax.random.fold_in(jax.random.fold_in(key, slot), attempt)
    return jax.tree.map(lambda z: z[0], algorithm.prior(state, key, label[None], truncation=truncation))

  def block(state, key, slots, attempt, labels):
    latents = jax.vmap(latent, (None, None, 0, None, 0))(state, key, slots, attempt, labels)
    return algorithm.decode(state, latents, labels).astype(jnp.float32)

  cut = jax.shard_map(block, mesh=mesh, in_specs=(whole, whole, rows, whole, rows), out_specs=rows, check_vma=False)
  compiled = jax.jit(cut)
  # Through NumPy, because that way the layout is right with several processes too.
  state = jax.device_put(jax.tree.map(np.asarray, state.replace(opt_state={})), sharding.replicated(mesh))
  calls = max(1, batch_size // (ROWS * mesh.size))

  def draw(slots, attempt, labels):
    under_way = collections.deque()
    chosen = place(slots)
    for start in range(0, len(chosen), mesh.size):
      some = chosen[start : start + mesh.size]
      filler = np.full((mesh.size - len(some), ROWS), -1)
      flat = np.concatenate([some, filler]).reshape(-1)
      inputs = np.where(flat < 0, 0, slots[flat]).astype(np.uint32), np.where(flat < 0, 0, labels[flat])
      under_way.append((some, compiled(state, key, inputs[0], np.uint32(attempt), inputs[1].astype(np.int32))))
      if len(under_way) > calls:
        yield from _blocks(*under_way.popleft())
    while under_way:
      yield from _blocks(*under_way.popleft())

  return draw


def _blocks(chosen: np.ndarray, decoded: jax.Array) -> Iterator[tuple[np.ndarray, np.ndarray]]:
  """Each block of a call with its images; blocks that only fill the call up are left out."""
  decoded = np.asarray(decoded)
  return zip(chosen, decoded.reshape(-1, ROWS, *decoded.shape[1:]), strict=False)


def place(slots: np.ndarray) -> np.ndarray:
  """Packs slots into blocks, slot i in column i % ROWS: positions in `slots`, [blocks, ROWS], -1 where none is."""
  slots = np.asarray(slots)
  columns = slots % ROWS
  order = np.argsort(columns, kind='stable')
  starts = np.searchsorted(columns[order], np.arange(ROWS))
  block = np.arange(len(slots)) - starts[columns[order]]
  chosen = np.full((block.max(initial=-1) + 1, ROWS), -1, np.int64)
  chosen[block, columns[order]] = order
  return chosen


def fill(
  draw: Draw,
  slots: np.ndarray,
  labels: np.ndarray,
  *,
  filters: Sequence[Filter] = (),
  unique: Any = None,
  max_attempts: int = 1,
  report: Callable[[int], None] = lambda found: None,
) -> Filled:
  """Draws candidates for slots until each has one that every filter keeps, or its attempts are used up.

  All slots that have no image yet get their next candidate together. A candidate is counted under the filter that
  dropped it, the first to do so. A slot that found no image is left out of what is returned.

  Args:
    draw: see `make_draw`.
    slots: [N] ascending.
    labels: [N].
    filters: asked in this order.
    unique: `filters.NearDuplicates`, or None. It is asked last: of what the filters keep at one attempt, slot by slot.
    max_attempts: candidates a slot.
    report: called now and then with the number of images that were found since the call before.
  """
  found: dict[int, tuple[int, np.ndarray]] = {}
  dropped = collections.Counter(dict.fromkeys([each.name for each in filters] + ([unique.name] if unique else []), 0))
  pending, drawn, shape = np.arange(len(slots)), 0, ()
  for attempt in range(max_attempts):
    passed: dict[int, np.ndarray] = {}
    for positions, pixels in _kept(draw, slots[pending], labels[pending], attempt, filters, dropped):
      passed.update(zip(pending[positions].tolist(), pixels, strict=True))
      shape = pixels.shape[1:]
      report(0 if unique else len(positions))
    drawn += len(pending)
    for row in sorted(passed):
      if unique is not None and not unique.admit(passed[row]):
        dropped[unique.name] += 1
      else:
        found[row] = attempt, passed[row]
        report(1 if unique else 0)
    pending = np.array([row for row in pending if row not in found], np.int64)
    if not len(pending):
      break
  rows = np.array(sorted(found), np.int64)
  pixels = np.stack([found[row][1] for row in rows.tolist()]) if len(rows) else np.zeros((0, *shape), np.uint8)
  attempts = np.array([found[row][0] for row in rows.tolist()], np.int32)
  return Filled(pixels, labels[rows], slots[rows], attempts, drawn, dict(dropped))


def _kept(
  draw: Draw, slots: np.ndarray, labels: np.ndarray, attempt: int, filters: Sequence[Filter], dropped: dict[str, int]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
  """Yields by block the positions of slots whose candidate all filters keep, and these as uint8; counts the others."""
  for chosen, decoded in draw(slots, attempt, labels):
    wanted = chosen >= 0
    rows = np.where(wanted, chosen, 0)
    for each in filters:
      if not wanted.any():
        break
      keep = np.asarray(each.keep(Candidates(decoded, labels[rows], slots[rows], attempt, wanted)), bool)
      dropped[each.name] += int(np.sum(wanted & ~keep))
      wanted = wanted & keep
    yield chosen[wanted], images.to_uint8(decoded)[wanted]
