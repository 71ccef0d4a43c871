"""Loading: what comes out, what the statistics say, and what is left out."""

import json

import numpy as np
import pytest
from PIL import Image

from gengan.config import defaults
from gengan.data import load, train_iterator
from gengan.data.manifest import read_manifest, write_manifest
from gengan.data.openers import open_source
from gengan.data.statistics import differences


@pytest.fixture(scope='module')
def digits():
  return load(defaults.data())


def test_digits_are_the_default(digits):
  assert digits.image_shape == (16, 16, 1)
  assert digits.num_classes == 10
  sizes = [len(split) for split in (digits.train, digits.validation, digits.test)]
  assert sum(sizes) == 1797
  assert sizes[1] == pytest.approx(179.7, abs=5)
  assert sizes[2] == pytest.approx(179.7, abs=5)
  for split in (digits.train, digits.validation, digits.test):
    assert split.images.shape == (len(split), 16, 16, 1)
    assert split.images.dtype == np.uint8
    assert split.labels.dtype == np.int32
    assert set(split.labels.tolist()) == set(range(10))


def test_loading_twice_is_the_same(digits):
  again = load(defaults.data())
  np.testing.assert_array_equal(digits.test.images, again.test.images)
  assert digits.statistics == again.statistics


def test_statistics_are_those_of_the_train_images(digits):
  scaled = digits.train.images / 127.5 - 1
  statistics = json.loads(json.dumps(digits.statistics))
  assert statistics['mean'][0] == pytest.approx(scaled.mean(), abs=1e-6)
  assert statistics['std'][0] == pytest.approx(scaled.std(), abs=1e-6)
  assert statistics['examples'] == {
    'train': len(digits.train),
    'validation': len(digits.validation),
    'test': len(digits.test),
  }
  assert statistics['preprocessing']['scale'] == 'x / 127.5 - 1'


@pytest.fixture
def folder(tmp_path):
  rng = np.random.default_rng(0)
  for i in range(200):
    path = tmp_path / 'set' / ('ab'[i % 2]) / f'{i:03d}.png'
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(rng.integers(0, 256, (9, 12, 3), dtype=np.uint8)).save(path)
  return tmp_path / 'set'


def test_decoding_on_read_is_the_same_as_in_memory(folder):
  config = defaults.data(source=f'folder:{folder}', image_size=8, channels=3)
  memory, disk = load(config), load(config, memory_limit=0)
  assert isinstance(memory.train.images, np.ndarray)
  assert not isinstance(disk.train.images, np.ndarray)
  assert disk.train.images.shape == memory.train.images.shape
  for key in (np.array([5, 3, 3]), slice(2, 150), np.array([[1, 2], [3, 4]]), -1, np.array([], int)):
    np.testing.assert_array_equal(disk.train.images[key], memory.train.images[key])
  assert disk.statistics['mean'] == pytest.approx(memory.statistics['mean'], abs=1e-6)
  assert disk.statistics['in_memory'] is False


def test_batches_do_not_depend_on_where_images_are_kept(folder):
  config = defaults.data(source=f'folder:{folder}', image_size=8, channels=3, flip=True)
  memory, disk = (
    train_iterator(load(config, memory_limit=limit).train, config, batch_size=32, seed=0) for limit in (1 << 30, 0)
  )
  for _ in range(12):
    one, other = next(memory), next(disk)
    np.testing.assert_array_equal(one['image'], other['image'])
    np.testing.assert_array_equal(one['label'], other['label'])


def test_an_unreadable_image_is_named_with_the_remedy(folder):
  (folder / 'a' / '000.png').write_bytes(b'broken')
  with pytest.raises(
    ValueError, match=r'a/000\.png cannot be read: .*python -m gengan\.data\.clean --source=folder:'
  ) as caught:
    load(defaults.data(source=f'folder:{folder}'))
  assert '\n' not in str(caught.value)


def test_excluded_examples_are_left_out_and_counted(folder, tmp_path):
  (folder / 'a' / '000.png').write_bytes(b'broken')
  spec = f'folder:{folder}'
  source = open_source(spec)
  gone = ['a/000.png', 'b/001.png', 'b/003.png']
  write_manifest(tmp_path / 'exclude.json', source, {'train': dict.fromkeys(gone, 'because')})
  dataset = load(defaults.data(source=spec, exclude=str(tmp_path / 'exclude.json')))
  names = [*dataset.train.names, *dataset.validation.names, *dataset.test.names]
  assert sorted(names) == sorted(set(source.splits['train'].names) - set(gone))
  assert sum(dataset.statistics['excluded'].values()) == 3
  for split in (dataset.train, dataset.validation, dataset.test):
    assert [name.startswith('b') for name in split.names] == split.labels.tolist()


