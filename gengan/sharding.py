"""Where arrays live: the mesh, the layout of the state, and the compiled train step.

The train step is written for the whole batch and knows nothing of devices. Here the batch is cut along its first axis
over every device of a mesh ('data' x 'fsdp'), the state is replicated over 'data' and, when the 'fsdp' axis is larger
than one, its big leaves are cut over 'fsdp' (Zhao et al. 2023, https://arxiv.org/abs/2304.11277); XLA inserts the
collectives.
"""

import math
import os
import resource
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from gengan.core import Algorithm, ArgumentError, Batch, PyTree, State
from gengan.host import compiler, memory
from gengan.host.errors import reason

AXES = ('data', 'fsdp')
MIN_SIZE = 2**16  # elements: below this, gathering a leaf costs more than keeping a copy on every device
# The library fusions of XLA:CPU slow the kernel gradients of convolutions down three- to fivefold.
CPU_STEP_OPTIONS = {'xla_cpu_experimental_ynn_fusion_type': ''}
# Run once, small random-number kernels cost seconds each to optimise and give the same numbers.
CPU_INIT_OPTIONS = {'xla_backend_optimization_level': '1', 'xla_cpu_use_fusion_emitters': 'False'}


def initialize(requested: bool = False, *, heartbeat_timeout_seconds: int = 30) -> bool:
  """Joins the other processes of a multi-process run; call it before anything touches a device.

  Nothing happens unless asked: a cluster's environment variables are also set for jobs of a single process.
  Slurm, Open MPI, Kubernetes and Cloud TPU are recognised; elsewhere JAX_COORDINATOR_ADDRESS, GENGAN_NUM_PROCESSES and
  GENGAN_PROCESS_ID say who is who.

  Args:
    requested: from the configuration. The environment variable GENGAN_DISTRIBUTED=1 asks as well.
    heartbeat_timeout_seconds: after how long a silent process counts as dead, which ends the others.

  Returns:
    Whether this is now a multi-process run.

  Raises:
    ValueError: GENGAN_NUM_PROCESSES or GENGAN_PROCESS_ID is set without the other.
  """
  if not (requested or os.environ.get('GENGAN_DISTRIBUTED', '0') == '1'):
    return False
  who = [os.environ.get(name) for name in ('GENGAN_NUM_PROCESSES', 'GENGAN_PROCESS_ID')]
  if who.count(None) == 1:
    raise ValueError('set both GENGAN_NUM_PROCESSES and GENGAN_PROCESS_ID, or neither')
  num_processes, process_id = (None if value is None else int(value) for value in who)
  resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))  # JAX aborts the others
  jax.distributed.initialize(
    num_processes=num_processes, process_id=process_id, heartbeat_timeout_seconds=heartbeat_timeout_seconds
  )
  return True


def decided_by_first(decide: Callable[[], int], otherwise: str) -> int:
  """What process 0 decides, a number from 0, in every process of the run; `decide` is called there alone.

  Raises:
    ValueError, OSError: as `decide` in process 0; in the others a ValueError, `otherwise`.
  """
  answer, error = -1, ValueError(otherwise)
  if jax.process_index() == 0:
    try:
      answer = decide()
    except (ValueError, OSError) as refusal:
      error = refusal
  if jax.process_count() > 1:
    answer = int(multihost_utils.broadcast_one_to_all(np.int32(answer)))
  if answer < 0:
    raise error
  return answer


def all_devices() -> list[jax.Device]:
  """Every device of every process; the first to be asked, so that what keeps JAX from starting is one line.

  Raises:
    ValueError: says what JAX_PLATFORMS asks for, why that is not there, and what would be right.
  """
  try:
    return jax.devices()
  except (RuntimeError, AssertionError) as error:  # the latter where the package of a platform is missing
    asked = jax.config.jax_platforms
    what = f'JAX_PLATFORMS is {asked!r}, and JAX finds no such device' if asked else 'JAX finds no device'
    why = f' ({reason(error)})' if str(error) else ''
    device, extra = ('a TPU', 'tpu') if asked == 'tpu' else ('an NVIDIA GPU, see nvidia-smi and', 'cuda12')
    right = f"unset it or set JAX_PLATFORMS=cpu; for {device} pip install 'jax[{extra}]'"
    raise ValueError(f'{what}{why}; {right}') from error


