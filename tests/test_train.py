"""The loop on real digits with a tiny network: what it leaves, how it resumes, how it stops."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import jax
import numpy as np
import pytest

from configs import dcgan
from gengan import config as configs
from gengan import progress, runs, train

ROOT = pathlib.Path(__file__).parents[1]


def tiny(**overrides):
  config = dcgan.get_config()
  config.data.image_size, config.batch_size = 8, 64
  config.model.update(width=2, latent_size=4)
  config.update(num_steps=8, log_every_steps=2, eval_every_steps=4, sample_every_steps=4)
  config.checkpoint.every_steps = 4
  config.update_from_flattened_dict(overrides)
  return config


def equal(a, b):
  return all(jax.tree.leaves(jax.tree.map(np.array_equal, a, b)))


def read_lines(workdir):
  return [json.loads(line) for line in (workdir / 'metrics.jsonl').read_text().splitlines()]


@pytest.fixture(scope='module')
def straight(tmp_path_factory):
  workdir = tmp_path_factory.mktemp('straight') / 'run'
  return workdir, train.run(tiny(), workdir)


def test_a_run_leaves_what_it_promises(straight):
  workdir, state = straight
  assert int(state.step) == 8
  for name in ('config.json', 'dataset.json', 'metrics.jsonl', 'curves.png', 'samples/training.gif'):
    assert (workdir / name).stat().st_size > 0, name
  for name in ('samples_0000000.png', 'samples_0000004.png', 'samples_0000008.png', 'interpolation.png'):
    assert (workdir / 'samples' / name).exists(), name
  assert list((workdir / 'tensorboard').glob('events*'))
  lines = read_lines(workdir)
  assert [line['step'] for line in lines if 'd_loss' in line] == [2, 4, 6, 8]
  assert [line['step'] for line in lines if 'validation/d_real' in line] == [4, 8]
  assert configs.load(workdir).model.num_classes == 10
  assert json.loads((workdir / 'dataset.json').read_text())['class_names'] == [str(i) for i in range(10)]


def test_an_interrupted_run_ends_bit_for_bit_where_a_straight_one_does(straight, tmp_path, capsys):
  workdir, state = straight
  train.run(tiny(num_steps=4), tmp_path)
  capsys.readouterr()
  resumed = train.run(tiny(), tmp_path)
  assert f'continuing the run in {tmp_path} at step 4' in capsys.readouterr().out
  assert equal(resumed, state)
  losses = [
    [(line['step'], line['d_loss']) for line in read_lines(path) if 'd_loss' in line] for path in (workdir, tmp_path)
  ]
  assert losses[0] == losses[1]


def test_a_killed_run_ends_bit_for_bit_where_a_straight_one_does(straight, tmp_path):
  _, state = straight
  code = (
    'import time, test_train, gengan.sharding as s; compiled = s.compile_step\n'
    'def slow(*args, **kwargs):\n'
    '  step = compiled(*args, **kwargs)\n'
    '  return lambda *inputs: (time.sleep(0.5), step(*inputs))[1]\n'
    's.compile_step = slow\n'
    f'test_train.train.run(test_train.tiny(), {str(tmp_path)!r})'
  )
  environment = {**os.environ, 'PYTHONPATH': f'{ROOT}:{ROOT}/tests'}
  process = subprocess.Popen([sys.executable, '-c', code], env=environment)
  deadline = time.monotonic() + 120
  while not (tmp_path / 'checkpoints' / '00000004' / 'SHA256SUMS').exists():
    assert process.poll() is None and time.monotonic() < deadline
    time.sleep(0.02)
  process.kill()
  process.wait()
  assert not (tmp_path / 'checkpoints' / '00000008').exists()
  assert equal(train.run(tiny(), tmp_path), state)


def test_a_signal_saves_and_stops(tmp_path, capsys, monkeypatch):
  compile_step = train.sharding.compile_step

  def interrupting(*args, **kwargs):
    step = compile_step(*args, **kwargs)

    def run(state, batch, key):
      if int(state.step) == 2:
        os.kill(os.getpid(), signal.SIGTERM)
      return step(state, batch, key)

    return run

  monkeypatch.setattr(train.sharding, 'compile_step', interrupting)
  assert int(train.run(tiny(), tmp_path).step) == 3
  assert 'saved at step 3 of 8' in capsys.readouterr().out
  assert runs.load(tmp_path).step == 3


def test_a_loss_that_is_not_finite_names_step_metric_and_checkpoint(tmp_path, monkeypatch):
  compile_step = train.sharding.compile_step

  def poisoned(*args, **kwargs):
    step = compile_step(*args, **kwargs)

    def run(state, batch, key):
      bad = float('nan') if int(state.step) == 5 else 1.0
      return step(state, batch | {'image': batch['image'] * np.float32(bad)}, key)

    return run

  monkeypatch.setattr(train.sharding, 'compile_step', poisoned)
  with pytest.raises(progress.Diverged, match=r'd_\w+ is nan at step 6; the last good checkpoint is that of step 4'):
    train.run(tiny(), tmp_path)


def test_a_run_is_not_continued_as_another(straight):
  workdir, _ = straight
  with pytest.raises(ValueError, match=r'config.model.width is 2 there and 3 here'):
    train.prepare(tiny(**{'model.width': 3}), workdir)
  train.prepare(tiny(**{'num_steps': 100, 'log_every_steps': 1, 'checkpoint.keep_latest': 5}), workdir)


def test_the_model_is_loaded_from_the_folder_alone(straight):
  workdir, state = straight
  run = runs.load(workdir)
  assert run.step == 8 and equal(run.state, state) and run.class_names == tuple('0123456789')
  raw = runs.load(workdir, ema=False)
  assert equal(raw.state.ema_params['generator']['params'], state.params['generator'])


@pytest.mark.parametrize(
  ('field', 'value'),
  [
    ('num_steps', 0),
    ('batch_size', 63),
    ('mesh.mode', 'vmap'),
    ('mesh.fsdp', 3),
    ('model.name', 'gengan.models.nope'),
    ('checkpoint.best_mode', 'up'),
    ('checkpoint.keep_latest', 0),
    ('data.source', 'nowhere'),
    ('loss', 'nope'),
  ],
)
def test_what_cannot_be_is_named_before_anything_compiles(field, value, tmp_path):
  with pytest.raises(ValueError, match=rf'config\.{field}'):
    train.prepare(tiny(**{field: value}), tmp_path)
  assert not list(tmp_path.iterdir())
