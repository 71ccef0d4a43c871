"""Loading: what comes out, what the statistics say, and what is left out."""

import json

import numpy as np
import pytest
from PIL import Image

from gengan.config import defaults
from gengan.data import load, train_iterator
from gengan.data.manifest import read_manifest, write_manifest
from gengan.data.sources import open_source
from gengan.data.statistics import differences
from gengan.host.errors import ArgumentError


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


def sixteen_bits(folder, top, *, count=40):
  """PNG files of 16 bits whose values go to `top`, and their values."""
  rng = np.random.default_rng(top)
  folder.mkdir(exist_ok=True)
  values = rng.integers(0, top + 1, (count, 8, 8)).astype(np.uint16)
  values[0, 0, :2] = top, 0
  for i, image in enumerate(values):
    Image.fromarray(image).save(folder / f'{i:03d}.png')
  return values


@pytest.mark.parametrize(
  ('top', 'white'), [(1, 1), (255, 255), (300, 1023), (4000, 4095), (9000, 16383), (65535, 65535)]
)
@pytest.mark.parametrize('limit', [1 << 30, 0])
def test_one_range_for_all_16_bit_files_of_a_set_is_told_and_kept(tmp_path, caplog, top, white, limit):
  values = sixteen_bits(tmp_path / 'set', top)
  dataset = load(defaults.data(source=f'folder:{tmp_path / "set"}', image_size=8), memory_limit=limit)
  for split in (dataset.train, dataset.validation, dataset.test):
    numbers = [int(name[:3]) for name in split.names]
    np.testing.assert_array_equal(split.images[:][..., 0], np.round(values[numbers] / white * 255))
  assert dataset.statistics['preprocessing']['range'] == [0, white]
  told = f'images are uint16 from 0 to {top}: 0 is taken for black and {white} for white (config.data.range)'
  assert dataset.statistics['notes'] == [told] and told in caplog.text


@pytest.mark.parametrize('kind', ['uint16', 'int16', 'uint32', 'int64', 'float32'])
@pytest.mark.parametrize('top', [255, 4095])
def test_arrays_of_every_type_are_read_alike(tmp_path, kind, top):
  images = np.random.default_rng(0).integers(0, top + 1, (30, 8, 8))
  images[0, 0, 0] = top
  np.savez(tmp_path / 'set.npz', images=images.astype(kind))
  source = open_source(f'npz:{tmp_path / "set.npz"}')
  found = np.stack([source.splits['train'].read(i) for i in range(30)])
  np.testing.assert_array_equal(found, np.round(images / top * 255))
  assert len(source.notes) == 1 and f'{kind} from 0 to {top}' in source.notes[0]


def test_a_range_that_is_asked_for_is_used_and_what_lies_beyond_it_is_told(tmp_path):
  images = np.linspace(-1024, 3071, 30 * 64).reshape(30, 8, 8).astype(np.int16)
  np.savez(tmp_path / 'ct.npz', images=images)
  config = defaults.data(source=f'npz:{tmp_path / "ct.npz"}', image_size=8)
  with pytest.raises(ArgumentError) as caught:
    load(config)
  assert str(caught.value) == (
    "range is 'auto', but images are int16 from -1024 to 3071; "
    "it must be the values of black and of white, such as '-1024,3071'"
  )
  config.range = '-1000,400'
  dataset = load(config)
  numbers = [int(name.split('/')[1]) for name in dataset.train.names]
  expected = np.round((np.clip(images[numbers].astype(float), -1000, 400) + 1000) / 1400 * 255)
  np.testing.assert_array_equal(dataset.train.images[..., 0], expected)
  assert dataset.statistics['notes'] == [
    'images are int16 from -1024 to 3071: what lies beyond -1000,400 is black or white'
  ]
  other = load(defaults.data(source=config.source, image_size=8, range='-1024,3071')).statistics
  assert 'preprocessing.range is [-1000, 400] there and [-1024, 3071] here' in differences(dataset.statistics, other)


def test_a_value_beyond_what_was_assumed_from_some_pictures_is_no_other_grey(tmp_path, monkeypatch):
  sixteen_bits(tmp_path / 'set', 4095, count=20)
  monkeypatch.setattr('gengan.data.sources.openers.LOOKED_AT', 5)
  config = defaults.data(source=f'folder:{tmp_path / "set"}', image_size=8)
  bright = tmp_path / 'set' / '001.png'  # not among 0, 4, 9, 14 and 19
  Image.fromarray(np.full((8, 8), 50_000, np.uint16)).save(bright)
  with pytest.raises(
    ValueError, match=r'001\.png cannot be read: it is uint16 .* beyond 0,4095, .* set config\.data\.range'
  ):
    load(config)
  config.range = '0,65535'
  assert load(config).statistics['preprocessing']['range'] == [0, 65535]


