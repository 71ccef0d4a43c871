"""A prepared TFDS set, its files written by hand: neither writing nor reading it needs TensorFlow."""

import io
import json
import os
import pathlib
import shutil
import sys
import tomllib

import numpy as np
import pytest
from array_record.python.array_record_module import ArrayRecordWriter
from PIL import Image
from tensorflow_datasets.core import naming

from gengan.config import defaults
from gengan.data import load
from gengan.data.sources import open_source

COUNTS = {'train': 40, 'test': 10}
ROOT = pathlib.Path(__file__).parents[3]


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
  monkeypatch.setattr('gengan.data.sources.tfds.KEPT_BYTES', 0)
  indexed = open_source('tfds:mnist', data_dir=str(tmp_path))
  for i in (0, 7, 39):
    assert kept.splits['train'].read(i) == indexed.splits['train'].read(i)
  np.testing.assert_array_equal(kept.splits['train'].labels, indexed.splits['train'].labels)


EVIL = 'stranger_features.Image'


def in_image(features, **changes):
  features['featuresDict']['features']['image'].update(changes)


def as_text(features):
  legacy = {'image': {'type': EVIL, 'content': {}}}
  features.update(jsonFeature={'json': json.dumps(legacy)})
  del features['featuresDict']


def nested(features):
  sequence = {'pythonClassName': 'tensorflow_datasets.core.features.sequence_feature.Sequence'}
  sequence['sequence'] = {'feature': {'pythonClassName': EVIL, 'image': {}}}
  features['featuresDict']['features']['more'] = sequence


def legacy(features):
  features.clear()
  features.update(
    type='tensorflow_datasets.core.features.features_dict.FeaturesDict', content={'image': {'type': EVIL}}
  )


def snake(features):
  in_image(features, python_class_name=EVIL)
  del features['featuresDict']['features']['image']['pythonClassName']


@pytest.mark.parametrize('by_name', [True, False])
@pytest.mark.parametrize(
  'change',
  [
    lambda features: in_image(features, pythonClassName=EVIL),
    lambda features: features.update(pythonClassName=EVIL),
    *(snake, nested, as_text, legacy),
  ],
)
def test_classes_of_others_are_refused_before_their_module_is_imported(tmp_path, monkeypatch, change, by_name):
  folder = tmp_path / 'strangers_set' / '3.0.1'
  write_set(folder)
  (tmp_path / 'stranger_features.py').write_text('raise SystemExit')
  monkeypatch.syspath_prepend(tmp_path)
  features = json.loads((folder / 'features.json').read_text())
  change(features)
  (folder / 'features.json').write_text(json.dumps(features))
  spec = 'tfds:strangers_set' if by_name else f'tfds:{folder}'
  with pytest.raises(ValueError, match=r"features\.json names the class 'stranger_features\.Image'; only") as caught:
    open_source(spec, data_dir=str(tmp_path))
  assert '\n' not in str(caught.value) and 'stranger_features' not in sys.modules


def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(tmp_path):
  folder = tmp_path / 'strangers_set' / '3.0.1'
  write_set(folder)
  (folder / 'features.json').unlink()
  os.mkfifo(folder / 'features.json')
  with pytest.raises(ValueError, match=r'features\.json is a pipe'):
    open_source(f'tfds:{folder}')


@pytest.mark.parametrize('name', ['strangers_set', 'StrangersSet', 'strangersSet', 'StrangersSet:3.0.1'])
def test_classes_of_others_are_refused_however_a_name_is_written(tmp_path, monkeypatch, name):
  folder = tmp_path / 'strangers_set' / '3.0.1'
  write_set(folder)
  (tmp_path / 'stranger_features.py').write_text('raise SystemExit')
  monkeypatch.syspath_prepend(tmp_path)
  assert len(open_source(f'tfds:{name}', data_dir=str(tmp_path)).splits['train']) == 40
  features = json.loads((folder / 'features.json').read_text())
  in_image(features, pythonClassName=EVIL)
  (folder / 'features.json').write_text(json.dumps(features))
  with pytest.raises(ValueError, match=r"features\.json names the class 'stranger_features\.Image'; only"):
    open_source(f'tfds:{name}', data_dir=str(tmp_path))


def test_splits_are_known_by_the_names_of_folders_and_what_is_not_read_is_told(tmp_path):
  folder = tmp_path / '3.0.1'
  write_set(folder)
  info = json.loads((folder / 'dataset_info.json').read_text())
  info['splits'] += [info['splits'][1] | {'name': name} for name in ('val', 'unlabelled')]
  (folder / 'dataset_info.json').write_text(json.dumps(info))
  for name in ('val', 'unlabelled'):
    shutil.copy(*(folder / f'mnist-{each}.array_record-00000-of-00001' for each in ('test', name)))
  features = json.loads((folder / 'features.json').read_text())
  number = {'pythonClassName': 'tensorflow_datasets.core.features.scalar.Scalar', 'tensor': {'shape': {}}}
  number['tensor'] |= {'dtype': 'int64', 'encoding': 'none'}
  features['featuresDict']['features']['label'] = number
  (folder / 'features.json').write_text(json.dumps(features))
  source = open_source(f'tfds:{folder}')
  assert {split: len(records) for split, records in source.splits.items()} == COUNTS | {'validation': 10}
  assert source.notes == ("splits that are not read: 'unlabelled'", "features that are not read: 'label'")


