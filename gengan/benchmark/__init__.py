"""How long one train step of a config takes, on random images that are already in memory.

python -m gengan.benchmark --config=configs/dcgan.py [--config.batch_size=128] [--steps=20] [--json]
"""

import json
import os
import platform
import statistics
import sys
import time
from typing import Any

import jax
import numpy as np
from absl import flags, logging
from ml_collections import ConfigDict

from gengan import config as configs
from gengan import core, runs, sharding

_STEPS = flags.DEFINE_integer('steps', 20, 'Train steps to time, after two that are not', lower_bound=1)
_JSON = flags.DEFINE_bool('json', False, 'Print one JSON object instead of a table')
WARM_UP = 2  # steps: memory is laid out in the first


def measure(config: ConfigDict, *, steps: int) -> dict[str, Any]:
  """Times the compiled train step of a config; no data set is read.

  Args:
    config: as for `gengan.train.run`. A conditional model whose `num_classes` is 0 gets 10.
    steps: how many to time.

  Returns:
    median_ms, min_ms and cpu_ms (processor time of this process, median) of a step; images_per_second; compile_seconds;
    gflop of a step by XLA's count and gflop_per_second (None in pmap mode, which does not tell); machine.

  Raises:
    ValueError: one line that names the field of the config that cannot be.
  """
  config = ConfigDict(config.to_dict())
  configs.check(config)
  if 'num_classes' in config.model and not config.model.num_classes:
    config.model.num_classes = 10
  mesh = sharding.make_mesh(data=config.mesh.data, fsdp=config.mesh.fsdp)
  sharding.check_batch_size(config.batch_size, mesh)
  axis_name, shapes = 'data' if config.mesh.mode == 'pmap' else None, runs.example_batch(config, config.batch_size)
  algorithm = configs.make_algorithm(config, axis_name=axis_name)
  abstract_state = sharding.abstract_state(algorithm, shapes, mesh)
  core.check_steps(algorithm, abstract_state, shapes, axis_name=axis_name, devices=mesh.size)
  batch = _random_batch(config)
  key = jax.random.key(config.seed)
  layout = sharding.state_sharding(mesh, abstract_state)
  state = sharding.init(algorithm, key, batch, mesh)
  step = sharding.compile_step(algorithm.train_step, mesh=mesh, state_sharding=layout, mode=config.mesh.mode)

  start, gflop = time.perf_counter(), None
  if config.mesh.mode == 'jit':
    batch = sharding.shard_batch(batch, mesh)
    step = step.lower(state, batch, key).compile()
    gflop = step.cost_analysis()['flops'] * mesh.size / 1e9
  else:
    state, _ = jax.block_until_ready(step(state, batch, key))
  compile_seconds = time.perf_counter() - start
  wall, cpu = _times(step, state, batch, key, steps=steps)
  median = statistics.median(wall)
  return {
    'median_ms': 1e3 * median,
    'min_ms': 1e3 * min(wall),
    'cpu_ms': 1e3 * statistics.median(cpu),
    'images_per_second': config.batch_size / median,
    'compile_seconds': compile_seconds,
    'gflop': gflop,
    'gflop_per_second': gflop and gflop / median,
    'steps': steps,
    'machine': machine(),
  }


def machine() -> dict[str, Any]:
  """What the numbers depend on: the devices, the processors this process may use, and the versions."""
  device = jax.devices()[0]
  cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()
  return {
    'devices': f'{jax.device_count()} x {device.device_kind}',
    'processor': f'{_processor()}, {cores} cores',
    'jax': jax.__version__,
    'python': platform.python_version(),
  }


def main(argv: list[str]) -> None:
  logging.set_verbosity(logging.WARNING)
  if argv[1:]:
    sys.exit(f'gengan: unexpected argument {argv[1]!r}; settings are given as --config.name=value')
  try:
    result = measure(flags.FLAGS.config, steps=_STEPS.value)
  except ValueError as error:
    sys.exit(f'gengan: {" ".join(str(error).split())}')
  print(json.dumps(result) if _JSON.value else _table(result))


def _times(step, state: core.State, batch: core.Batch, key: jax.Array, *, steps: int) -> tuple[list, list]:
  """Seconds on the wall and of the processor, one of each a step."""
  wall, cpu = [], []
  for _ in range(WARM_UP + steps):
    start, start_cpu = time.perf_counter(), time.process_time()
    state, _ = jax.block_until_ready(step(state, batch, key))
    wall.append(time.perf_counter() - start)
    cpu.append(time.process_time() - start_cpu)
  return wall[WARM_UP:], cpu[WARM_UP:]


def _random_batch(config: ConfigDict) -> core.Batch:
  """Images in [-1, 1] and labels, of the shapes and dtypes that the data would have."""
  rng = np.random.default_rng(config.seed)
  image, label = (runs.example_batch(config, config.batch_size)[name] for name in ('image', 'label'))
  classes = max(config.model.get('num_classes', 1), 1)
  return {
    'image': rng.uniform(-1, 1, image.shape).astype(image.dtype),
    'label': rng.integers(0, classes, label.shape).astype(label.dtype),
  }


def _processor() -> str:
  try:
    with open('/proc/cpuinfo', encoding='utf-8') as lines:
      return next(line.partition(':')[2].strip() for line in lines if line.startswith('model name'))
  except (OSError, StopIteration):
    return platform.processor() or platform.machine()


def _table(result: dict[str, Any]) -> str:
  flop = (
    f'{result["gflop"]:.2f} GFLOP, {result["gflop_per_second"]:.1f} GFLOP/s'
    if result['gflop']
    else 'unknown in pmap mode'
  )
  rows = {
    'step': f'{result["median_ms"]:.1f} ms (median of {result["steps"]}; fastest {result["min_ms"]:.1f} ms)',
    'processor': f'{result["cpu_ms"]:.1f} ms a step',
    'images': f'{result["images_per_second"]:.0f} a second',
    'work': flop,
    'compiled': f'in {result["compile_seconds"]:.1f} s',
    'machine': ', '.join(str(value) for value in (result['machine']['devices'], result['machine']['processor'])),
    'versions': f'jax {result["machine"]["jax"]}, Python {result["machine"]["python"]}',
  }
  return '\n'.join(f'{name:10}{value}' for name, value in rows.items())
