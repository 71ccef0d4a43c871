"""Numbered images: image i of a generated set is a function of the weights, the seed, i and its label, and of no more.

The candidate for slot i at a given attempt is decoded from the prior under fold_in(fold_in(key(seed), i), attempt).
That makes the latents independent of batch size and devices, but not the pixels: compiled for another number of rows, a
convolution rounds differently, and some pixels fall on the other side of a grey level. So there is one compiled
program, for `ROWS` rows on one device, and row i % ROWS of it is where slot i is always computed. More devices and
larger batches mean more calls of that program at a time.
"""

import collections
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec

from gengan import core, sharding
from gengan.core import Algorithm, State
from gengan.data import images

ROWS = 64  # images of one call on one device: another number would give other pixels
MAX_ATTEMPTS = 100  # candidates a slot, where something may be rejected

Draw = Callable[[np.ndarray, int, np.ndarray], Iterator[tuple[np.ndarray, np.ndarray]]]


class Candidates(NamedTuple):
  """What a filter sees: always `ROWS` rows, some of which may be there only to fill up."""

  images: np.ndarray  # [ROWS, H, W, C] float32 in [-1, 1]
  labels: np.ndarray  # [ROWS] int32
  slots: np.ndarray  # [ROWS] int64
  attempt: int
  wanted: np.ndarray  # [ROWS] bool: no other row's answer counts


class Filter(NamedTuple):
  """A reason to draw again: the rows for which `keep` is false are dropped under this name."""

  name: str
  keep: Callable[[Candidates], np.ndarray]  # -> [ROWS] bool; a row's answer must depend on that row alone


class Filled(NamedTuple):
  """The slots of a shard that found an image, in ascending order, and what was dropped on the way."""

  images: np.ndarray  # [N, H, W, C] uint8
  labels: np.ndarray  # [N] int32
  slots: np.ndarray  # [N] int64
  attempts: np.ndarray  # [N] int32: how many candidates were dropped before this one
  drawn: int
  dropped: dict[str, int]  # candidates by the name of the filter that dropped them


def labels_of(slots: np.ndarray, classes: Sequence[int]) -> np.ndarray:
  """The label of every slot, int32: the classes in turn, so that any run of slots is balanced; 0 without classes."""
  return np.asarray(classes or [0], np.int32)[np.asarray(slots) % max(len(classes), 1)]


def make_draw(
  algorithm: Algorithm, state: State, *, seed: int, scale: float = 1.0, mesh: Mesh | None = None, batch_size: int = 256
) -> Draw:
  """Compiles the sampler.

  Args:
    algorithm: decodes each row by itself.
    state: on any device.
    seed: of the whole set.
    scale: see `core.scale_latents`.
    mesh: of this process's devices; default: all of them. The rows are cut over it, the weights are on every device.
    batch_size: images under way at once, rounded up to `ROWS` a device: more keep a fast device busy.

  Returns:
    `draw(slots, attempt, labels)`, which yields `(chosen, images)`: [ROWS] positions in `slots`, -1 where a row only
    fills up, and the float32 images [ROWS, H, W, C]. Positions come in a fixed order, each once.
  """
  mesh = sharding.make_mesh(devices=jax.local_devices()) if mesh is None else mesh
  key = jax.random.key(seed)
  rows, whole = PartitionSpec(sharding.AXES), PartitionSpec()

  def latent(state, key, slot, attempt, label):
    key = jax.random.fold_in(jax.random.fold_in(key, slot), attempt)
    return jax.tree.map(lambda z: z[0], algorithm.prior(state, key, label[None]))

  def block(state, key, slots, attempt, labels):
    latents = jax.vmap(latent, (None, None, 0, None, 0))(state, key, slots, attempt, labels)
    return algorithm.decode(state, core.scale_latents(latents, scale), labels).astype(jnp.float32)

  cut = jax.shard_map(block, mesh=mesh, in_specs=(whole, whole, rows, whole, rows), out_specs=rows, check_vma=False)
  compiled = jax.jit(cut)
  # opt_state is not needed; through NumPy, because that way the layout is right with several processes too.
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
  decoded = np.asarray(decoded)
  for i, positions in enumerate(chosen):
    yield positions, decoded[i * ROWS : (i + 1) * ROWS]


def place(slots: np.ndarray) -> np.ndarray:
  """Packs slots into blocks so that each lies in column slot % ROWS: positions in `slots`, [blocks, ROWS], -1: none."""
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
  """Finds an image for each slot: candidate after candidate until one is kept by every filter.

  A row is counted under the first filter that drops it. A slot whose last attempt is dropped stays empty.

  Args:
    draw: see `make_draw`.
    slots: [N] ascending.
    labels: [N].
    filters: asked in this order.
    unique: `filters.NearDuplicates`, or None. Asked last: attempt by attempt and, in one attempt, slot by slot.
    max_attempts: candidates a slot.
    report: called with the number of images found since it was last called.
  """
  found: dict[int, tuple[int, np.ndarray]] = {}
  dropped = collections.Counter(dict.fromkeys([each.name for each in filters] + ([unique.name] if unique else []), 0))
  pending, drawn, shape = np.arange(len(slots)), 0, ()
  for attempt in range(max_attempts):
    passed: dict[int, np.ndarray] = {}
    for chosen, decoded in draw(slots[pending], attempt, labels[pending]):
      real = chosen >= 0
      rows = np.where(real, pending[chosen], pending[0])
      for each in filters:
        if not real.any():
          break
        keep = np.asarray(each.keep(Candidates(decoded, labels[rows], slots[rows], attempt, real)), bool)
        dropped[each.name] += int(np.sum(real & ~keep))
        real = real & keep
      pixels, shape = images.to_uint8(decoded), decoded.shape[1:]
      passed.update((int(rows[i]), pixels[i]) for i in np.flatnonzero(real))
      report(0 if unique else int(np.sum(real)))
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
