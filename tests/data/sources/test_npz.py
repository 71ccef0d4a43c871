"""Arrays in .npz files: names of keys, ranges of values, labels."""

import io
import struct
import zipfile

import numpy as np
import pytest

from gengan.data.sources import open_source
from gengan.host.errors import ArgumentError


def save(tmp_path, **arrays):
  np.savez_compressed(tmp_path / 'set.npz', **arrays)
  return f'npz:{tmp_path / "set.npz"}'


def pixels_of(source, split='train'):
  records = source.splits[split]
  return np.stack([records.read(i) for i in range(len(records))])


@pytest.fixture
def images():
  return np.random.default_rng(0).integers(0, 256, (6, 4, 5, 3), dtype=np.uint8)


@pytest.mark.parametrize(
  ('train', 'validation', 'test'),
  [
    (('images', 'labels'), None, None),
    (('x_train', 'y_train'), None, ('x_test', 'y_test')),
    (('train_images', 'train_labels'), ('val_images', 'val_labels'), ('test_images', 'test_labels')),
  ],
)
def test_names_of_keys(tmp_path, images, train, validation, test):
  labels = np.array([[0], [1], [2], [0], [1], [2]])  # one column, as MedMNIST has it
  content, expected = {}, {}
  for shift, (split, keys) in enumerate({'train': train, 'validation': validation, 'test': test}.items()):
    if keys:
      expected[split] = images + np.uint8(shift)
      content |= {keys[0]: expected[split], keys[1]: labels}
  source = open_source(save(tmp_path, **content))
  assert set(source.splits) == set(expected)
  for split, truth in expected.items():
    np.testing.assert_array_equal(pixels_of(source, split), truth)
    np.testing.assert_array_equal(source.splits[split].labels, [0, 1, 2, 0, 1, 2])
  assert source.class_names == ('0', '1', '2')


@pytest.mark.parametrize(
  ('values', 'expected'),
  [
    (np.array([0, 128, 255], np.uint8), [0, 128, 255]),
    (np.array([0, 128, 255], np.int64), [0, 128, 255]),
    (np.array([0, 1, 1], np.uint8), [0, 255, 255]),  # black and white
    (np.array([False, True, True]), [0, 255, 255]),
    (np.array([0, 32768, 65535], np.uint16), [0, 128, 255]),  # 32768 * 255 / 65535 = 127.5019
    (np.array([0, 0.5, 1], np.float32), [0, 128, 255]),
    (np.array([-1e-6, 0.5, 1 + 1e-6], np.float32), [0, 128, 255]),  # rounded on the way, by a resize for instance
    (np.array([0, 128, 255.0001], np.float32), [0, 128, 255]),
    (np.array([-1.0001, 0, 1.0001]), [0, 128, 255]),
  ],
)
def test_grey_levels(tmp_path, values, expected):
  source = open_source(save(tmp_path, images=values.reshape(1, 1, 3)))
  np.testing.assert_array_equal(pixels_of(source)[0, 0], expected)


@pytest.mark.parametrize('rounding', [0, 5e-4])
def test_floats_around_zero_whose_white_is_unknown_are_refused(tmp_path, rounding):
  values = np.array([-0.5 - rounding, 0, 0.5 + rounding], np.float32)
  with pytest.raises(ArgumentError, match=r'range is .auto., but images are float32 from -0.5.* to 0.5'):
    open_source(save(tmp_path, images=values.reshape(1, 1, 3)))


def test_values_that_are_no_numbers_are_refused(tmp_path):
  for values, match in (([0.0, np.nan, 1.0], 'NaN or infinity'), (['a', 'b', 'c'], 'must be numbers')):
    with pytest.raises(ValueError, match=match):
      open_source(save(tmp_path, images=np.array(values).reshape(1, 1, 3)))


def test_a_single_array_gets_a_hint(tmp_path, images):
  np.save(tmp_path / 'set.npy', images)
  with pytest.raises(ValueError, match=r'not an \.npz file: an \.npy file is one array; numpy\.savez\('):
    open_source(f'npz:{tmp_path / "set.npy"}')


