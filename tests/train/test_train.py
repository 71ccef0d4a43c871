"""The loop on real digits with a tiny network: what it leaves, how it resumes, how it stops."""

import doctest
import errno
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import jax
import numpy as np
import pytest
from PIL import Image

import gengan.config
from configs import dcgan, vae
from gengan import data, runs, sharding, train
from gengan.host import checksums
from gengan.metrics import collapse
from gengan.runs import trained
from gengan.train import examination, progress
from gengan.train.snapshots import Snapshots

ROOT = pathlib.Path(__file__).parents[2]


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
  assert gengan.config.load(workdir).model.num_classes == 10
  assert json.loads((workdir / 'dataset.json').read_text())['class_names'] == [str(i) for i in range(10)]


def test_a_run_tells_what_it_is_what_takes_its_time_and_what_to_do_next(tmp_path, capsys):
  train.run(tiny(num_steps=1), tmp_path)
  out = capsys.readouterr().out
  marks = [
    'training:\n  model ',
    'initial weights\n',
    'compiling: samples\n',
    'compiling: train step\n',
    'compiled: initial',
  ]
  marks += ['step 1/1  0.1 kimg', 'done:\n', 'gengan.sample --workdir=']
  places = [out.find(mark) for mark in marks]
  assert -1 not in places and places == sorted(places), out
  real, samples = (Image.open(tmp_path / 'samples' / f'{name}.png').size for name in ('real', 'samples_0000001'))
  assert real == samples


def test_a_run_that_is_complete_says_so_and_draws_nothing_anew(straight, capsys):
  workdir, state = straight
  files = {path: path.stat().st_mtime_ns for path in (workdir / 'samples').iterdir() if path.name != 'real.png'}
  capsys.readouterr()
  assert equal(train.run(tiny(), workdir), state)
  out = capsys.readouterr().out
  assert out.startswith(
    f'step 8  complete: the run in {workdir} is complete at step 8; raise config.num_steps to go on'
  )
  assert 'compiling' not in out and 'gengan.sample --workdir=' in out
  assert {path: path.stat().st_mtime_ns for path in files} == files
  train.run(tiny(num_steps=4), workdir)
  assert 'is complete at step 8; config.num_steps is 4; raise' in capsys.readouterr().out


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
  environment = {**os.environ, 'PYTHONPATH': f'{ROOT}:{ROOT}/tests/train'}
  process = subprocess.Popen([sys.executable, '-c', code], env=environment)
  deadline = time.monotonic() + 120
  while not (tmp_path / 'checkpoints' / '00000004' / 'SHA256SUMS').exists():
    assert process.poll() is None and time.monotonic() < deadline
    time.sleep(0.02)
  process.kill()
  process.wait()
  assert not (tmp_path / 'checkpoints' / '00000008').exists()
  assert equal(train.run(tiny(), tmp_path), state)


@pytest.mark.parametrize('stopped', [4, 8])
def test_a_signal_saves_and_stops_and_what_was_due_is_done_later(straight, tmp_path, capsys, monkeypatch, stopped):
  compile_step = sharding.compile_step

  def interrupting(*args, **kwargs):
    step = compile_step(*args, **kwargs)

    def run(state, batch, key):
      if int(state.step) == stopped - 1:
        os.kill(os.getpid(), signal.SIGTERM)
      return step(state, batch, key)

    return run

  with monkeypatch.context() as patch:
    patch.setattr(sharding, 'compile_step', interrupting)
    assert int(train.run(tiny(), tmp_path).step) == stopped
  assert f'saved at step {stopped} of 8; the same command continues' in capsys.readouterr().out
  assert runs.load(tmp_path).step == stopped
  # Nothing that takes its time: a scheduler kills soon after it has asked.
  scored = lambda path: [line for line in read_lines(path) if 'validation/d_real' in line]
  assert all(line['step'] < stopped for line in scored(tmp_path))
  assert not (tmp_path / 'samples' / f'samples_{stopped:07d}.png').exists()
  assert not (tmp_path / 'curves.png').exists()

  workdir, state = straight
  assert equal(train.run(tiny(), tmp_path), state)
  names = lambda path: sorted(file.name for file in (path / 'samples').iterdir())
  assert names(tmp_path) == names(workdir)
  values = lambda path: [(line['step'], line['validation/d_real']) for line in scored(path)]
  assert values(tmp_path) == values(workdir)