def test_the_module_that_wrote_a_set_is_not_imported(tmp_path, monkeypatch):
  folder = tmp_path / '3.0.1'
  write_set(folder)
  (tmp_path / 'stranger_features.py').write_text('raise SystemExit')
  monkeypatch.syspath_prepend(tmp_path)
  info = json.loads((folder / 'dataset_info.json').read_text())
  (folder / 'dataset_info.json').write_text(json.dumps(info | {'moduleName': 'stranger_features'}))
  open_source(f'tfds:{folder}')
  assert 'stranger_features' not in sys.modules
  (folder / 'dataset_info.json').write_text(json.dumps(info | {'pythonClassName': EVIL}))
  with pytest.raises(ValueError, match=r'dataset_info\.json names the class'):
    open_source(f'tfds:{folder}')


@pytest.mark.parametrize('name', ['huggingface:mnist', 'kaggle:mnist', 'https://example.org/mnist'])
def test_sets_of_other_programs_are_no_names_of_tfds(name):
  with pytest.raises(ValueError, match='there is no such folder, and TFDS has names such as mnist'):
    open_source(f'tfds:{name}')


def test_a_folder_of_versions(tmp_path):
  folder = tmp_path / 'mnist_folder'
  write_set(folder / '1.0.0')
  source = open_source(f'tfds:{folder}')
  assert len(source.splits['train']) == 40 and source.notes == ('read from 1.0.0, the only version there',)
  write_set(folder / '1.0.1')
  with pytest.raises(ValueError, match=r'holds several versions; give one of .*1\.0\.0, .*1\.0\.1$'):
    open_source(f'tfds:{folder}')


@pytest.mark.parametrize('file', ['features.json', 'dataset_info.json'])
@pytest.mark.parametrize('text', ['', '{', '[]', '"a"', '{"name": 3}', '[' * 9999])
def test_damaged_descriptions_are_one_line(tmp_path, file, text):
  write_set(tmp_path / '3.0.1')
  (tmp_path / '3.0.1' / file).write_text(text)
  with pytest.raises(ValueError, match=r'3\.0\.1') as caught:
    open_source(f'tfds:{tmp_path / "3.0.1"}')
  assert '\n' not in str(caught.value)


def test_damaged_records_are_one_line(tmp_path):
  write_set(tmp_path / '3.0.1')
  path = tmp_path / '3.0.1' / 'mnist-train.array_record-00000-of-00001'
  content = bytearray(path.read_bytes())
  for position in range(200, len(content) // 2, 7):
    content[position] ^= 0xFF
  path.write_bytes(content)
  with pytest.raises(ValueError, match=r'train.* damaged \(') as caught:
    open_source(f'tfds:{path.parent}')
  assert '\n' not in str(caught.value)


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


def test_files_that_are_not_there_are_named_before_anything_opens_them_all(tmp_path, monkeypatch):
  write_set(tmp_path / '3.0.1')
  path = tmp_path / '3.0.1' / 'dataset_info.json'
  info = json.loads(path.read_text())
  info['splits'][0]['shardLengths'] = ['1'] * 200_000
  path.write_text(json.dumps(info))
  made, template = [], naming.ShardedFileTemplate
  sharded = template.sharded_filepath
  monkeypatch.setattr(
    template, 'sharded_filepath', lambda *args, **options: made.append(0) or sharded(*args, **options)
  )
  with pytest.raises(FileNotFoundError, match=r'train: .*mnist-train\.array_record-0+-of-200000 is missing; prepare'):
    open_source(f'tfds:{path.parent}')
  assert len(made) == 1


def test_an_unprepared_set_gets_the_command(tmp_path):
  with pytest.raises(FileNotFoundError) as caught:
    open_source('tfds:fashion_mnist', data_dir=str(tmp_path))
  message = str(caught.value)
  assert 'is not prepared' in message
  extras = tomllib.loads((ROOT / 'pyproject.toml').read_text())['project']['optional-dependencies']
  assert f"pip install '{extras['tensorflow'][0]}' && " in message
  assert f'python -m gengan.data.prepare --name=fashion_mnist --data_dir={tmp_path}' in message
  assert message.endswith('without TensorFlow: config.data.source=idx:DIR')
  assert '\n' not in message


def test_other_file_formats_get_the_command(tmp_path):
  write_set(tmp_path / 'mnist' / '3.0.1', file_format='tfrecord')
  with pytest.raises(ValueError, match=r'was prepared as tfrecord; array_record is needed: .*gengan\.data\.prepare'):
    open_source(f'tfds:{tmp_path / "mnist" / "3.0.1"}')


@pytest.mark.parametrize('name', ['mnisst', 'mnist:9.9.9', 'a b', 'mnist:', ':'])
def test_unknown_names_get_one_line(tmp_path, name):
  with pytest.raises(ValueError, match=f'^tfds:{name}: ') as caught:
    open_source(f'tfds:{name}', data_dir=str(tmp_path))
  assert '\n' not in str(caught.value)


def test_unknown_names_get_what_is_near(tmp_path, monkeypatch):
  with pytest.raises(ValueError, match=r'has no set of this name; did you mean tfds:fashion_mnist\?$'):
    open_source('tfds:fashionmnist', data_dir=str(tmp_path))
  monkeypatch.chdir(tmp_path)
  (tmp_path / 'sets' / 'mine').mkdir(parents=True)
  with pytest.raises(ValueError, match=r'no set of this name, and the folder of this name holds no prepared version$'):
    open_source('tfds:sets/mine')


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
