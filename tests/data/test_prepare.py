"""Preparing TFDS sets: errors here; the work itself where TensorFlow is installed."""

import importlib.util
import subprocess
import sys

import pytest

from gengan.data.prepare import prepare
from gengan.data.prepare.__main__ import main
from gengan.data.sources import open_source
from gengan.host.errors import ArgumentError

HAS_TENSORFLOW = importlib.util.find_spec('tensorflow') is not None


def test_a_missing_folder_is_named(tmp_path):
  with pytest.raises(ArgumentError, match=r'^files is .*none., which is no folder; it must be a folder'):
    prepare('mnist', data_dir=str(tmp_path), files=str(tmp_path / 'none'))


@pytest.mark.skipif(HAS_TENSORFLOW, reason='TensorFlow is installed')
def test_what_to_install_is_named(tmp_path):
  with pytest.raises(ModuleNotFoundError, match=r"pip install 'tensorflow-cpu>="):
    prepare('mnist', data_dir=str(tmp_path))


@pytest.mark.parametrize(
  ('flags', 'message'),
  [
    ([], 'give --name, as in --name=mnist'),
    (['--name=mnist', '--files=no/such'], "--files is 'no/such', which is no folder; it must be a folder, or ''"),
  ],
)
def test_mistakes_on_the_command_line_are_one_line(flags, message, capsys):
  with pytest.raises(SystemExit) as caught:
    main(flags)
  error = capsys.readouterr().err
  assert caught.value.code == 2 and error.startswith(f'gengan.data.prepare: {message}') and error.count('\n') == 1


STUB = """
import sys, types
import tensorflow_datasets
sys.modules.setdefault('tensorflow', types.ModuleType('tensorflow'))
from gengan.data.prepare import __main__
__main__.main(['--name={name}', '--data_dir={folder}'])
"""


@pytest.mark.parametrize('name', ['nosuch', 'a b'])
def test_an_unknown_set_is_one_line(name, tmp_path):
  """With TensorFlow, or with an empty module in its place, for TFDS looks for the name first."""
  code = STUB.format(name=name, folder=tmp_path)
  done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
  assert done.returncode == 2 and done.stderr.splitlines()[-1].startswith(f'gengan.data.prepare: tfds:{name}: ')
  assert 'Traceback' not in done.stderr and not any(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.skipif(not HAS_TENSORFLOW, reason='needs TensorFlow')
def test_prepares_from_files_without_network(tmp_path, real_sets):
  fashion = real_sets / 'fashion_mnist'
  folder = prepare('fashion_mnist', data_dir=str(tmp_path), files=str(fashion))
  assert (folder / 'dataset_info.json').is_file()
  prepared, original = open_source(f'tfds:{folder}'), open_source(f'idx:{fashion}')
  assert {split: len(records) for split, records in prepared.splits.items()} == {'train': 60_000, 'test': 10_000}
  assert sorted(prepared.splits['test'].labels.tolist()) == sorted(original.splits['test'].labels.tolist())
  assert sorted(path.name for path in folder.parent.iterdir()) == [folder.name]
