"""The folder of a run: what it keeps, and who is refused."""

import dataclasses
import json

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
