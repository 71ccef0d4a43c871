"""The folder of a run: what it keeps, and who is refused."""

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest

from configs import dcgan
from gengan import data, runs


@pytest.fixture(scope='module')
def digits():
  config = dcgan.get_config()
  config.data.image_size = 8
  return config, data.load(config.data)


def test_the_example_batch_has_the_shapes_of_a_real_one(digits):
  config, dataset = digits
  real = next(data.train_iterator(dataset.train, config.data, batch_size=4, seed=0))
  example = runs.example_batch(config, 4)
  assert {k: (v.shape, v.dtype) for k, v in real.items()} == {k: (v.shape, v.dtype) for k, v in example.items()}


def test_a_folder_without_a_run_is_refused(tmp_path):
  with pytest.raises(FileNotFoundError, match='not the folder of a run'):
    runs.load(tmp_path)


def finish(workdir):
  (workdir / 'checkpoints' / '00000003').mkdir(parents=True)
  (workdir / 'checkpoints' / '00000003' / 'SHA256SUMS').touch()


def test_settings_and_data_are_kept_once_there_is_a_checkpoint(digits, tmp_path):
  config, dataset = digits
  other = dataclasses.replace(dataset, statistics=dataset.statistics | {'sha256': 'f' * 64})
  runs.create(tmp_path, config, other)
  runs.create(tmp_path, config, dataset)
  about = (tmp_path / 'dataset.json').read_text()
  assert json.loads(about)['sha256'] == dataset.statistics['sha256']
  finish(tmp_path)
  for check in (runs.require_same, runs.create):
    with pytest.raises(ValueError, match=r'holds a run on other data, digits: sha256 is \w{12}… there and f{12}… here'):
      check(tmp_path, config, other)
    check(tmp_path, config, dataset)
  older = json.loads(about)
  del older['chosen_sha256'], older['preprocessing']['binarise']
  (tmp_path / 'dataset.json').write_text(json.dumps(older))
  runs.create(tmp_path, config, dataset)
  assert json.loads((tmp_path / 'dataset.json').read_text()) == older


def test_checkpoints_of_unknown_data_are_not_continued(digits, tmp_path):
  config, dataset = digits
  runs.create(tmp_path, config, dataset)
  finish(tmp_path)
  (tmp_path / 'dataset.json').unlink()
  with pytest.raises(FileNotFoundError, match=r'dataset\.json is missing'):
    runs.require_same(tmp_path, config, dataset)


def test_whoever_trains_removes_what_a_killed_training_was_writing(tmp_path):
  program = f"""
import os, pathlib, signal
from gengan.host import files
for name in ('metrics.jsonl', 'samples/real.png', 'checkpoints/00000005/scores.json', 'evaluation.json'):
  if os.fork() == 0:
    with files.replacing(pathlib.Path({str(tmp_path)!r}, name)) as beside:
      beside.write_text('half')
      os.kill(os.getpid(), signal.SIGKILL)
  os.wait()
"""
  subprocess.run([sys.executable, '-c', program], check=True)
  unfinished = lambda: [path.name.split('.')[1] for path in tmp_path.rglob('.*.part')]
  assert sorted(unfinished()) == ['evaluation', 'metrics', 'real', 'scores']
  with runs.claimed(tmp_path), pytest.raises(ValueError, match='another process'), runs.claimed(tmp_path):
    pass
  assert unfinished() == ['evaluation']  # another command may be at work on it


def test_data_that_has_moved_is_found_and_must_be_the_same(tmp_path):
  rng = np.random.default_rng(0)
  images = {name: rng.integers(0, 255, (count, 8, 8), np.uint8) for name, count in (('train', 40), ('test', 9))}
  (tmp_path / 'old').mkdir()
  np.savez(tmp_path / 'old/a.npz', train_images=images['train'], test_images=images['test'])
  config = dcgan.get_config()
  config.data.update(source=f'npz:{tmp_path}/old/a.npz', image_size=8)
  dataset = data.load(config.data)
  runs.create(tmp_path / 'run', config, dataset)
  (tmp_path / 'old').rename(tmp_path / 'new')
  moved = runs.data_now(config, f'npz:{tmp_path}/new/a.npz')
  again = runs.training_data(moved, tmp_path / 'run')
  np.testing.assert_array_equal(again.train.images, dataset.train.images)
  assert config.data.source.endswith('old/a.npz')  # the run's own config is left as it is
  with pytest.raises(FileNotFoundError, match=r'; if the data has moved, say where it is now: --source=SOURCE$'):
    runs.training_data(runs.data_now(config, ''), tmp_path / 'run')
  np.savez(tmp_path / 'new/a.npz', train_images=images['train'][:30], test_images=images['test'])
  with pytest.raises(ValueError, match=r'a\.npz is no longer what the run was trained on: sha256 is \w{12}… there and'):
    runs.training_data(moved, tmp_path / 'run')
