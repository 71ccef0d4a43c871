"""Preparing TFDS sets: errors here; the work itself where TensorFlow is installed."""

import importlib.util
import pathlib

import pytest

from gengan.data.prepare import prepare
from gengan.data.sources import open_source

FASHION = pathlib.Path(__file__).resolve().parents[3] / 'shared' / 'data' / 'fashion_mnist'
HAS_TENSORFLOW = importlib.util.find_spec('tensorflow') is not None


def test_a_missing_folder_is_named(tmp_path):
  with pytest.raises(FileNotFoundError, match=r'--files=.*none: there is no such folder'):
    prepare('mnist', data_dir=str(tmp_path), files=str(tmp_path / 'none'))


@pytest.mark.skipif(HAS_TENSORFLOW, reason='TensorFlow is installed')
def test_the_extra_is_named(tmp_path):
  with pytest.raises(ModuleNotFoundError, match=r'gengan\[tensorflow\]'):
    prepare('mnist', data_dir=str(tmp_path))


@pytest.mark.slow
@pytest.mark.skipif(not HAS_TENSORFLOW or not FASHION.is_dir(), reason='needs TensorFlow and the real files')
def test_prepares_from_files_without_network(tmp_path):
  folder = prepare('fashion_mnist', data_dir=str(tmp_path), files=str(FASHION))
  assert (folder / 'dataset_info.json').is_file()
  prepared, original = open_source(f'tfds:{folder}'), open_source(f'idx:{FASHION}')
  assert {split: len(records) for split, records in prepared.splits.items()} == {'train': 60_000, 'test': 10_000}
  assert sorted(prepared.splits['test'].labels.tolist()) == sorted(original.splits['test'].labels.tolist())
  assert sorted(path.name for path in folder.parent.iterdir()) == [folder.name]
