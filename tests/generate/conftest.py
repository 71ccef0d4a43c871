"""A run to generate from, without training one."""

import json

import pytest
from ml_collections import ConfigDict

from gengan import runs
from gengan.generate import request
from tests.generate.test_stream import EMPTY, toy

NAMES = ('ant', 'bee', 'cat')
ALGORITHM = toy()._replace(score=lambda state, images, labels: 3 * images[:, 0, 0, 0])
DATASET = {'source': 'folder:/home/someone/animals', 'sha256': 'abc', 'examples': {'train': 80}, 'class_names': NAMES}


@pytest.fixture
def prepare(tmp_path, monkeypatch):
  """From a name and options to a job that makes the set of this name."""
  workdir = tmp_path / 'run'
  workdir.mkdir()
  (workdir / 'dataset.json').write_text(json.dumps(DATASET))
  data = {'image_size': 4, 'channels': 1, 'source': DATASET['source'], 'data_dir': '/home/someone', 'flip': False}

  def make(name, *, conditional=True, algorithm=ALGORITHM, **options):
    model = {'name': 'my.model', 'conditional': conditional, 'num_classes': len(NAMES)}
    config = ConfigDict({'model': model, 'data': data})
    run = runs.Run(config, algorithm, EMPTY, 7, len(NAMES), NAMES)
    monkeypatch.setattr(runs, 'load', lambda workdir, **_: run)
    asked = request.Request(**({'num': 300, 'format': 'npz', 'shard_size': 128} | options))
    return request.prepare(asked, workdir=workdir, out=tmp_path / name)

  return make
