"""The compiled train step of a config, timed on random images that are in memory already."""

import os
import platform
import statistics
import time
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from gengan import core, sharding
from gengan.config import check, classes, set_classes
from gengan.train import preparation

WARM_UP = 2  # steps: memory is laid out in the first
CLASSES = 10  # where a config leaves it to the data


def measure(config: ConfigDict, *, steps: int) -> dict[str, Any]:
  """Times the train step of a config; no data set is read.

  Args:
    config: as for `gengan.train.run`. Where its `num_classes` is 0, the data is taken to have 10.

  Returns:
    median_ms, min_ms and cpu_ms (processor time of this process, median) of a step; images_per_second; compile_seconds;
    gflop of a step by XLA's count and gflop_per_second (None in pmap mode, which does not tell); machine.

  Raises:
    ValueError: one line that names the field of the config that cannot be.
  """
  config = ConfigDict(config.to_dict())
  check(config)
  set_classes(config, config.model.get('num_classes', 0) or CLASSES, labelled=True)
  mesh, algorithm, shapes, abstract_state = preparation.set_up(config)
  batch = _random_batch(shapes, seed=config.seed, num_classes=classes(config))
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


def machine() -> dict[str, str]:
  """What the numbers depend on: the devices, the processors this process may use, and the versions."""
  device = jax.devices()[0]
  cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()
  return {
    'devices': f'{jax.device_count()} x {device.device_kind}',
    'processor': f'{_processor()}, {cores} cores',
    'jax': jax.__version__,
    'python': platform.python_version(),
  }


def table(result: dict[str, Any]) -> str:
  """What `measure` gives, for a person."""
  work, on = 'unknown in pmap mode', result['machine']
  if result['gflop']:
    work = f'{result["gflop"]:.2f} GFLOP, {result["gflop_per_second"]:.1f} GFLOP/s'
  rows = {
    'step': f'{result["median_ms"]:.1f} ms (median of {result["steps"]}; fastest {result["min_ms"]:.1f} ms)',
    'processor': f'{result["cpu_ms"]:.1f} ms a step',
    'images': f'{result["images_per_second"]:.0f} a second',
    'work': work,
    'compiled': f'in {result["compile_seconds"]:.1f} s',
    'machine': f'{on["devices"]}, {on["processor"]}',
    'versions': f'jax {on["jax"]}, Python {on["python"]}',
  }
  return '\n'.join(f'{name:10}{value}' for name, value in rows.items())


def _times(step, state: core.State, batch: core.Batch, key: jax.Array, *, steps: int) -> tuple[list, list]:
  """Seconds on the wall and of the processor, one of each a step."""
  wall, cpu = [], []
  for _ in range(WARM_UP + steps):
    start, start_cpu = time.perf_counter(), time.process_time()
    state, _ = jax.block_until_ready(step(state, batch, key))
    wall.append(time.perf_counter() - start)
    cpu.append(time.process_time() - start_cpu)
  return wall[WARM_UP:], cpu[WARM_UP:]


def _random_batch(shapes: core.Batch, *, seed: int, num_classes: int) -> core.Batch:
  """Images in [-1, 1] and labels, of the shapes and dtypes that the data would have."""
  rng = np.random.default_rng(seed)
  image, label = shapes['image'], shapes['label']
  return {
    'image': rng.uniform(-1, 1, image.shape).astype(image.dtype),
    'label': rng.integers(0, max(num_classes, 1), label.shape).astype(label.dtype),
  }


def _processor() -> str:
  try:
    with open('/proc/cpuinfo', encoding='utf-8') as lines:
      return next(line.partition(':')[2].strip() for line in lines if line.startswith('model name'))
  except (OSError, StopIteration):
    return platform.processor() or platform.machine()