@pytest.mark.parametrize('where, stopped', [('making', 0), ('measuring', 2), ('measuring', 4)])
def test_a_signal_ends_a_measurement_which_is_made_when_the_run_goes_on(
  straight, tmp_path, monkeypatch, where, stopped
):
  config, asked = tiny(**{'evaluators.every_steps': 2}), []

  def heeded(heed, at):
    asked.append(at)
    if at == where and asked.count(at) == max(stopped // 2, 1):
      os.kill(os.getpid(), signal.SIGTERM)
      heed()
    return 1.0

  def of_config(config, dataset, algorithm, mesh, heed):
    heeded(heed, 'making')
    return [lambda: heeded(heed, 'measuring')]

  with monkeypatch.context() as patch:
    patch.setattr(examination.in_training, 'of_config', of_config)
    patch.setattr(examination.in_training, 'measure', lambda evaluators, *_: ({'validation/good': evaluators[0]()}, []))
    assert int(train.run(config, tmp_path).step) == stopped
    where = ''
    assert runs.load(tmp_path).step == stopped
    assert equal(train.run(config, tmp_path), straight[1])
  good = [line['step'] for line in read_lines(tmp_path) if 'validation/good' in line]
  assert good == [2, 4, 6, 8]


def test_a_loss_that_is_not_finite_names_step_metric_and_checkpoint(tmp_path, monkeypatch):
  compile_step = sharding.compile_step

  def poisoned(*args, **kwargs):
    step = compile_step(*args, **kwargs)

    def run(state, batch, key):
      bad = float('nan') if int(state.step) == 5 else 1.0
      return step(state, batch | {'image': batch['image'] * np.float32(bad)}, key)

    return run

  monkeypatch.setattr(sharding, 'compile_step', poisoned)
  with pytest.raises(progress.Diverged, match=r'd_\w+ is nan at step 6; the last good checkpoint is that of step 4'):
    train.run(tiny(), tmp_path)


@pytest.mark.parametrize('field', ['checkpoint.every_steps', 'sample_every_steps'])
def test_a_state_that_is_not_finite_is_neither_saved_nor_drawn(tmp_path, monkeypatch, field):
  compile_step = sharding.compile_step

  def poisoned(*args, **kwargs):
    step = compile_step(*args, **kwargs)

    def run(state, batch, key):
      state, metrics = step(state, batch, key)
      return state.replace(ema_params=jax.tree.map(lambda x: x * np.float32(np.nan), state.ema_params)), metrics

    return run

  monkeypatch.setattr(sharding, 'compile_step', poisoned)
  message = r'^NaN or infinity in ema_params/generator after step 1; there is no checkpoint yet$'
  with pytest.raises(progress.Diverged, match=message):
    train.run(tiny(**{field: 1}), tmp_path)
  assert not list((tmp_path / 'checkpoints').glob('0*')) and not (tmp_path / 'samples/samples_0000001.png').exists()


def test_an_update_that_overflows_ends_the_run(tmp_path):
  config = vae.get_config()
  config.data.image_size, config.model.width, config.model.hidden_size = 8, 2, 8
  config.optimizer.update(name='sgd', learning_rate=1e38)
  with pytest.raises(progress.Diverged, match=r'_norm is (inf|nan) at step 1; there is no checkpoint yet$'):
    train.run(config, tmp_path)


def test_samples_that_are_not_finite_end_the_run_too(tmp_path, monkeypatch):
  draw = Snapshots.draw
  monkeypatch.setattr(
    Snapshots,
    'draw',
    lambda self, state: {name: x * np.float32(np.nan if state.step else 1) for name, x in draw(self, state).items()},
  )
  with pytest.raises(progress.Diverged, match=r'NaN or infinity in samples after step 2; the last good .* of step 1'):
    train.run(tiny(**{'checkpoint.every_steps': 1, 'sample_every_steps': 2}), tmp_path)


def at_step(wanted, act, monkeypatch):
  """Has `act` called before a train step."""
  compile_step = sharding.compile_step

  def watched(*args, **kwargs):
    step = compile_step(*args, **kwargs)

    def run(state, batch, key):
      if int(state.step) == wanted - 1:
        act()
      return step(state, batch, key)

    return run

  monkeypatch.setattr(sharding, 'compile_step', watched)


def test_a_full_disk_ends_the_run_with_the_path_and_the_last_good_checkpoint(tmp_path, monkeypatch):
  def full(folder):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder / 'SHA256SUMS'))

  at_step(6, lambda: monkeypatch.setattr(checksums, 'seal', full), monkeypatch)
  with pytest.raises(train.Unwritable) as caught:
    train.run(tiny(), tmp_path)
  place = tmp_path / 'checkpoints' / '00000008'
  why = f'No space left on device: {place}.partial/SHA256SUMS'
  assert str(caught.value) == f'{place} was not saved: {why}; the last good checkpoint is that of step 4'
  with runs.claimed(tmp_path):  # the lock is free
    pass


