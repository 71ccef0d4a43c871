"""Two processes of two devices train as one device does, stop at the same step and leave one checkpoint."""

import os
import pathlib
import socket
import subprocess
import sys

import jax
import numpy as np

from gengan import sharding
from gengan.runs import checkpoint
from tests.test_sharding import KEY, make_batch, tiny

WORKER = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
from gengan import sharding
from gengan.runs import checkpoint
sharding.initialize()
import jax
from test_sharding import KEY, ROWS, make_batch, tiny
from gengan.host.interrupts import Interrupts

process = jax.process_index()
rows = slice(process * ROWS // 2, (process + 1) * ROWS // 2)
mesh = sharding.make_mesh(data=2, fsdp=2)
local = lambda i: {name: values[rows] for name, values in make_batch(i).items()}
state = sharding.init(tiny(), KEY, local(0), mesh, min_size=64)
layout = jax.tree.map(lambda leaf: leaf.sharding, state)
step = sharding.compile_step(tiny().train_step, mesh=mesh, state_sharding=layout)
with Interrupts() as interrupts, checkpoint.Checkpointer(sys.argv[2]) as checkpointer:
  for i in range(5000):
    state, metrics = step(state, local(i), KEY)
    if i == 2:
      checkpointer.save(i + 1, state, data={'process': process}, config={}, metrics={'loss': metrics['loss']})
      if process == 1:
        os.kill(os.getpid(), signal.SIGINT)
    if interrupts.should_stop(i + 1):
      break
  checkpointer.save(i + 1, state, data={'process': process}, config={}, metrics={'loss': metrics['loss']})
  abstract = sharding.abstract_state(tiny(), local(0), mesh, min_size=64)
  restored = checkpointer.restore(abstract)
  same = jax.jit(lambda a, b: jax.tree.reduce(lambda x, y: x & y, jax.tree.map(lambda x, y: (x == y).all(), a, b)))
  print(len(jax.devices()), restored.step, restored.data['process'], bool(same(state, restored.state)), flush=True)
"""


def test_two_processes(tmp_path):
  with socket.socket() as free:
    free.bind(('127.0.0.1', 0))
    address = f'127.0.0.1:{free.getsockname()[1]}'
  env = {
    **os.environ,
    'XLA_FLAGS': '--xla_force_host_platform_device_count=2 --xla_backend_optimization_level=1',
    'JAX_COORDINATOR_ADDRESS': address,
    'GENGAN_DISTRIBUTED': '1',
    'GENGAN_NUM_PROCESSES': '2',
  }
  command = [sys.executable, '-c', WORKER, str(pathlib.Path(__file__).parent), str(tmp_path)]
  runs = [
    subprocess.Popen(
      command, env={**env, 'GENGAN_PROCESS_ID': str(i)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    for i in range(2)
  ]
  try:
    outputs = [run.communicate(timeout=300) for run in runs]
  finally:
    for run in runs:
      run.kill()
  assert [run.returncode for run in runs] == [0, 0], outputs[0][1][-2000:] + outputs[1][1][-2000:]
  reports = [out.splitlines()[-1].split() for out, _ in outputs]  # Gloo prints above
  stopped = int(reports[0][1])
  assert 3 < stopped < 5000
  assert reports == [['4', str(stopped), str(process), 'True'] for process in (0, 1)]

  alone = sharding.make_mesh(devices=jax.devices()[:1])
  state = sharding.init(tiny(), KEY, make_batch(), alone)
  step = sharding.compile_step(tiny().train_step, mesh=alone)
  for i in range(3):
    state, metrics = step(state, make_batch(i), KEY)
  abstract = sharding.abstract_state(tiny(), make_batch(), sharding.make_mesh(data=8), min_size=64)
  with checkpoint.Checkpointer(tmp_path) as checkpointer:
    restored = checkpointer.restore(abstract, step=3)
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-5), restored.state, state)
  np.testing.assert_allclose(restored.metrics['loss'], metrics['loss'], rtol=1e-5)
  assert restored.data == {'process': 0}
