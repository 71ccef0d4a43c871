"""Sets are written and read again by the programs that they are meant for."""

import collections
import io
import json
import shutil
import sys
import tarfile
import unicodedata

import numpy as np
import pytest
from PIL import Image

from gengan.data.sources import layout, openers
from gengan.generate.formats import FORMATS, folder
from gengan.generate.formats.shards import About, Shard

PROVENANCE = {'synthetic': 'true', 'model': 'my.model', 'step': '5', 'seed': '9', 'run': 'café'}
NAMES = ('ant', 'bee', 'cat')


def about(names=NAMES, shape=(8, 6, 3), num_shards=3, name='my_set'):
  return About(name, shape, names, num_shards, PROVENANCE, 'Nine random images.', 'CC0')


def make(root, kind, facts):
  """Nine images in three shards, the second empty, number 4 missing; returns all images and the root's data."""
  rng = np.random.default_rng(0)
  images = rng.integers(0, 256, (10, *facts.image_shape), dtype=np.uint8)
  for place in ('data', 'tmp'):
    (root / place).mkdir(parents=True)
  names = []
  for number, indices in enumerate([np.arange(4), np.arange(0), np.arange(5, 10)]):
    labels = (indices % max(len(facts.class_names), 1)).astype(np.int32)
    shard = Shard(number, images[indices], labels, indices, np.full(len(indices), 2, np.int32))
    names += FORMATS[kind].write_shard(root, facts, shard)
  names += FORMATS[kind].finish(root, facts, [4, 0, 5])
  written = sorted(path.relative_to(root / 'data').as_posix() for path in (root / 'data').rglob('*') if path.is_file())
  assert sorted(names) == written
  return images, root / 'data'


@pytest.mark.parametrize('kind', FORMATS)
@pytest.mark.parametrize('labelled', [True, False])
def test_sets_are_counted_and_have_the_same_bytes_every_time(kind, labelled, tmp_path):
  facts = about(NAMES if labelled else ())
  _, first = make(tmp_path / 'a', kind, facts)
  _, second = make(tmp_path / 'b', kind, facts)
  expected = {0: 3, 1: 2, 2: 3} if labelled else {0: 9}
  indices = [i for i in range(10) if i != 4]
  expected = collections.Counter(i % 3 if labelled else 0 for i in indices)
  assert FORMATS[kind].read_back(first, facts) == expected
  for path in first.rglob('*'):
    if path.is_file():
      assert path.read_bytes() == (second / path.relative_to(first)).read_bytes(), path


@pytest.mark.parametrize('labelled', [True, False])
def test_tfds_reads_it_without_tensorflow(labelled, tmp_path):
  import tensorflow_datasets as tfds

  facts = about(NAMES if labelled else ())
  images, data = make(tmp_path, 'tfds', facts)
  (tmp_path / 'my_set').symlink_to(data)
  builder = tfds.builder_from_directory(data / '1.0.0')
  for source in (
    builder.as_data_source(split='train'),
    tfds.data_source('my_set', data_dir=tmp_path, split='train'),
  ):
    assert [example['index'] for example in source] == [0, 1, 2, 3, 5, 6, 7, 8, 9]
    for example in source:
      np.testing.assert_array_equal(example['image'], images[example['index']])
      assert example.get('label') == (example['index'] % 3 if labelled else None)
  assert builder.info.splits['train'].num_examples == 9 and builder.info.redistribution_info.license == 'CC0'
  if labelled:
    assert builder.info.features['label'].names == list(NAMES)
  found = openers.open_source(f'tfds:{data / "1.0.0"}')
  assert found.class_names == facts.class_names and len(found.splits['train']) == 9
  assert 'tensorflow' not in sys.modules


def test_a_lost_record_is_noticed(tmp_path):
  facts = about()
  _, data = make(tmp_path, 'tfds', facts)
  first, _, second = sorted((data / '1.0.0').glob('*array_record*'))
  first.write_bytes(second.read_bytes())
  with pytest.raises(ValueError, match='holds 5 records, not 4'):
    FORMATS['tfds'].read_back(data, facts)