def test_exclusion_moves_nothing_between_splits(folder, tmp_path):
  spec = f'folder:{folder}'
  before = load(defaults.data(source=spec))
  gone = before.train.names[:20]
  write_manifest(tmp_path / 'exclude.json', open_source(spec), {'train': dict.fromkeys(gone, 'because')})
  after = load(defaults.data(source=spec, exclude=str(tmp_path / 'exclude.json')))
  assert after.test.names == before.test.names
  assert after.train.names == before.train.names[20:]


def test_a_manifest_for_other_data_is_refused(folder, tmp_path):
  write_manifest(tmp_path / 'exclude.json', open_source('digits'), {})
  config = defaults.data(source=f'folder:{folder}', exclude=str(tmp_path / 'exclude.json'))
  with pytest.raises(ValueError, match='was made for digits'):
    load(config)


def test_a_manifest_must_be_one(folder, tmp_path):
  source = open_source(f'folder:{folder}')
  path = tmp_path / 'exclude.json'
  for text in ('', '[]', '{"exclude": 3}'):
    path.write_text(text)
    with pytest.raises(ValueError, match='is not a manifest'):
      read_manifest(str(path), source)
  write_manifest(path, source, {'train': {'a/none.png': 'because'}})
  with pytest.raises(ValueError, match=r"names 'a/none\.png', which is not in train"):
    read_manifest(str(path), source)


def test_unlabelled_sets_have_one_class(tmp_path):
  np.savez(tmp_path / 'set.npz', images=np.random.default_rng(0).integers(0, 256, (20, 8, 8), dtype=np.uint8))
  dataset = load(defaults.data(source=f'npz:{tmp_path / "set.npz"}', image_size=8))
  assert dataset.num_classes == 1
  assert not dataset.train.labels.any()
  assert dataset.statistics['labelled'] is False


def test_where_the_same_images_lie_makes_no_difference(folder, tmp_path):
  spec, gone = f'folder:{folder}', ['a/000.png', 'b/001.png', 'b/003.png']
  write_manifest(tmp_path / 'exclude.json', open_source(spec), {'train': dict.fromkeys(gone, 'because')})
  here = load(defaults.data(source=spec, exclude=str(tmp_path / 'exclude.json')))
  moved, manifest = folder.rename(tmp_path / 'moved'), (tmp_path / 'exclude.json').rename(tmp_path / 'list.json')
  config = defaults.data(source=f'folder:{moved}', exclude=str(manifest))
  for limit in (1 << 30, 0):
    there = load(config, memory_limit=limit)
    assert differences(here.statistics, there.statistics) == []
    assert differences(json.loads(json.dumps(there.statistics)), here.statistics) == []


def test_what_tells_two_sets_apart_is_named(folder, tmp_path):
  spec = f'folder:{folder}'
  statistics = lambda **more: load(defaults.data(source=spec, **more)).statistics
  here = statistics()
  assert differences(here, statistics(channels=3, flip=True)) == [
    f'decoded_sha256 is {here["decoded_sha256"][:12]}… there and {statistics(channels=3)["decoded_sha256"][:12]}… here',
    'preprocessing.flip is False there and True here',
    'preprocessing.image_shape is [16, 16, 1] there and [16, 16, 3] here',
  ]
  assert [text.split(' is ')[0] for text in differences(here, statistics(validation_fraction=0.2))] == [
    'chosen_sha256',
    'examples.train',
    'examples.validation',
  ]
  excluded = []
  for name in load(defaults.data(source=spec)).train.names[:2]:
    write_manifest(tmp_path / 'exclude.json', open_source(spec), {'train': {name: 'because'}})
    excluded.append(statistics(exclude=str(tmp_path / 'exclude.json')))
  assert [text.split(' is ')[0] for text in differences(*excluded)] == ['chosen_sha256']
  Image.new('RGB', (12, 9)).save(folder / 'a' / '000.png')
  assert [text.split(' is ')[0] for text in differences(here, statistics())] == ['sha256']
  older = {name: value for name, value in here.items() if name not in ('chosen_sha256', 'sha256', 'subset')}
  assert differences(older, here) == []
