"""Idx files written by hand."""

import gzip
import os
import struct

import numpy as np
import pytest

from gengan.data.sources import idx, open_source


def idx_bytes(array):
  return struct.pack(f'>BBBB{array.ndim}I', 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def write_set(folder, *, pack=True, test_name='t10k'):
  rng = np.random.default_rng(0)
  content = {}
  for prefix, count in (('train', 7), (test_name, 3)):
    images = rng.integers(0, 256, (count, 5, 6), dtype=np.uint8)
    labels = rng.integers(0, 4, count, dtype=np.uint8)
    content[prefix] = images, labels
    for name, array in ((f'{prefix}-images-idx3-ubyte', images), (f'{prefix}-labels-idx1-ubyte', labels)):
      data = idx_bytes(array)
      path = folder / (f'{name}.gz' if pack else name)
      path.write_bytes(gzip.compress(data) if pack else data)
  return content


def test_labels_of_idx_files_are_numbered_from_0_as_they_occur(tmp_path):
  images = np.zeros((4, 2, 2), np.uint8)
  for prefix, labels in (('train', [26, 1, 3, 1]), ('t10k', [3, 3, 2, 26])):
    (tmp_path / f'{prefix}-images-idx3-ubyte').write_bytes(idx_bytes(images))
    (tmp_path / f'{prefix}-labels-idx1-ubyte').write_bytes(idx_bytes(np.array(labels, np.uint8)))
  source = open_source(f'idx:{tmp_path}')
  assert source.class_names == ('1', '2', '3', '26')
  assert [source.splits[split].labels.tolist() for split in ('train', 'test')] == [[3, 0, 2, 0], [2, 2, 1, 3]]


@pytest.mark.parametrize('pack', [True, False])
@pytest.mark.parametrize('test_name', ['t10k', 'test'])
def test_idx_round_trip(tmp_path, pack, test_name):
  content = write_set(tmp_path, pack=pack, test_name=test_name)
  source = open_source(f'idx:{tmp_path}')
  for split, prefix in (('train', 'train'), ('test', test_name)):
    images, labels = content[prefix]
    records = source.splits[split]
    assert len(records) == len(images)
    np.testing.assert_array_equal(np.stack([records.read(i) for i in range(len(records))]), images)
    np.testing.assert_array_equal(records.labels, labels)


def test_the_hash_does_not_depend_on_packing_or_place(tmp_path):
  for name, pack in (('a', True), ('b', False)):
    (tmp_path / name).mkdir()
    write_set(tmp_path / name, pack=pack)
  assert idx.idx(str(tmp_path / 'a')).sha256 == idx.idx(str(tmp_path / 'b')).sha256


def damage(path, offset):
  data = bytearray(path.read_bytes())
  data[offset] ^= 0xFF
  path.write_bytes(bytes(data))


def test_gzip_checksum_is_checked(tmp_path):
  write_set(tmp_path)
  damage(tmp_path / 'train-images-idx3-ubyte.gz', -6)  # in the CRC-32 at the end
  with pytest.raises(ValueError, match=r'train-images-idx3-ubyte\.gz is damaged: CRC'):
    idx.idx(str(tmp_path))


def test_truncated_gzip_is_refused(tmp_path):
  write_set(tmp_path)
  path = tmp_path / 'train-images-idx3-ubyte.gz'
  path.write_bytes(path.read_bytes()[:-20])
  with pytest.raises(ValueError, match='is damaged'):
    idx.idx(str(tmp_path))


@pytest.mark.parametrize('change', [-1, 1])
def test_size_must_be_that_of_the_header(tmp_path, change):
  write_set(tmp_path, pack=False)
  path = tmp_path / 'train-images-idx3-ubyte'
  data = path.read_bytes()
  path.write_bytes(data[:-1] if change < 0 else data + b'\0')
  with pytest.raises(ValueError, match='its header promises 210 bytes'):
    idx.idx(str(tmp_path))


def test_images_and_labels_must_agree(tmp_path):
  write_set(tmp_path, pack=False)
  (tmp_path / 'train-labels-idx1-ubyte').write_bytes(idx_bytes(np.zeros(6, np.uint8)))
  with pytest.raises(ValueError, match='7 images, but train-labels-idx1-ubyte has 6 labels'):
    idx.idx(str(tmp_path))


def test_missing_files_are_named(tmp_path):
  with pytest.raises(FileNotFoundError, match='train-images-idx3-ubyte'):
    idx.idx(str(tmp_path))
  write_set(tmp_path)
  (tmp_path / 't10k-labels-idx1-ubyte.gz').unlink()
  with pytest.raises(FileNotFoundError, match='not its labels'):
    idx.idx(str(tmp_path))


def test_two_sets_in_one_folder_are_refused(tmp_path):
  write_set(tmp_path)
  (tmp_path / 'emnist-train-images-idx3-ubyte').write_bytes(b'')
  with pytest.raises(ValueError, match='more than one set'):
    idx.idx(str(tmp_path))


def test_files_of_another_kind_are_refused(tmp_path):
  path = tmp_path / 'file'
  path.write_bytes(b'PNG...')
  with pytest.raises(ValueError, match='not an idx file'):
    idx.read_idx(path, dims=3)
  path.write_bytes(struct.pack('>BBBBI', 0, 0, 13, 1, 0))
  with pytest.raises(ValueError, match='type 0x0d in 1 dimensions'):
    idx.read_idx(path, dims=1)


@pytest.mark.parametrize('beside', [True, False])
def test_folders_named_as_the_files_in_them_are(tmp_path, beside):
  """As unpackers leave MNIST, each file in a folder of its own name."""
  content = write_set(tmp_path, pack=False)
  for path in list(tmp_path.iterdir()):
    data, dotted = path.read_bytes(), path.name.replace('-idx', '.idx')
    path.unlink()
    path.mkdir()
    (path / dotted).write_bytes(data)
    if beside:
      (tmp_path / dotted).write_bytes(data)
  source = idx.idx(str(tmp_path))
  for split, prefix in (('train', 'train'), ('test', 't10k')):
    found = [int(source.class_names[label]) for label in source.splits[split].labels]
    assert found == content[prefix][1].tolist()
  within = 'read from train-images-idx3-ubyte/train-images.idx3-ubyte'
  assert source.notes == () if beside else within in source.notes


def test_empty_folders_of_these_names_are_no_files(tmp_path):
  (tmp_path / 'train-images-idx3-ubyte').mkdir()
  with pytest.raises(FileNotFoundError, match='there is no file train-images-idx3-ubyte'):
    idx.idx(str(tmp_path))


@pytest.mark.parametrize('pack', [True, False])
@pytest.mark.parametrize('sizes', [(7, 5, 2**31), (2**32 - 1, 2**32 - 1, 2**32 - 1), (7, 5, 6000), (0, 5, 6)])
def test_sizes_are_checked_before_memory_is_taken(tmp_path, pack, sizes, monkeypatch):
  write_set(tmp_path, pack=False)
  data = struct.pack('>BBBB3I', 0, 0, 8, 3, *sizes) + bytes(210)
  path = tmp_path / 'train-images-idx3-ubyte'
  path.write_bytes(gzip.compress(data) if pack else data)
  taken = []
  empty = np.empty
  monkeypatch.setattr(np, 'empty', lambda *args, **options: taken.append(args) or empty(*args, **options))
  with pytest.raises(ValueError, match=r'train-images-idx3-ubyte (is damaged|says)'):
    idx.idx(str(tmp_path))
  assert taken == []


def test_damage_anywhere_is_a_value_error(tmp_path):
  write_set(tmp_path, pack=False)
  path = tmp_path / 'train-images-idx3-ubyte'
  plain = path.read_bytes()
  rng = np.random.default_rng(0)
  for number in range(300):
    data = bytearray(gzip.compress(plain) if number % 2 else plain)
    for position in rng.integers(0, min(len(data), 60), rng.integers(1, 4)):
      data[position] = rng.integers(0, 256)
    path.write_bytes(bytes(data[: rng.integers(0, len(data))] if number % 3 == 0 else data))
    try:
      assert idx.idx(str(tmp_path)).splits['train'].read(0).size <= 210
    except ValueError as error:
      assert '\n' not in str(error)


def test_dark_and_black_and_white_sets(tmp_path):
  images = np.arange(210).reshape(7, 5, 6) % 2
  (tmp_path / 'train-labels-idx1-ubyte').write_bytes(idx_bytes(np.arange(7, dtype=np.uint8)))
  (tmp_path / 'train-images-idx3-ubyte').write_bytes(idx_bytes(images.astype(np.uint8)))
  source = open_source(f'idx:{tmp_path}')
  assert source.notes == ('images are uint8 from 0 to 1: 0 is taken for black and 1 for white (config.data.range)',)
  np.testing.assert_array_equal(source.splits['train'].read(3), images[3] * 255)


def test_validation_files_are_read_and_what_is_not_read_is_told(tmp_path):
  write_set(tmp_path, pack=False, test_name='validation')
  (tmp_path / 't10k-labels-idx1-ubyte').write_bytes(idx_bytes(np.zeros(3, np.uint8)))
  source = open_source(f'idx:{tmp_path}')
  assert {split: len(records) for split, records in source.splits.items()} == {'train': 7, 'validation': 3}
  assert source.notes[0] == "files that are not read: 't10k-labels-idx1-ubyte'"


def test_a_file_that_is_larger_than_memory_is_one_line(tmp_path, monkeypatch):
  write_set(tmp_path, pack=False)

  def empty(*args, **options):
    raise MemoryError('Unable to allocate')

  monkeypatch.setattr(np, 'empty', empty)
  with pytest.raises(ValueError, match=rf'^idx:{tmp_path} needs more memory than there is: Unable to allocate$'):
    open_source(f'idx:{tmp_path}')


def test_a_pipe_in_place_of_a_file_is_named_and_not_opened(tmp_path):
  write_set(tmp_path, pack=False)
  (tmp_path / 'train-labels-idx1-ubyte').unlink()
  os.mkfifo(tmp_path / 'train-labels-idx1-ubyte')
  with pytest.raises(ValueError, match='train-labels-idx1-ubyte is a pipe; it must be a regular file'):
    idx.idx(str(tmp_path))


def test_of_an_unpacked_file_and_its_packed_one_the_unpacked_is_read_and_that_is_told(tmp_path):
  write_set(tmp_path)
  content = write_set(tmp_path, pack=False)
  (tmp_path / 'train-images-idx3-ubyte').write_bytes(idx_bytes(255 - content['train'][0]))
  (tmp_path / 't10k-images-idx3-ubyte.gz').unlink()
  found = open_source(f'idx:{tmp_path}')
  (note,) = found.notes
  assert note.startswith('unpacked and packed files lie here, of which the unpacked are read: ')
  assert 'train-images-idx3-ubyte' in note and 't10k-labels-idx1-ubyte' in note and 't10k-images' not in note
  np.testing.assert_array_equal(found.splits['train'].read(0).squeeze(), 255 - content['train'][0][0])