def test_png_files_say_what_they_are_and_the_folders_their_class(tmp_path):
  images, data = make(tmp_path, 'folder', about())
  lines = [json.loads(line) for line in (data / 'train' / 'metadata.jsonl').read_text().splitlines()]
  assert [line['index'] for line in lines] == [0, 1, 2, 3, 5, 6, 7, 8, 9]
  for line in lines:
    assert line['synthetic'] is True and line['attempt'] == 2 and line['step'] == 5 and line['run'] == 'café'
    assert line['file_name'] == f'{NAMES[line["label"]]}/{line["index"]:08d}.png'
    picture = Image.open(data / 'train' / line['file_name'])
    np.testing.assert_array_equal(np.asarray(picture), images[line['index']])
    assert picture.text['synthetic'] == 'true' and picture.text['gengan.index'] == str(line['index'])
    assert picture.text['gengan.run'] == 'café' and picture.text['gengan.class_name'] == line['class_name']
  found = openers.open_source(f'folder:{data}')
  assert found.class_names == NAMES and np.bincount(found.splits['train'].labels).tolist() == [4, 2, 3]

  _, data = make(tmp_path / 'plain', 'folder', about(names=(), shape=(8, 8, 1)))
  assert openers.open_source(f'folder:{data}').class_names == ()


def test_folders_keep_the_order_of_the_classes():
  assert folder.class_folders(tuple('0123456789')) == tuple('0123456789')
  assert folder.class_folders(('dog', 'cat')) == ('0_dog', '1_cat')
  assert folder.class_folders(('a/b', '..', 'a b')) == ('0_a_b', '1', '2_a b')
  assert folder.class_folders(('pretest', 'test', 'x-val')) == ('0_pretest', '1_tests', '2_x-vals')
  assert folder.class_folders(('tr', 'te')) == folder.class_folders(('mytrain', 'mytest')) == ('0', '1')
  for names in (('train', 'test'), ('seg_train', 'seg_test'), ('trainset', 'testset'), ('mytrain', 'mytest', 'val')):
    assert not layout.split_names(folder.class_folders(names))
  for names in [tuple(map(str, range(12))), ('ß', 'ss', ''), ()]:
    folders = folder.class_folders(names)
    assert list(folders) == sorted(set(folders)) and len(folders) == len(names) and all(folders)


@pytest.mark.parametrize('names', [('кошка', 'собака'), ('犬', '猫'), ('Äpfel', 'été'), ("it's", 'q [1]')])
def test_names_in_any_script_are_the_folders(names):
  assert folder.class_folders(names) == names


UNFIT = [
  *(('a/b', 'c'), ('a\0b', 'c'), ('..', 'c'), ('.', 'c'), ('CON', 'dog'), ('b', 'nul.txt'), ('lpt1', 'x'), ('a.', 'b')),
  *(('a ', 'b'), (' a', 'b'), ('.hidden', 'b'), ('x' * 300, 'y'), ('猫' * 100, '猫' * 100 + '犬'), ('Cat', 'cat')),
  *((unicodedata.normalize('NFC', 'é'), unicodedata.normalize('NFD', 'é')), ('STRASSE', 'straße'), ('a\nb', 'c')),
  *(('a\\b', 'c'), ('a:b', 'c?*'), ('', 'b'), ('@eaDir', 'b'), ('Testing', 'b'), ('a', 'trainset'), ('Thumbs.db', 'x')),
  *(('a\u2028b', 'c'), ('\udce9', 'c')),
]


@pytest.mark.parametrize('names', UNFIT, ids=ascii)
def test_what_a_file_system_cannot_hold_or_tell_apart_is_made_safe_in_the_order_of_the_labels(names):
  folders = folder.class_folders(names)
  assert list(folders) == sorted(folders) and len({unicodedata.normalize('NFKC', f.casefold()) for f in folders}) == 2
  for label, name in enumerate(folders):
    assert name.startswith(str(label)) and name.isprintable() and len(name.encode()) <= 143
    assert not set(name) & set('/\\:*?"<>|') and name.strip(' .') == name and not layout.split_names([name])


def test_npz_is_one_of_gengans_sources(tmp_path):
  images, data = make(tmp_path, 'npz', about())
  found = openers.open_source(f'npz:{data}/images-00002-of-00003.npz')
  assert found.class_names == NAMES and found.splits['train'].labels.tolist() == [2, 0, 1, 2, 0]
  np.testing.assert_array_equal(found.splits['train'].read(3), images[8])


