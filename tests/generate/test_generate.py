"""The command: a real run, real kills, several processes; and one line for every mistake."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

import jax
import numpy as np
import pytest

import gengan.config
from configs import dcgan
from gengan import data, runs, sharding
from gengan.generate import __main__ as generate
from gengan.host import checksums

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(scope='module')
def workdir(tmp_path_factory):
  """The folder of a run that has not been trained: a conditional generator of 8x8 digits."""
  folder = tmp_path_factory.mktemp('runs') / 'digits'
  config = dcgan.get_config()
  config.data.image_size, config.model.width = 8, 4
  config.model.conditional, config.model.num_classes = True, 10
  runs.create(folder, config, data.load(config.data))
  mesh = sharding.make_mesh(devices=jax.devices()[:1])
  state = sharding.init(gengan.config.make_algorithm(config), jax.random.key(0), runs.example_batch(config), mesh)
  state = state.replace(ema_params=jax.tree.map(lambda x: 8 * x, state.ema_params))
  with runs.open_checkpoints(folder, config) as checkpointer:
    checkpointer.save(3, state, data={}, config=config.to_dict())
  return folder


def tree(folder):
  return {path.relative_to(folder): path.read_bytes() for path in folder.rglob('*') if path.is_file()}


def start(flags, **environment):
  environment |= {name: value for name, value in os.environ.items() if name.startswith(('PATH', 'JAX_', 'HOME'))}
  command = [sys.executable, '-m', 'gengan.generate', *flags]
  return subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_kills_devices_and_processes_leave_no_trace(workdir, tmp_path, capsys):
  flags = [f'--workdir={workdir}', '--num=2000', '--format=webdataset', '--shard_size=64', '--seed=5']
  whole, killed = tmp_path / 'whole' / 'set', tmp_path / 'killed' / 'set'
  generate.main([*flags, f'--out={whole}', '--batch_size=64'])  # eight devices
  assert capsys.readouterr().out == f'{whole}: 2,000 images\n'

  receipts = killed.with_name('set.partial') / 'receipts'
  done = lambda: len(list(receipts.glob('*.json'))) if receipts.exists() else 0
  rng = np.random.default_rng(0)
  for _ in range(2):
    before = done()
    process = start([*flags, f'--out={killed}'])
    while process.poll() is None and done() < before + 3:
      time.sleep(0.002)
    time.sleep(rng.uniform(0, 0.05))
    process.send_signal(signal.SIGKILL)
    process.communicate()
  assert process.returncode == -signal.SIGKILL and 6 <= done() < 32 and not killed.exists()

  with socket.socket() as server:
    server.bind(('localhost', 0))
    address = f'localhost:{server.getsockname()[1]}'
  several = {'GENGAN_DISTRIBUTED': '1', 'GENGAN_NUM_PROCESSES': '2', 'JAX_COORDINATOR_ADDRESS': address}
  both = [start([*flags, f'--out={killed}'], **several, GENGAN_PROCESS_ID=str(rank)) for rank in range(2)]
  try:
    said = [process.communicate(timeout=120) for process in both]
  finally:
    [process.kill() for process in both]
  assert [process.returncode for process in both] == [0, 0], said
  assert said[0][0].endswith(f'{killed}: 2,000 images\n')
  assert tree(killed) == tree(whole) and len(tree(whole)) == 32 + 3
  checksums.verify(killed)
  card = json.loads((killed / 'card.json').read_text())
  assert card['counts']['by_class'] == {str(digit): 200 for digit in range(10)}


@pytest.mark.parametrize(
  ('flags', 'message'),
  [
    (['--num=0'], '--num is 0'),
    (['--num=ten'], "'ten' is not a whole number"),
    (['--format=tfrecord'], 'one of tfds, folder, npz, webdataset'),
    (['--labels=3,10'], "--labels is '10'; it must be classes of this run, by name or number: 0 to 9"),
    (['--labels=3,x'], "--labels is 'x'; it must be classes of this run"),
    (['--labels=3', '--balanced'], 'give one of them'),
    (['--truncation=0'], '--truncation is 0.0; it must be above 0 and at most 10'),
    (['--truncation=1e30'], '--truncation is 1e+30; it must be above 0 and at most 10'),
    (['--max_attempts=5'], '--max_attempts is for images that a filter drops'),
    (['--classifier=judge:certain'], '--min_confidence or --relabel, and both are missing'),
    (['--relabel', '--min_confidence=0.5'], 'has the label already; give one of them'),
    (['--unique=16'], '--unique is 16'),
    (['--discriminator_percentile=100'], '--discriminator_percentile is 100'),
    (['--shard_size=100'], 'multiple of 64'),
    (['--seed=-1'], '--seed is -1'),
    (['--workdir=nowhere'], 'nowhere, which is not the folder of a run'),
    (['--out={taken}'], 'exists already'),
    (['--out={taken}/file/g'], 'taken/file, where no files can be written: that is a file'),
    (['--out=/proc/nowhere/set'], 'the folder of --out is /proc/nowhere, where no files can be written'),
    (['--min_confidence=1'], '--min_confidence is 1.0; it must be at least 0 and below 1'),
    (['--min_confidence=0.5', '--classifier=no.mod:f'], '--classifier names no.mod, code that is not'),
    (['--min_confidence=0.5', '--classifier=runs/judge'], 'it must be module:function, not a file or a folder'),
    (['--checkpoint=9'], '9'),
    (['--nun=3'], '--nun=3'),
  ],
)
def test_a_mistake_is_one_line(workdir, tmp_path, capsys, flags, message):
  taken = tmp_path / 'taken'
  taken.mkdir()
  (taken / 'file').touch()
  flags = [flag.replace('{taken}', str(taken)) for flag in flags]
  with pytest.raises(SystemExit) as stop:
    generate.main([f'--workdir={workdir}', '--num=5', f'--out={tmp_path}/set', *flags])
  error = capsys.readouterr().err
  assert stop.value.code == 2 and message in error and error.count('\n') == 1
  assert not list(tmp_path.glob('set*'))


def test_a_file_system_that_refuses_is_one_line(workdir, tmp_path, capsys, monkeypatch):
  monkeypatch.setattr(
    generate.files, 'require_writable', lambda folder, *, flag: None
  )  # as if the folder had become a file since
  (tmp_path / 'file').touch()
  with pytest.raises(SystemExit) as stop:
    generate.main([f'--workdir={workdir}', '--num=5', f'--out={tmp_path}/file/g'])
  error = capsys.readouterr().err
  assert stop.value.code == 2 and 'Not a directory' in error and error.count('\n') == 1


@pytest.mark.parametrize(
  ('name', 'content', 'message'),
  [
    ('config.json', '{"model": 3}', 'config.json is not the config of a run'),
    ('dataset.json', '{"class_names": ["a"', 'dataset.json is damaged: '),
    ('dataset.json', '{"class_names": 3}', 'dataset.json is damaged: it has no list of class_names'),
    ('dataset.json', '[]', 'dataset.json is damaged: it holds no JSON object'),
  ],
)
def test_a_damaged_run_is_one_line_that_names_the_file(workdir, tmp_path, capsys, name, content, message):
  broken = tmp_path / 'broken'
  broken.mkdir()
  for kept in ('config.json', 'dataset.json'):
    (broken / kept).write_text(content if kept == name else (workdir / kept).read_text())
  with pytest.raises(SystemExit) as stop:
    generate.main([f'--workdir={broken}', '--num=5', f'--out={tmp_path}/set'])
  error = capsys.readouterr().err
  assert stop.value.code == 2 and f'{broken}/{message}' in error and error.count('\n') == 1


def test_classes_of_an_unconditional_model_are_refused(workdir, tmp_path, capsys):
  plain = tmp_path / 'plain'
  plain.mkdir()
  config = json.loads((workdir / 'config.json').read_text())
  config['model']['conditional'] = False
  (plain / 'config.json').write_text(json.dumps(config))
  (plain / 'dataset.json').write_text((workdir / 'dataset.json').read_text())
  for flag in ('--labels=1', '--balanced', '--min_confidence=0.5'):
    with pytest.raises(SystemExit):
      generate.main([f'--workdir={plain}', '--num=5', f'--out={tmp_path}/set', flag])
    assert 'unconditional model' in capsys.readouterr().err
