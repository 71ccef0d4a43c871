"""A prepared TFDS set, its files written by hand: neither writing nor reading it needs TensorFlow."""

import io
import json
import sys

import numpy as np
import pytest
from array_record.python.array_record_module import ArrayRecordWriter
from PIL import Image

from gengan.config import defaults
from gengan.data import load
from gengan.data.openers import open_source

COUNTS = {'train': 40, 'test': 10}


def field(number, payload):
  """One length-delimited protobuf field."""
  assert len(payload) < 1 << 14
  length = bytes([len(payload)]) if len(payload) < 128 else bytes([len(payload) & 127 | 128, len(payload) >> 7])
  return bytes([number << 3 | 2]) + length + payload


def example(image, label):
  """A serialised tf.train.Example."""
  values = {'image': field(1, field(1, image)), 'label': field(3, field(1, bytes([label])))}
  return field(1, b''.join(field(1, field(1, key.encode()) + field(2, value)) for key, value in values.items()))


def pixels_and_label(split, i):
  rng = np.random.default_rng([len(split), i])
  return rng.integers(0, 256, (6, 6, 1), dtype=np.uint8), i % 10


def write_set(folder, *, file_format='array_record', missing=0, image_class='image_feature.Image'):
  folder.mkdir(parents=True)
  for split, count in COUNTS.items():
    writer = ArrayRecordWriter(str(folder / f'mnist-{split}.{file_format}-00000-of-00001'), 'group_size:1')
    for i in range(count - missing):
      pixels, label = pixels_and_label(split, i)
      buffer = io.BytesIO()
      Image.fromarray(pixels[..., 0]).save(buffer, 'PNG')
      writer.write(example(buffer.getvalue(), label))
    writer.close()
  template = '{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}'
  splits = [
    {'filepathTemplate': template, 'name': split, 'numBytes': '9000', 'shardLengths': [str(count)]}
    for split, count in COUNTS.items()
  ]
  info = {'name': 'mnist', 'version': '3.0.1', 'fileFormat': file_format, 'splits': splits}
  (folder / 'dataset_info.json').write_text(json.dumps(info))
  core = 'tensorflow_datasets.core.features'
  shape = {'dimensions': ['6', '6', '1']}
  features = {
    'image': {'image': {'dtype': 'uint8', 'shape': shape}, 'pythonClassName': f'{core}.{image_class}'},
    'label': {'classLabel': {'numClasses': '10'}, 'pythonClassName': f'{core}.class_label_feature.ClassLabel'},
  }
  whole = {'featuresDict': {'features': features}, 'pythonClassName': f'{core}.features_dict.FeaturesDict'}
  (folder / 'features.json').write_text(json.dumps(whole))


@pytest.mark.parametrize('by_name', [True, False])
def test_reads_a_prepared_set(tmp_path, by_name):
  write_set(tmp_path / 'mnist' / '3.0.1')
  spec = 'tfds:mnist' if by_name else f'tfds:{tmp_path / "mnist" / "3.0.1"}'
  dataset = load(defaults.data(source=spec, image_size=6, data_dir=str(tmp_path)))
  assert len(dataset.test) == COUNTS['test']
  assert len(dataset.train) + len(dataset.validation) == COUNTS['train']
  assert dataset.num_classes == 10
  for split in (dataset.train, dataset.validation, dataset.test):
    for i, name in enumerate(split.names):
      origin, number = name.split('/')
      pixels, label = pixels_and_label(origin, int(number))
      np.testing.assert_array_equal(split.images[i], pixels)
      assert split.labels[i] == label
  assert 'tensorflow' not in sys.modules


def test_large_splits_are_read_by_index(tmp_path, monkeypatch):
  write_set(tmp_path / 'mnist' / '3.0.1')
  kept = open_source('tfds:mnist', data_dir=str(tmp_path))
  monkeypatch.setattr('gengan.data.tfds.KEPT_BYTES', 0)
  indexed = open_source('tfds:mnist', data_dir=str(tmp_path))
  for i in (0, 7, 39):
    assert kept.splits['train'].read(i) == indexed.splits['train'].read(i)
  np.testing.assert_array_equal(kept.splits['train'].labels, indexed.splits['train'].labels)


@pytest.mark.parametrize('missing', [1, -1])
def test_lost_and_added_records_are_noticed(tmp_path, missing):
  write_set(tmp_path / 'mnist' / '3.0.1', missing=missing)
  with pytest.raises(ValueError, match=rf'train: .* must hold 40 examples, but holds {40 - missing}; prepare'):
    open_source('tfds:mnist', data_dir=str(tmp_path))


def test_missing_and_damaged_files_are_named(tmp_path):
  write_set(tmp_path / 'mnist' / '3.0.1')
  path = tmp_path / 'mnist' / '3.0.1' / 'mnist-test.array_record-00000-of-00001'
  path.write_bytes(path.read_bytes()[:100])
  with pytest.raises(ValueError, match=r'mnist-test\.array_record-00000-of-00001 is damaged'):
    open_source('tfds:mnist', data_dir=str(tmp_path))
  path.unlink()
  with pytest.raises(FileNotFoundError, match=r'mnist-test\.array_record-00000-of-00001 is missing'):
    open_source('tfds:mnist', data_dir=str(tmp_path))


def test_an_unprepared_set_gets_the_command(tmp_path):
  with pytest.raises(FileNotFoundError) as caught:
    open_source('tfds:fashion_mnist', data_dir=str(tmp_path))
  message = str(caught.value)
  assert 'is not prepared' in message
  assert "pip install '.[tensorflow]' && " in message
  assert f'python -m gengan.data.prepare --name=fashion_mnist --data_dir={tmp_path}' in message
  assert '\n' not in message


def test_other_file_formats_get_the_command(tmp_path):
  write_set(tmp_path / 'mnist' / '3.0.1', file_format='tfrecord')
  with pytest.raises(ValueError, match=r'was prepared as tfrecord; array_record is needed: .*gengan\.data\.prepare'):
    open_source(f'tfds:{tmp_path / "mnist" / "3.0.1"}')


@pytest.mark.parametrize('name', ['mnisst', 'mnist:9.9.9', 'a b'])
def test_unknown_names_get_one_line(tmp_path, name):
  with pytest.raises(ValueError, match=f'^tfds:{name}: ') as caught:
    open_source(f'tfds:{name}', data_dir=str(tmp_path))
  assert '\n' not in str(caught.value)


def test_a_folder_without_a_set(tmp_path):
  with pytest.raises(FileNotFoundError, match=r'holds no dataset_info\.json'):
    open_source(f'tfds:{tmp_path}')


def test_sets_without_images_are_refused(tmp_path):
  write_set(tmp_path / 'mnist' / '3.0.1', image_class='tensor_feature.Tensor')
  path = tmp_path / 'mnist' / '3.0.1' / 'features.json'
  features = json.loads(path.read_text())
  entry = features['featuresDict']['features'].pop('image')
  entry['tensor'] = entry.pop('image') | {'encoding': 'none'}
  features['featuresDict']['features']['vector'] = entry
  path.write_text(json.dumps(features))
  with pytest.raises(ValueError, match='has no feature "image"; it has '):
    open_source(f'tfds:{path.parent}')