def test_channels_first_gets_a_hint(tmp_path):
  with pytest.raises(ValueError, match='move the channels last'):
    open_source(save(tmp_path, images=np.zeros((2, 3, 8, 9), np.uint8)))


def test_strings_as_labels(tmp_path, images):
  source = open_source(save(tmp_path, images=images, labels=np.array(['b', 'a', 'b', 'c', 'a', 'a'])))
  assert source.class_names == ('a', 'b', 'c')
  np.testing.assert_array_equal(source.splits['train'].labels, [1, 0, 1, 2, 0, 0])


def test_class_names_bound_the_labels(tmp_path, images):
  names = np.array(['cat', 'dog'])
  source = open_source(save(tmp_path, images=images, labels=np.array([0, 1, 0, 1, 0, 0]), class_names=names))
  assert source.class_names == ('cat', 'dog')
  with pytest.raises(ValueError, match='labels go from 0 to 2; they must go from 0 to 1'):
    open_source(save(tmp_path, images=images, labels=np.array([0, 1, 2, 1, 0, 0]), class_names=names))


@pytest.mark.parametrize(
  ('labels', 'match'),
  [
    (np.zeros(5, int), '6 images, but 5 labels'),
    (np.array([0, 1, -1, 2, -1, 0]), '2 labels are below 0, such as -1'),
    (np.array([0, 1, 2**64 - 1, 2, 0, 2**63], np.uint64), '2 labels are above 9223372036854775807, such as 18446744'),
    (np.zeros(6), 'whole numbers'),
  ],
)
def test_labels_that_do_not_fit(tmp_path, images, labels, match):
  with pytest.raises(ValueError, match=match):
    open_source(save(tmp_path, images=images, labels=labels))


def test_pickles_are_never_loaded(tmp_path, images):
  path = tmp_path / 'objects.npz'
  np.savez(path, images=np.array([{}], object))
  with pytest.raises(ValueError, match='images is a pickled object'):
    open_source(f'npz:{path}')
  np.savez(path, images=images, metadata=np.array({}, object))  # beside the images, as in dSprites: not touched
  assert len(open_source(f'npz:{path}').splits['train']) == 6


def test_missing_damaged_and_foreign_files(tmp_path):
  with pytest.raises(FileNotFoundError, match='no such file'):
    open_source(f'npz:{tmp_path / "none.npz"}')
  spec = save(tmp_path, images=np.zeros((2, 8, 8), np.uint8))
  path = tmp_path / 'set.npz'
  path.write_bytes(path.read_bytes()[:-10])
  with pytest.raises(ValueError, match=r'damaged or not an \.npz'):
    open_source(spec)
  with pytest.raises(ValueError, match='holds pictures; it must have images'):
    open_source(save(tmp_path, pictures=np.zeros((2, 8, 8), np.uint8)))


def test_the_shards_in_a_folder_are_one_set(tmp_path, images):
  folder = tmp_path / 'set'
  folder.mkdir()
  with pytest.raises(FileNotFoundError, match=r'npz:.*set: there is no \.npz file in this folder'):
    open_source(f'npz:{folder}')
  labels, names = np.arange(6) % 3, np.array(['a', 'b', 'c'])
  shards = [folder / f'images-{number:05d}-of-00003.npz' for number in range(3)]
  for shard, rows in zip(shards, [slice(0, 4), slice(4, 4), slice(4, 6)], strict=True):  # the second is empty
    np.savez(shard, images=images[rows], labels=labels[rows], class_names=names)
  (folder / 'README.md').write_text('about')
  source = open_source(f'npz:{folder}')
  np.testing.assert_array_equal(pixels_of(source), images)
  assert source.splits['train'].labels.tolist() == labels.tolist() and source.class_names == ('a', 'b', 'c')

  np.savez(shards[1], images=images, labels=labels)
  with pytest.raises(ValueError, match=r'1-of-00003\.npz and images-00000-of-00003\.npz differ in arrays, shapes or c'):
    open_source(f'npz:{folder}')
  shards[1].write_bytes(b'PK')
  with pytest.raises(ValueError, match=r'set: images-00001-of-00003\.npz is damaged or not an \.npz file'):
    open_source(f'npz:{folder}')
  shards[1].unlink()
  with pytest.raises(ValueError, match=r'all of one set, .*; images-00001-of-00003\.npz is missing'):
    open_source(f'npz:{folder}')