def test_a_folder_that_is_deleted_while_it_is_trained_in_is_not_made_anew(tmp_path, monkeypatch):
  at_step(4, lambda: shutil.rmtree(tmp_path / 'run'), monkeypatch)
  with pytest.raises(train.Unwritable, match=rf'^the folder of the run has gone: {tmp_path}/run; there is no'):
    train.run(tiny(log_every_steps=100), tmp_path / 'run')
  assert not (tmp_path / 'run').exists()


def test_a_state_is_saved_before_it_is_scored(straight, tmp_path, monkeypatch):
  def fail(*_, **__):
    raise RuntimeError('a fault in a metric')

  with monkeypatch.context() as patch:
    patch.setattr(collapse, 'check', fail)
    with pytest.raises(RuntimeError, match='a fault in a metric'):
      train.run(tiny(), tmp_path)
  assert runs.load(tmp_path).step == 4
  assert equal(train.run(tiny(), tmp_path), straight[1])
  scored = [line['step'] for line in read_lines(tmp_path) if 'validation/d_real' in line]
  assert scored == [4, 8]


def test_a_metric_that_fails_is_a_warning_and_said_once(straight, tmp_path, monkeypatch, capsys):
  monkeypatch.setattr(examination.in_training, 'of_config', lambda *_: 'an evaluator')
  failing = lambda *_: ({'validation/good': 1.0}, ['bad was not measured: a fault'])
  monkeypatch.setattr(examination.in_training, 'measure', failing)
  assert equal(train.run(tiny(**{'evaluators.every_steps': 2}), tmp_path), straight[1])
  assert capsys.readouterr().out.count('warning: bad was not measured: a fault') == 1
  assert [line['step'] for line in read_lines(tmp_path) if 'validation/good' in line] == [2, 4, 6, 8]


def test_the_first_of_best_checkpoints_is_kept_by_what_is_measured_later(tmp_path):
  best = {'checkpoint.every_steps': 2, 'eval_every_steps': 2, 'checkpoint.keep_latest': 1}
  train.run(tiny(**best, **{'checkpoint.best_metric': 'validation/d_real'}), tmp_path)
  losses = {line['step']: line['validation/d_real'] for line in read_lines(tmp_path) if 'validation/d_real' in line}
  wanted = {min(losses, key=losses.get), 8}
  assert {int(path.name) for path in (tmp_path / 'checkpoints').iterdir()} == wanted


def test_foreign_folders_among_the_checkpoints_are_told(straight, tmp_path, caplog):
  (tmp_path / 'checkpoints' / 'mine').mkdir(parents=True)
  runs.create(tmp_path, gengan.config.load(straight[0]), data.load(tiny().data))
  assert [record.getMessage() for record in caplog.records] == [
    f'{tmp_path}/checkpoints holds what is no checkpoint and is left alone: mine'
  ]


def test_checkpoints_by_another_name_are_not_trained_over(straight, tmp_path):
  shutil.copytree(straight[0], tmp_path / 'run')
  for path in (tmp_path / 'run' / 'checkpoints').iterdir():
    path.rename(path.with_name(str(int(path.name))))
  before = (tmp_path / 'run' / 'metrics.jsonl').read_bytes()
  with pytest.raises(ValueError, match="by another name, '4'; a name is the step in eight digits"):
    train.run(tiny(), tmp_path / 'run')
  assert (tmp_path / 'run' / 'metrics.jsonl').read_bytes() == before


def paint(folder, names, seed):
  rng = np.random.default_rng(seed)
  folder.mkdir(exist_ok=True)
  for name in names:
    Image.fromarray(rng.integers(0, 256, (8, 8), np.uint8)).save(folder / f'{name}.png')