def test_8_bit_pictures_beside_16_bit_ones_are_as_they_are(tmp_path):
  sixteen_bits(tmp_path / 'set', 4095, count=20)
  Image.fromarray(np.full((8, 8), 200, np.uint8)).save(tmp_path / 'set' / '900.png')
  dataset = load(defaults.data(source=f'folder:{tmp_path / "set"}', image_size=8, test_fraction=0.0))
  split = next(split for split in (dataset.train, dataset.validation) if '900.png' in split.names)
  assert (split.images[split.names.index('900.png')] == 200).all()
  assert dataset.statistics['notes'][0].startswith('20 of 21 images looked at are uint16 from 0 to 4095: ')


def test_almost_black_images_are_told(tmp_path):
  np.savez(tmp_path / 'set.npz', images=np.random.default_rng(0).integers(0, 17, (30, 8, 8), dtype=np.uint8))
  config = defaults.data(source=f'npz:{tmp_path / "set.npz"}', image_size=8)
  assert (
    load(config).statistics['notes'][-1]
    == 'the lightest value in train is 16 of 255; config.data.range says what is white'
  )
  config.range = '0,16'
  assert load(config).statistics['notes'] == [] and load(config).train.images.max() == 255


@pytest.mark.parametrize(
  ('dtype', 'values', 'odd', 'line'),
  [  # 12 bits with a damaged pixel: 4095 * 255 / 65535 = 15.9; 8 bits and one value too many: 256 * 255 / 1023 = 63.8
    (np.uint16, 4096, 65535, 'all but a thousandth of the values in train are at most 16 of 255'),
    (np.uint16, 256, 256, 'the lightest value in train is 64 of 255'),
  ],
)
def test_images_that_one_value_makes_dark_are_told(tmp_path, dtype, values, odd, line):
  images = np.random.default_rng(0).integers(0, values, (100, 8, 8), dtype=dtype)
  images[:, 0, 0] = values - 1
  images[:3, 4, 4] = odd
  np.savez(tmp_path / 'set.npz', train_images=images, test_images=images)
  notes = load(defaults.data(source=f'npz:{tmp_path / "set.npz"}', image_size=8)).statistics['notes']
  assert f'{line}; config.data.range says what is white' in notes


@pytest.mark.parametrize('memory_limit', [1 << 30, 0])
def test_a_test_split_that_is_almost_black_is_told(tmp_path, memory_limit):
  images = np.random.default_rng(0).integers(0, 256, (30, 8, 8), dtype=np.uint8)
  np.savez(tmp_path / 'set.npz', train_images=images, test_images=images // 255)
  dataset = load(defaults.data(source=f'npz:{tmp_path / "set.npz"}', image_size=8), memory_limit=memory_limit)
  assert dataset.statistics['notes'] == ['the lightest value in test is 1 of 255; config.data.range says what is white']


def test_classes_without_an_image_in_a_split_are_told(tmp_path, caplog):
  labels = np.repeat([0, 1, 2], [100, 1, 2])
  images = np.random.default_rng(0).integers(0, 256, (103, 8, 8), dtype=np.uint8)
  names = np.array(['cat', 'dog', 'cow', 'emu'])
  np.savez(tmp_path / 'set.npz', images=images, labels=labels, class_names=names)
  dataset = load(defaults.data(source=f'npz:{tmp_path / "set.npz"}', image_size=8))
  assert dataset.num_classes == 4 and dataset.statistics['notes'] == [
    'train has no image of class emu',
    'validation has no image of 3 classes dog, cow, emu',
    'test has no image of 2 classes dog, emu',
  ]
  assert 'test has no image of 2 classes dog, emu' in caplog.text


@pytest.mark.parametrize(
  ('labels', 'fields', 'told'),
  [
    ([0], {}, 'validation and test have no image at all: nothing can be evaluated on them'),
    ([0, 1, 2], {}, 'validation and test have no image at all: nothing can be evaluated on them'),
    ([0, 0], {}, 'validation has no image at all: nothing can be evaluated on it'),
    ([0, 0], {'test_fraction': 0.0}, 'test has no image at all: nothing can be evaluated on it'),
    ([0, 0, 0], {}, None),
  ],
)
def test_a_split_without_any_image_is_told_in_one_line(tmp_path, caplog, labels, fields, told):
  images = np.full((len(labels), 8, 8), 200, np.uint8)
  np.savez(tmp_path / 'set.npz', images=images, labels=np.array(labels))
  dataset = load(defaults.data(source=f'npz:{tmp_path / "set.npz"}', image_size=8, **fields))
  assert dataset.statistics['notes'] == ([told] if told else [])
  assert [record.getMessage().partition('set.npz: ')[2] for record in caplog.records] == ([told] if told else [])