def test_the_files_of_a_folder_that_are_no_shards_are_not_mixed(tmp_path, images):
  for name in ('train', 'test'):
    np.savez(tmp_path / f'{name}.npz', images=images)
  with pytest.raises(
    ValueError, match=r'must hold one \.npz file or all of one set, such as images-00000-of-00002\.npz'
  ):
    open_source(f'npz:{tmp_path}')
  (tmp_path / 'test.npz').unlink()
  np.testing.assert_array_equal(pixels_of(open_source(f'npz:{tmp_path}')), images)


@pytest.mark.parametrize(
  ('keys', 'told'),
  [
    (('arr_0', 'arr_1'), ('train images are read from arr_0, their labels from arr_1',)),
    (('X', 'y'), ('train images are read from X, their labels from y',)),
    (('data', 'target'), ('train images are read from data, their labels from target',)),
    (('x_train', 'y_train'), ()),
    (('images', 'labels', 'y_test'), ('not read: y_test',)),
    (('images', 'classes'), ('train images are read from images; without labels', 'not read: classes')),
  ],
)
def test_what_is_read_under_other_names_is_told(tmp_path, images, keys, told):
  content = dict(zip(keys, (images, np.arange(6) % 3, np.arange(6)), strict=False))
  source = open_source(save(tmp_path, **content))
  np.testing.assert_array_equal(pixels_of(source), images)
  if 'classes' not in keys:
    assert source.notes == told and source.splits['train'].labels.tolist() == [0, 1, 2, 0, 1, 2]
  else:
    assert source.notes == told[1:] and source.class_names == ()


def test_the_file_of_keras(tmp_path, images):
  content = {'x_train': images, 'y_train': np.arange(6), 'x_test': images[:2], 'y_test': np.array([5, 0])}
  source = open_source(save(tmp_path, **content))
  assert source.notes == () and source.splits['test'].labels.tolist() == [5, 0]


@pytest.mark.parametrize(
  ('labels', 'names', 'expected', 'told'),
  [
    ([1, 2, 3, 1, 2, 3], ('1', '2', '3'), [0, 1, 2, 0, 1, 2], 'labels are 1, 2, 3: 3 classes'),
    ([0, 2, 5, 0, 2, 5], ('0', '2', '5'), [0, 1, 2, 0, 1, 2], 'labels are 0, 2, 5: 3 classes'),
    ([7, 10**9, 7, 7, 7, 7], ('7', '1000000000'), [0, 1, 0, 0, 0, 0], 'labels are 7, 1000000000: 2 classes'),
    ([False, True] * 3, ('False', 'True'), [0, 1] * 3, None),
  ],
)
def test_labels_that_occur_are_the_classes(tmp_path, images, labels, names, expected, told, caplog):
  source = open_source(save(tmp_path, images=images, labels=np.array(labels)))
  assert source.class_names == names and source.splits['train'].labels.tolist() == expected
  assert [told] == [told and note[: len(told)] for note in source.notes or ['']] or not told
  assert len(caplog.records) == bool(told)


def test_labels_from_1_where_there_are_names_for_all(tmp_path, images):
  names = np.array(['cat', 'dog', 'cow'])
  source = open_source(save(tmp_path, images=images, labels=np.array([1, 2, 3, 3, 2, 1]), class_names=names))
  assert source.class_names == ('cat', 'dog', 'cow')
  assert source.splits['train'].labels.tolist() == [0, 1, 2, 2, 1, 0]
  assert source.notes == ('labels go from 1: 1 is the first of class_names',)


@pytest.mark.parametrize('kind', ['U', 'S'])
def test_names_as_labels_follow_class_names(tmp_path, images, kind):
  labels, names = np.array(['dog', 'cat', 'dog', 'é', 'cat', 'é']), np.array(['é', 'dog', 'cat', 'cow'])
  if kind == 'S':
    labels, names = np.char.encode(labels, 'utf-8'), np.char.encode(names, 'utf-8')
  source = open_source(save(tmp_path, images=images, labels=labels, class_names=names))
  assert source.class_names == ('é', 'dog', 'cat', 'cow')
  assert source.splits['train'].labels.tolist() == [1, 2, 1, 0, 2, 0]
  with pytest.raises(ValueError, match="the label 'dog' is not one of class_names"):
    open_source(save(tmp_path, images=images, labels=labels, class_names=names[[0, 2, 3]]))