def make_mesh(*, data: int = -1, fsdp: int = 1, devices: Sequence[jax.Device] | None = None) -> Mesh:
  """A mesh with the axes 'data' and 'fsdp'.

  Args:
    data: devices along which only the batch is cut; -1: all that 'fsdp' leaves.
    fsdp: devices along which the batch and the big leaves of the state are cut.
    devices: default: every device of every process.

  Raises:
    ArgumentError: the two sizes do not multiply to the number of devices.
  """
  devices = all_devices() if devices is None else list(devices)
  count = len(devices)
  if fsdp < 1 or count % fsdp:
    divisors = ', '.join(str(size) for size in range(1, count + 1) if count % size == 0)
    raise ArgumentError('fsdp', fsdp, f'a divisor of the {count} devices: {divisors}')
  if data == -1:
    data = count // fsdp
  if data * fsdp != count:
    allowed = f'{count // fsdp}, or -1 for that'
    raise ArgumentError('data', data, allowed, why=f'but there are {count} devices', beside={'fsdp': fsdp})
  return jax.make_mesh((data, fsdp), AXES, axis_types=(AxisType.Auto,) * 2, devices=devices)


def check_mode(mode: str, mesh: Mesh) -> None:
  """Raises ArgumentError unless a step can be compiled for this mesh in this mode."""
  if mode not in ('jit', 'pmap'):
    raise ArgumentError('mode', mode, "'jit' or 'pmap'")
  if mode == 'pmap' and mesh.shape['fsdp'] > 1:
    raise ArgumentError('mode', mode, "'jit'", beside={'fsdp': mesh.shape['fsdp']})
  if mode == 'pmap' and jax.process_count() > 1:
    raise ArgumentError('mode', mode, "'jit'", why='which takes a single process, but there are more')


def check_batch_size(batch_size: int, mesh: Mesh) -> None:
  """Raises ArgumentError unless the batch of one step, over all processes, divides evenly over the devices."""
  if batch_size < 1 or batch_size % mesh.size:
    below = batch_size // mesh.size * mesh.size
    nearest = ' or '.join(str(size) for size in (below, below + mesh.size) if size > 0)
    raise ArgumentError('batch_size', batch_size, f'a multiple of the {mesh.size} devices; nearest are {nearest}')


def replicated(mesh: Mesh) -> NamedSharding:
  """Every device holds the whole array."""
  return NamedSharding(mesh, PartitionSpec())


def batch_sharding(mesh: Mesh) -> NamedSharding:
  """The first axis is cut over all devices."""
  return NamedSharding(mesh, PartitionSpec(AXES))


def state_sharding(mesh: Mesh, abstract_state: PyTree, *, min_size: int = MIN_SIZE) -> PyTree:
  """The layout of a state, of arrays or of jax.ShapeDtypeStruct, on a mesh, as a tree of NamedSharding.

  A leaf of at least `min_size` elements is cut over 'fsdp' along its largest dimension that divides evenly (the last of
  equals); any other leaf is replicated. The rule sees shapes alone, so optimizer moments and moving averages lie as
  their parameters do.
  """
  fsdp = mesh.shape['fsdp']

  def layout(leaf) -> NamedSharding:
    divisible = [axis for axis, size in enumerate(leaf.shape) if size % fsdp == 0]
    if fsdp == 1 or not divisible or math.prod(leaf.shape) < min_size:
      return replicated(mesh)
    cut = max(divisible, key=lambda axis: (leaf.shape[axis], axis))
    return NamedSharding(mesh, PartitionSpec(*(('fsdp' if axis == cut else None) for axis in range(len(leaf.shape)))))

  return jax.tree.map(layout, abstract_state)


def shard_batch(batch: Batch, mesh: Mesh, *, whole: bool = False) -> Batch:
  """Puts this process's rows of a batch on its devices; the result is the global batch.

  Args:
    batch: numpy arrays [rows of this process, ...]. Arrays that are already cut over this mesh pass through.
    whole: every process gives the whole batch, of which its devices take their rows.

  Raises:
    ArgumentError: the rows do not divide evenly over this process's devices.
  """
  sharding = batch_sharding(mesh)

  def put(array):
    if isinstance(array, jax.Array) and array.sharding == sharding:
      return array
    rows = len(array) if whole else len(array) * mesh.size // len(mesh.local_devices)
    if rows % mesh.size:
      check_batch_size(rows, mesh)
    return jax.make_array_from_process_local_data(sharding, np.asarray(array), (rows, *np.shape(array)[1:]))

  return jax.tree.map(put, batch)


def abstract_state(algorithm: Algorithm, batch: Batch, mesh: Mesh, *, min_size: int = MIN_SIZE) -> State:
  """The state as jax.ShapeDtypeStruct with its layout, without making it: what `Checkpointer.restore` needs.

  Of the batch, arrays or jax.ShapeDtypeStruct, only shapes and dtypes are used; `min_size` is that of `state_sharding`.
  """
  state = jax.eval_shape(lambda: algorithm.init(jax.random.key(0), _zeros(batch)))
  laid_out = lambda leaf, sharding: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding)
  return jax.tree.map(laid_out, state, state_sharding(mesh, state, min_size=min_size))


