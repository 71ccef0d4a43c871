"""Several processes, one run: the launcher for this machine."""

import json
import os
import pathlib
import socket
import subprocess
import sys

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).parents[1]
SMALL = {
  'num_steps': 2,
  'data.image_size': 8,
  'model.width': 2,
  'log_every_steps': 1,
  'sample_every_steps': 2,
  'eval_every_steps': 2,
  'checkpoint.every_steps': 2,
}


def free_port():
  with socket.socket() as server:
    server.bind(('localhost', 0))
    return server.getsockname()[1]


def launch(workdir, *, processes, **overrides):
  environment = {
    'PATH': f'{pathlib.Path(sys.executable).parent}:/usr/bin:/bin',
    **{name: value for name, value in os.environ.items() if name.startswith('JAX_')},
    'JAX_COORDINATOR_ADDRESS': f'localhost:{free_port()}',
    'TMPDIR': str(workdir.parent),
    'HOME': os.environ.get('HOME', '/'),
  }
  options = [f'--config.{field}={value}' for field, value in (SMALL | overrides).items()]
  command = ['bash', 'launch/local.sh', str(processes), '--config=configs/dcgan.py', f'--workdir={workdir}', *options]
  done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, timeout=300)
  assert done.returncode == 0, done.stderr
  lines = [json.loads(line) for line in (workdir / 'metrics.jsonl').read_text().splitlines()]
  return {(line['step'], name): value for line in lines for name, value in line.items() if name != 'time'}


def test_two_processes_train_as_one_does(tmp_path):
  alone = launch(tmp_path / 'one', processes=1)
  shared = launch(tmp_path / 'two', processes=2, **{'mesh.fsdp': 2})
  assert alone.keys() == shared.keys() and (2, 'validation/d_real') in alone
  for name, value in alone.items():
    np.testing.assert_allclose(shared[name], value, rtol=2e-3, atol=2e-3, err_msg=str(name))
  assert (tmp_path / 'two/samples/interpolation.png').exists()


@pytest.mark.parametrize(
  ('codes', 'expected', 'told'),
  [
    ((0, 0, 0), 0, []),
    ((0, 3, 0), 3, ['process 1 failed with 3']),
    ((0, 3, 4), 4, ['process 1 failed with 3', 'process 2 failed with 4']),
    ((5, 0, 0), 5, []),
    ((6,), 6, []),
  ],
)
def test_the_launcher_fails_where_any_process_fails(codes, expected, told, tmp_path):
  program = tmp_path / 'python'
  program.write_text(f'#!/bin/bash\ncodes=({" ".join(map(str, codes))})\nexit ${{codes[$GENGAN_PROCESS_ID]}}\n')
  program.chmod(0o755)
  environment = {'PATH': f'{tmp_path}:/usr/bin:/bin', 'TMPDIR': str(tmp_path)}
  command = ['bash', 'launch/local.sh', str(len(codes)), '--config=configs/dcgan.py']
  done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT)
  assert done.returncode == expected
  assert [line.partition(';')[0] for line in done.stderr.splitlines()] == told
  assert all(f'gengan-process-{line.split()[1]}.log' in line for line in done.stderr.splitlines())


@pytest.mark.parametrize('arguments', [[], ['--config=configs/dcgan.py'], ['0', '--config=configs/dcgan.py']])
def test_the_launcher_asks_for_the_number_of_processes(arguments):
  done = subprocess.run(['bash', 'launch/local.sh', *arguments], capture_output=True, text=True, cwd=ROOT)
  assert done.returncode == 2
  assert done.stderr.count('\n') == 1 and 'the number of processes comes first' in done.stderr


@pytest.mark.parametrize(('code', 'asked'), [(0, ''), (1, ''), (143, 'requeue 7\n')])
def test_slurm_queues_again_what_was_saved_on_a_signal(code, asked, tmp_path):
  for name, text in {'srun': f'exit {code}', 'scontrol': f'echo "$@" > {tmp_path}/asked'}.items():
    (tmp_path / name).write_text(f'#!/bin/bash\n{text}\n')
    (tmp_path / name).chmod(0o755)
  environment = {'PATH': f'{tmp_path}:/usr/bin:/bin', 'SLURM_JOB_ID': '7'}
  assert subprocess.run(['bash', 'launch/slurm.sbatch'], env=environment, cwd=ROOT).returncode == code
  found = tmp_path / 'asked'
  assert (found.read_text() if found.exists() else '') == asked