def test_classes_of_one_name_are_told_apart(tmp_path, images):
  names = np.array(['crane', 'ship', 'crane '])
  source = open_source(save(tmp_path, images=images, labels=np.arange(6) % 3, class_names=names))
  assert source.class_names == ('crane', 'ship', 'crane_2')
  assert source.notes == ('classes get names of their own: crane_2',)


@pytest.mark.parametrize('names', [('train', 'test'), ('Training', 'val'), ('seg_train', 'seg_test')])
def test_classes_that_look_like_splits_are_refused(tmp_path, images, names):
  labels = np.resize(names, len(images))
  numbers = {'labels': np.arange(len(images)) % 2, 'class_names': names}
  for keys in ({'labels': labels}, numbers):
    with pytest.raises(ValueError, match=r'the classes .* look like splits; save splits as x_train'):
      open_source(save(tmp_path, images=images, **keys))


def test_one_class_called_train_is_a_class(tmp_path, images):
  source = open_source(save(tmp_path, images=images, labels=np.resize(['bus', 'train'], len(images))))
  assert source.class_names == ('bus', 'train')


def test_pickled_names_and_splits_of_two_kinds_are_refused(tmp_path, images):
  names = np.array(['cat', 'dog'], object)
  with pytest.raises(ValueError, match='class_names is a pickled object, and those are never loaded'):
    open_source(save(tmp_path, images=images, labels=np.arange(6) % 2, class_names=names))
  both = {'y_train': np.arange(6), 'y_test': np.array(['0', '1', '2', '3', '4', '5'])}
  with pytest.raises(ValueError, match='of some splits are numbers, of others strings'):
    open_source(save(tmp_path, x_train=images, x_test=images, **both))


def npy(header, body=bytes(120)):
  """A .npy of that header: NumPy writes no other than right ones."""
  header = header.encode() + b'\n'
  return b'\x93NUMPY\x01\0' + struct.pack('<H', len(header)) + header + body


def packed(path, member, method=zipfile.ZIP_DEFLATED):
  with zipfile.ZipFile(path, 'w', method) as archive:
    archive.writestr('images.npy', member)
  return f'npz:{path}'


@pytest.mark.parametrize(
  ('kind', 'shape', 'match'),
  [
    ("'|u1'", '(6, 4, 5000000000000)', 'by its header, which is'),
    ("'|u1'", '(6, 4, 4)', 'which is 96 bytes, but 120 follow'),
    ("'<f8'", '(6, 4, 5)', 'which is 960 bytes, but 120 follow'),
    ("'|u1'", '(-6, -4, 5)', 'has the shape'),
    ("'|u1'", '6', 'no header'),
    ("'|u1'", "('a',)", 'no header'),
    ("'|u1'", '(((((', 'no header'),
    ("'|u1'", '(6, 4, 5', 'no header'),
    ("'|V1'", '(6, 4, 5)', 'type'),
    ("'|V0'", '(6, 4, 5)', 'type|no header'),
    ("'<U0'", '(6, 4, 5)', 'type'),
    ("'|O'", '(6, 4, 5)', 'pickled object'),
    ("[('a', '|u1')]", '(6, 4, 5)', 'type'),
    ("[('a', '|O')]", '(6, 4, 5)', 'pickled object'),
    ("'<M8[s]'", '(3, 5, 1)', 'type'),
    ("'<c8'", '(3, 5, 1)', 'type'),
    ("'|S1'", '(6, 4, 5)', 'must be numbers'),
    ("'nonsense'", '(6, 4, 5)', 'no header'),
    ("'|u1'", '(True, 24, 5)', 'has the shape'),
  ],
)
def test_headers_that_do_not_fit_take_no_memory(tmp_path, kind, shape, match):
  header = f"{{'descr': {kind}, 'fortran_order': False, 'shape': {shape}}}"
  with pytest.raises(ValueError, match=match) as caught:
    open_source(packed(tmp_path / 'set.npz', npy(header)))
  assert '\n' not in str(caught.value)