def test_tar_members_of_an_image_follow_each_other(tmp_path):
  _, data = make(tmp_path, 'webdataset', about())
  with tarfile.open(data / 'train-00000-of-00003.tar') as archive:
    members = archive.getmembers()
    assert [m.name for m in members[:4]] == ['00000000.png', '00000000.cls', '00000000.json', '00000001.png']
    assert {(m.mtime, m.uid, m.uname, m.mode) for m in members} == {(0, 0, '', 0o644)}


@pytest.mark.parametrize('names', [NAMES, ('cross_val', 'dev', 'test')])
def test_hugging_face_datasets_reads_the_folder(names, tmp_path, monkeypatch):
  import datasets

  monkeypatch.setenv('HF_HOME', str(tmp_path / 'cache'))
  images, data = make(tmp_path, 'folder', about(names))
  splits = datasets.load_dataset('imagefolder', data_dir=str(data), cache_dir=str(tmp_path / 'cache'))
  found = splits['train']
  assert list(splits) == ['train'] and sorted(found['index']) == [0, 1, 2, 3, 5, 6, 7, 8, 9]
  for row in found:
    assert row['label'] == row['index'] % 3 and row['class_name'] == names[row['label']]
    np.testing.assert_array_equal(np.asarray(row['image']), images[row['index']])


def test_webdataset_reads_the_tar_files(tmp_path):
  import webdataset

  images, data = make(tmp_path, 'webdataset', about())
  files = str(data / 'train-{00000..00002}-of-00003.tar')
  found = list(webdataset.WebDataset(files, shardshuffle=False).decode('rgb8').to_tuple('png', 'cls', 'json'))
  assert [known['index'] for _, _, known in found] == [0, 1, 2, 3, 5, 6, 7, 8, 9]
  for image, label, known in found:
    assert label == known['label'] == known['index'] % 3
    np.testing.assert_array_equal(image, images[known['index']])


@pytest.mark.parametrize('kind', FORMATS)
def test_the_load_command_runs_in_a_folder_of_any_name(kind, tmp_path, monkeypatch):
  monkeypatch.setenv('HF_HOME', str(tmp_path / 'cache'))
  _, place = make(tmp_path, kind, about())
  monkeypatch.chdir(tmp_path)
  for name in (
    'plain',
    "it's",
    'a"b',
    'set [1]',
    '[!a]*?',
    'back\\slash',
    'new\nline',
    'кошка 猫',
    'a:b#c',
    '{0..3}',
    '~x',
  ):
    place = place.rename(tmp_path / name)
    loaded = {}
    exec(FORMATS[kind].load_command(about(), name), loaded)
    assert sum(1 for _ in loaded['images']) == 9, name


ROUND = [
  *(NAMES, ('кошка', 'ant', '猫/犬'), ('dog', 'Dog', 'test'), ('CON', 'x' * 300, "it's [1], & <b>")),
  *(('trainA', 'testA', 'cat'), ('testA', 'train', 'trainA'), ('seg_test', 'seg_train', 'seg_val')),
]


@pytest.mark.parametrize('names', ROUND, ids=ascii)
@pytest.mark.parametrize('kind', ['folder', 'zip', 'npz', 'tfds'])
def test_gengan_reads_the_same_images_labels_and_names(kind, names, tmp_path):
  images, data = make(tmp_path, 'folder' if kind == 'zip' else kind, about(names))
  place = data / '1.0.0' if kind == 'tfds' else data
  if kind == 'zip':
    place = shutil.make_archive(tmp_path / 'set', 'zip', data)
  found = openers.open_source(f'{kind}:{place}')
  assert found.class_names == names and list(found.splits) == ['train']
  train, seen = found.splits['train'], {image.tobytes(): i % 3 for i, image in enumerate(images)}
  assert len(train) == 9
  for row, label in enumerate(train.labels.tolist()):
    pixels = train.read(row)
    pixels = np.asarray(Image.open(io.BytesIO(pixels))) if isinstance(pixels, bytes) else pixels
    assert seen[pixels.tobytes()] == label


@pytest.mark.parametrize('names', ROUND, ids=ascii)
def test_webdataset_reads_the_same_labels_and_names(names, tmp_path):
  import webdataset

  _, data = make(tmp_path, 'webdataset', about(names))
  files = sorted(map(str, data.glob('*.tar')))
  found = list(webdataset.WebDataset(files, shardshuffle=False).decode('rgb8').to_tuple('cls', 'json'))
  assert [(label, known['class_name']) for label, known in found] == [
    (i % 3, names[i % 3]) for i in range(10) if i != 4
  ]