def init(algorithm: Algorithm, key: jax.Array, batch: Batch, mesh: Mesh, *, min_size: int = MIN_SIZE) -> State:
  """A fresh state, made in its layout: no device ever holds more than its share.

  Arguments are those of `abstract_state`; equal keys give equal states on every mesh.
  """
  layout = jax.tree.map(lambda leaf: leaf.sharding, abstract_state(algorithm, batch, mesh, min_size=min_size))
  options = compiler.cpu_options(mesh.devices.flat[0].platform, CPU_INIT_OPTIONS)
  make = lambda key: algorithm.init(key, _zeros(batch))
  return jax.jit(make, out_shardings=layout, compiler_options=options)(key)


def compile_step(
  train_step: Callable,
  *,
  mesh: Mesh,
  state_sharding: PyTree | None = None,
  mode: str = 'jit',
  axis_name: str = 'data',
  donate: bool = True,
) -> Callable:
  """Compiles `(state, batch, key) -> (state, metrics)` for a mesh.

  Args:
    train_step: pure. It is given `fold_in(key, state.step)`, so the same key may be passed at every step.
    state_sharding: the layout of the state, in and out (`state_sharding()`); None: replicated.
    mode: 'jit': the step sees the whole batch. 'pmap': every device sees its part, and the step itself must average
      over `axis_name` (built with `make(config, axis_name=...)`); the state stays an ordinary, replicated tree.
    axis_name: the name of the devices' axis in 'pmap' mode.
    donate: give the memory of the state passed in to the state returned. The former can no longer be read.

  Returns:
    `step(state, batch, key)`, positional; the batch is numpy (this process's rows) or already on the mesh.
    `step.lower` takes the same and returns what `jax.jit(...).lower` does (jit mode only).

  Raises:
    ArgumentError: as `check_mode`.

  >>> count = lambda state, batch, key: (state.replace(step=state.step + len(batch['label'])), {})
  >>> step = compile_step(count, mesh=make_mesh(devices=jax.devices()[:1]), donate=False)
  >>> state = State(jnp.int32(3), {}, {}, {}, {}, {})
  >>> int(step(state, {'label': np.zeros(4, np.int32)}, jax.random.key(0))[0].step)
  7
  """
  check_mode(mode, mesh)

  def step(state, batch, key):
    return train_step(state, batch, jax.random.fold_in(key, state.step))

  donated = (0,) if donate else ()
  if mode == 'pmap':
    return _pmap_step(step, mesh, axis_name, donated)
  whole = replicated(mesh)
  layout = whole if state_sharding is None else state_sharding
  shardings = {'in_shardings': (layout, batch_sharding(mesh), whole), 'out_shardings': (layout, whole)}
  compiled = jit_step(step, mesh.devices.flat[0].platform, donate_argnums=donated, **shardings)

  def run(state, batch, key):
    return compiled(state, shard_batch(batch, mesh), key)

  run.lower = lambda state, batch, key: compiled.lower(state, shard_batch(batch, mesh), key)
  return run


def jit_step(step: Callable, platform: str | None = None, **settings) -> Callable:
  """`jax.jit` of any train step, with what makes one quick on a CPU: compiler options, and `memory.keep_freed`.

  The platform is 'cpu', 'gpu' or 'tpu' (None: that of the default device), the settings are those of `jax.jit`.
  """
  platform = platform or jax.devices()[0].platform
  if platform == 'cpu':
    memory.keep_freed()
  return jax.jit(step, compiler_options=compiler.cpu_options(platform, CPU_STEP_OPTIONS), **settings)


def _pmap_step(step: Callable, mesh: Mesh, axis_name: str, donated: tuple[int, ...]) -> Callable:
  devices, axes = list(mesh.devices.flat), {'in_axes': (None, 0, None), 'out_axes': (None, None)}
  if devices[0].platform == 'cpu':
    memory.keep_freed()
  compiled = jax.pmap(step, axis_name, devices=devices, donate_argnums=donated, **axes)

  def run(state, batch, key):
    check_batch_size(len(next(iter(batch.values()))), mesh)
    parts = jax.tree.map(lambda x: x.reshape(len(devices), -1, *x.shape[1:]), batch)
    return compiled(state, parts, key)

  return run


def _zeros(batch: Batch) -> Batch:
  return jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), batch)
