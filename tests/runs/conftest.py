"""Finished checkpoints that tests of runs copy before they break them."""

import pathlib
import shutil

import pytest

from gengan.runs import checkpoint
from tests.runs.test_checkpoint import save


@pytest.fixture(scope='session')
def two(tmp_path_factory):
  """Two finished checkpoints, of steps 10 and 20."""
  directory = tmp_path_factory.mktemp('two')
  with checkpoint.Checkpointer(directory) as checkpointer:
    save(checkpointer, 10)
    save(checkpointer, 20)
  return directory


@pytest.fixture
def copy(two, tmp_path):
  return pathlib.Path(shutil.copytree(two, tmp_path / 'copy'))