def test_a_run_is_not_continued_on_other_data(tmp_path):
  pictures, workdir = tmp_path / 'pictures', tmp_path / 'run'
  here = lambda folder, **more: tiny(**{'data.source': f'folder:{folder}', 'num_steps': 1, **more})
  names = [f'{i:03d}' for i in range(80)]
  paint(pictures, names, seed=0)
  train.run(here(pictures), workdir)
  about = (workdir / 'dataset.json').read_bytes()

  def refused(*words):
    for attempt in (train.prepare, train.run):
      with pytest.raises(ValueError, match=r'/run holds a run on other data, folder:.*/pictures: ') as caught:
        attempt(here(pictures, num_steps=2), workdir)
      assert all(word in str(caught.value) for word in words) and '\n' not in str(caught.value)
    assert (workdir / 'dataset.json').read_bytes() == about
    with pytest.raises(ValueError, match='is no longer what the run was trained on'):
      runs.training_data(gengan.config.load(workdir).data, workdir)

  paint(pictures, names, seed=1)
  refused('sha256 is ')
  paint(pictures, names, seed=0)
  paint(pictures, ('more', 'and', 'another'), seed=1)
  refused('sha256 is ', 'examples.train is 64 there and 67 here')
  for name in ('more', 'and', 'another'):
    (pictures / f'{name}.png').unlink()

  moved = pictures.rename(tmp_path / 'moved')
  with pytest.raises(
    FileNotFoundError, match=r'no such folder; if the data of this run has moved, .*--config\.data\.source='
  ):
    train.prepare(here(pictures, num_steps=2), workdir)
  assert int(train.run(here(moved, num_steps=2), workdir).step) == 2
  assert gengan.config.load(workdir).data.source == f'folder:{moved}'
  assert (workdir / 'dataset.json').read_bytes() == about
  runs.training_data(gengan.config.load(workdir).data, workdir)


def test_a_second_process_is_refused_while_the_first_trains(straight, tmp_path):
  workdir, state = straight
  with runs.claimed(tmp_path), pytest.raises(train.Refused, match=rf'^{tmp_path} is being trained by another process$'):
    train.run(tiny(), tmp_path)
  assert [path.name for path in tmp_path.iterdir()] == ['.lock']
  assert equal(train.run(tiny(), workdir), state)  # the end gives the lock back


def test_a_mistake_that_was_never_saved_is_replaced_which_is_told(straight, tmp_path, caplog):
  workdir, state = straight
  mistake = tiny(**{'model.width': 3, 'data.source': 'digits', 'data.image_size': 16})
  runs.create(tmp_path, mistake, data.load(mistake.data))
  paint(tmp_path / 'samples', ['samples_0000001'], seed=0)
  (tmp_path / 'metrics.jsonl').write_text('{"step": 1, "d_loss": 2.0}\n')
  assert equal(train.run(tiny(), tmp_path), state)
  (told,) = (record.getMessage() for record in caplog.records)
  assert told == f'{tmp_path} has no checkpoint: its metrics and pictures are made anew, from step 0'
  assert len(read_lines(tmp_path)) == len(read_lines(workdir))
  for name in ('config.json', 'dataset.json'):
    assert json.loads((tmp_path / name).read_text()) == json.loads((workdir / name).read_text())
  assert not (tmp_path / 'samples' / 'samples_0000001.png').exists()


def test_damaged_checkpoints_are_one_line_that_says_what_to_do(tmp_path):
  train.run(tiny(num_steps=1), tmp_path)
  (tmp_path / 'checkpoints' / '00000001' / 'checkpoint.json').unlink()
  with pytest.raises(train.Refused, match=r'^every checkpoint in .* is damaged: steps 1; .* Bring one back .*afresh$'):
    train.run(tiny(num_steps=2), tmp_path)


def test_a_run_is_not_continued_as_another(straight):
  workdir, _ = straight
  with pytest.raises(ValueError, match=r'config.model.width is 2 there and 3 here'):
    train.prepare(tiny(**{'model.width': 3}), workdir)
  train.prepare(tiny(**{'num_steps': 100, 'log_every_steps': 1, 'checkpoint.keep_latest': 5}), workdir)


def test_the_example_of_loading_runs(straight):
  examples = doctest.DocTestFinder().find(trained.load, globs={'load': trained.load, 'workdir': straight[0]})
  assert [doctest.DocTestRunner().run(example) for example in examples] == [(0, 3)]


def test_the_model_is_loaded_from_the_folder_alone(straight):
  workdir, state = straight
  run = runs.load(workdir)
  assert run.step == 8 and equal(run.state, state) and run.class_names == tuple('0123456789')
  raw = runs.load(workdir, weights='trained')
  assert equal(raw.state.ema_params['generator']['params'], state.params['generator'])
  images = run.sample(3)
  assert images.shape == (3, 8, 8, 1) and run.score(images).shape == (3,) and not np.array_equal(images, raw.sample(3))


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