@pytest.mark.parametrize('names', [('images.npy', 'images.npy'), ('images.npy', 'images')])
@pytest.mark.filterwarnings('ignore:Duplicate name')
def test_two_arrays_of_one_key_are_refused(tmp_path, names):
  with zipfile.ZipFile(tmp_path / 'set.npz', 'w') as archive:
    for name in names:
      archive.writestr(name, npy("{'descr': '|u1', 'fortran_order': False, 'shape': (6, 4, 5)}"))
  with pytest.raises(ValueError, match='images is there twice'):
    open_source(f'npz:{tmp_path / "set.npz"}')


@pytest.mark.parametrize(('word', 'split'), [('dev', 'validation'), ('eval', 'test'), ('testing', 'test')])
def test_splits_are_known_by_the_names_that_folders_have(tmp_path, images, word, split):
  np.savez(tmp_path / 'set.npz', **{'train_images': images, f'{word}_images': images[:2]})
  source = open_source(f'npz:{tmp_path / "set.npz"}')
  assert {split: len(records) for split, records in source.splits.items()} == {'train': len(images), split: 2}


def test_a_class_without_a_name_is_refused(tmp_path, images):
  np.savez(tmp_path / 'set.npz', images=images, labels=np.array(['', 'a', ' '] * 2))
  with pytest.raises(ValueError, match='a class with an empty name'):
    open_source(f'npz:{tmp_path / "set.npz"}')


def test_a_header_that_fits_is_read(tmp_path):
  header = "{'descr': '|u1', 'fortran_order': True, 'shape': (6, 4, 5)}"
  body = np.arange(120, dtype=np.uint8) + 100
  source = open_source(packed(tmp_path / 'set.npz', npy(header, body.tobytes())))
  np.testing.assert_array_equal(pixels_of(source), body.reshape(6, 4, 5, order='F'))


def test_sizes_that_the_directory_lies_about(tmp_path):
  member = npy("{'descr': '|u1', 'fortran_order': False, 'shape': (6, 4, 1099511627776)}")
  for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
    spec = packed(tmp_path / 'set.npz', member, method)
    data = bytearray((tmp_path / 'set.npz').read_bytes())
    entry = data.rindex(b'PK\x01\x02')
    struct.pack_into('<I', data, entry + 24, 0xFFFFFFF0)  # once unpacked
    if method == zipfile.ZIP_STORED:
      struct.pack_into('<I', data, entry + 20, 0xFFFFFFF0)  # as it lies there
    (tmp_path / 'set.npz').write_bytes(data)
    with pytest.raises(ValueError, match='damaged'):
      open_source(spec)


def test_damage_anywhere_is_a_value_error(tmp_path, images):
  rng, stream = np.random.default_rng(0), io.BytesIO()
  np.savez_compressed(stream, images=images, labels=np.arange(6), class_names=np.array(list('abcdef')))
  header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {images.shape}}}"
  for number in range(400):
    data = bytearray(npy(header, images.tobytes()) if number % 2 else stream.getvalue())
    for position in rng.integers(0, min(len(data), 80) if number % 2 else len(data), rng.integers(1, 4)):
      data[position] = rng.integers(0, 256)
    path = tmp_path / 'set.npz'
    if number % 2:
      packed(path, bytes(data))
    else:
      path.write_bytes(bytes(data))
    try:
      assert len(open_source(f'npz:{path}').splits['train']) <= images.size
    except ValueError as error:
      assert '\n' not in str(error)


@pytest.mark.parametrize(
  ('values', 'example'), [((-5, -5), '-5,0'), ((70000, 70000), '0,70000'), ((-300.00001, -300), '-300,0')]
)
def test_the_range_that_is_suggested_can_be_given(tmp_path, values, example):
  images = np.resize(np.array(values), (2, 8, 8))
  with pytest.raises(ValueError, match=f"the values of black and of white, such as '{example}'"):
    open_source(save(tmp_path, images=images))
  assert open_source(save(tmp_path, images=images), levels=example)
