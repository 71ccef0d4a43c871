"""Folders and zips of images, alike: splits, labels, what is passed over, and what is refused."""

import json
import logging
import os

import numpy as np
import pytest
from PIL import Image

from gengan.config import defaults
from gengan.data import load
from gengan.data.clean import clean
from gengan.data.decoding.pictures import FORMATS
from gengan.data.sources import open_source
from gengan.data.sources.listing import SUFFIXES

KINDS = pytest.mark.parametrize('kind', ['folder', 'zip'])
SPLIT_TREE = {
  'train/cat/1.png': ('train', 'cat'),
  'train/cat/deep/er/2.jpg': ('train', 'cat'),
  'train/dog/1.png': ('train', 'dog'),
  'val/dog/1.png': ('validation', 'dog'),
  'test/cat/1.png': ('test', 'cat'),
}
CLASS_TREE = {'cat/1.png': ('train', 'cat'), 'dog/2.PNG': ('train', 'dog')}
FLAT_TREE = {'1.png': ('train', None), '2.png': ('train', None)}
BESIDE = {'README.md': b'text', '.hidden.png': b'no image'}


def read_as(source):
  """{name: (split, label)} of a source."""
  return {
    name: (split, source.class_names[records.labels[i]] if source.class_names else None)
    for split, records in source.splits.items()
    for i, name in enumerate(records.names)
  }


@KINDS
@pytest.mark.parametrize('prefix', ['', 'top/png/'])
@pytest.mark.parametrize('tree', [SPLIT_TREE, CLASS_TREE, FLAT_TREE])
def test_folders_give_splits_and_labels(image_set, picture, kind, prefix, tree):
  names = [prefix + name for name in tree]
  content = {name: picture(i) for i, name in enumerate(names)}
  source = open_source(image_set(kind, content | {prefix + name: data for name, data in BESIDE.items()}))
  assert read_as(source) == dict(zip(names, tree.values(), strict=True))
  for records in source.splits.values():
    assert [records.read(i) for i in range(len(records))] == [content[name] for name in records.names]


def test_folder_and_zip_of_the_same_content_agree(image_set):
  folder, archive = (open_source(image_set(kind, [*SPLIT_TREE])) for kind in ('folder', 'zip'))
  assert read_as(folder) == read_as(archive)
  assert folder.class_names == archive.class_names == ('cat', 'dog')


@KINDS
def test_the_hash_follows_the_content(image_set, kind):
  sets = ['1.png', '2.png'], ['1.png', '2.png'], ['2.png', '1.png']
  first, same, other = (open_source(image_set(kind, names, name=str(i))) for i, names in enumerate(sets))
  assert first.sha256 == same.sha256 != other.sha256


@KINDS
@pytest.mark.parametrize(
  ('names', 'match'),
  [
    (['set/'], "holds no image; .*folders without an image: 'set'"),
    (
      ['notes.txt', '.git/1.png'],
      r"no image;.* hidden.*: 1 \.git; files that are no images.*: 1 \.txt, such as 'notes",
    ),
    (['cat/1.png', 'dog/1.png', 'loose.png'], r"1 images, such as 'loose\.png', lie beside the class folders"),
    (['train/1.png', 'test/1.png', 'other/1.png'], "'other' lies beside what looks like a split: 'test', 'train'; "),
    (['test/1.png', 'val/1.png'], 'no train/ with images'),
  ],
)
def test_layouts_that_mean_nothing(image_set, kind, names, match):
  with pytest.raises(ValueError, match=match):
    open_source(image_set(kind, names))


def test_missing_places(tmp_path):
  for kind in ('folder', 'zip'):
    with pytest.raises(FileNotFoundError, match='there is no such'):
      open_source(f'{kind}:{tmp_path / "none"}')
  (tmp_path / 'set.zip').touch()
  with pytest.raises(FileNotFoundError, match='it is a file; a zip is opened by zip:'):
    open_source(f'folder:{tmp_path / "set.zip"}')


def test_every_suffix_of_the_formats_that_are_decoded_is_read():
  Image.init()
  of_pillow = {suffix for suffix, file_format in Image.EXTENSION.items() if file_format in FORMATS}
  assert of_pillow - {'.pfm'} <= set(SUFFIXES)  # floats, which have no range


@KINDS
@pytest.mark.parametrize('suffix', ['.jfif', '.JPE', '.jif', '.pjpeg', ''])
def test_jpeg_by_its_other_names_and_without_a_suffix(image_set, picture, kind, suffix):
  names = [f'{label}/{i}{suffix}' for label in ('ant', 'bee') for i in range(3)]
  source = open_source(image_set(kind, {name: picture(i, 'JPEG') for i, name in enumerate(names)}))
  assert read_as(source) == {name: ('train', name[:3]) for name in names}
  assert source.notes == ()


@KINDS
def test_what_is_passed_over_is_counted_and_told_once(image_set, picture, kind, caplog, tmp_path):
  names = [*(f'{label}/{i}.png' for label in ('ant', 'bee') for i in range(3))]
  content = {name: picture(255 - i) for i, name in enumerate(names)}
  content |= {f'cat/{i}.avif': b'' for i in range(3)} | {'ant/LICENSE': b'Permission', 'notes.txt': b'', 'dog/': b''}
  source = image_set(kind, content)
  with caplog.at_level(logging.WARNING):
    dataset = load(defaults.data(source=source))
  expected = [
    "files that are no images are passed over: 3 .avif, 1 without a suffix, 1 .txt, such as 'cat/0.avif'",
    "folders without an image: 'cat', 'dog'",
  ]
  assert dataset.statistics['notes'] == expected
  assert [record.getMessage() for record in caplog.records] == [f'{source}: {note}' for note in expected]
  clean(source, str(tmp_path / 'report'))
  assert json.loads((tmp_path / 'report' / 'findings.json').read_text())['remarks'] == expected
  assert '3 .avif' in (tmp_path / 'report' / 'report.html').read_text()


@KINDS
def test_a_class_whose_images_are_of_no_format_that_is_read_leaves_a_set_without_classes_which_is_told(image_set, kind):
  found = open_source(image_set(kind, [*(f'ant/{i}.png' for i in range(3)), *(f'bee/{i}.jp2' for i in range(3))]))
  assert found.class_names == ()
  assert found.notes[-1] == 'the images that are left lie in one folder, so that the set has no classes'


@KINDS
@pytest.mark.parametrize(
  ('names', 'more', 'lost'),
  [
    (['train/a/1.png', 'train/b/1.png'], ['test/'], ['test']),
    (['set/train/a/1.png', 'set/train/b/1.png'], ['set/TEST/a/1.avif', 'set/val/'], ['validation', 'test']),
    (['seg_train/1.png', 'seg_val/1.png'], ['seg_test/'], ['test']),
    (['cat/1.png', 'dog/1.png'], ['test/'], ['test']),
    (['train/1.png', 'test/1.png'], ['eval/'], []),
    (['cat/1.png', 'dog/1.png'], ['cat/test/', 'test_tube/'], []),
  ],
)
def test_a_split_without_an_image_is_told_with_what_takes_its_place(image_set, kind, names, more, lost):
  names = [name.replace('1.png', f'{i}.png') for name in names for i in range(12)]
  source = image_set(kind, names + more)
  notes = [note for note in open_source(source).notes if note.startswith('folders without an image: ')]
  fractions = ' and '.join(f'config.data.{split}_fraction' for split in lost)
  told = f'; images for {" and ".join(lost)} are taken from those for training, by {fractions}'
  assert len(notes) == 1 and notes[0].partition(';')[1:] == (told.partition(';')[1:] if lost else ('', ''))
  statistics = load(defaults.data(source=source)).statistics
  assert not set(lost) & set(statistics['own_splits']) and all(statistics['examples'][split] for split in lost)


HIDDEN = [
  *('.ipynb_checkpoints', '.git', '@eaDir', '$RECYCLE.BIN', '__MACOSX', 'System Volume Information', '#recycle'),
  *('RECYCLER', 'found.000', '~snapshot', '@SynoResource', '@sharebin', '$Extend', '_gsdata_', 'WindowsImageBackup'),
  *('lost+found', '.Trash-1000', '@Recycle', '.thumbnails'),
]


@KINDS
@pytest.mark.parametrize('where', ['', 'set/', 'set/ant/', 'set/ant/deep/'])
def test_hidden_and_system_folders_are_passed_over_at_every_level(image_set, kind, where):
  names = [f'set/{label}/{i}.png' for label in ('ant', 'bee') for i in range(2)]
  extra = [f'{where}{folder}/{file}' for folder in HIDDEN for file in ('1.png', 'deep/2.png')]
  extra += [f'{where}{file}' for file in ('._1.png', 'Thumbs.db', 'desktop.ini', '.DS_Store')]
  source = open_source(image_set(kind, names + extra))
  assert read_as(source) == {name: ('train', name[4:7]) for name in names}
  hidden, *empty = source.notes
  assert hidden.startswith('hidden files and folders are passed over: 1 ')
  assert hidden.endswith(f' and {len(HIDDEN) + 4 - 5} more kinds')
  assert empty == (["folders without an image: 'set/ant/deep'"] if 'deep' in where else [])


@KINDS
def test_labels_of_a_table_beside_the_images(image_set, picture, kind):
  content = {f'{i}.png': picture(i) for i in range(4)}
  table = b'\xef\xbb\xbffile_name,label\r\n0.png,"salt, sea"\r\n1.png,pepper\r\n2.png,"salt, sea"\r\n3.png,pepper\r\n'
  source = open_source(image_set(kind, content | {'labels.csv': table}))
  assert source.class_names == ('pepper', 'salt, sea') and source.notes == ()
  assert source.splits['train'].labels.tolist() == [1, 0, 1, 0]
  other = open_source(image_set(kind, content | {'labels.csv': table.replace(b'1.png,pepper', b'1.png,"salt, sea"')}))
  assert other.sha256 != source.sha256


@KINDS
def test_tables_in_the_folders_of_splits(image_set, picture, kind):
  content = {f'{split}/{i}.png': picture(i) for split in ('train', 'test') for i in range(2)}
  for split in ('train', 'test'):
    content[f'{split}/metadata.jsonl'] = b'{"file_name": "0.png", "label": 10}\n{"file_name": "1.png", "label": 2}\n'
  source = open_source(image_set(kind, content))
  expected = {f'{split}/{i}.png': (split, ('10', '2')[i]) for split in ('train', 'test') for i in range(2)}
  assert read_as(source) == expected and source.class_names == ('2', '10')


@KINDS
@pytest.mark.parametrize('columns', ['file_name,label,split', 'file_name,split'])
def test_a_table_gives_splits_and_nothing_for_testing_is_trained_on(image_set, kind, columns):
  """With labels as the folders have them, or none."""
  tree = {f'{label}/{i}.png': (('train', 'val', 'test')[i % 3], label) for label in ('ant', 'bee') for i in range(6)}
  rows = [[name, label, split] if 'label' in columns else [name, split] for name, (split, label) in tree.items()]
  table = '\n'.join([columns, *map(','.join, rows)])
  sources = []
  for text in (table, f'{table[:-4]}val'):  # of the last row
    content = {name: bytes([i]) for i, name in enumerate(tree)} | {'labels.csv': text.encode()}
    sources.append(open_source(image_set(kind, content, name=str(len(sources)))))
  named = {name: ('validation' if split == 'val' else split, label) for name, (split, label) in tree.items()}
  assert read_as(sources[0]) == named and sources[0].class_names == ('ant', 'bee')
  assert sources[0].sha256 != sources[1].sha256


@KINDS
def test_a_table_goes_before_folders_and_that_is_told(image_set, picture, kind):
  content = {f'{shard}/{i}.png': picture(i) for shard in ('0', '1') for i in range(2)}
  rows = ''.join(f'{name},{"ab"[i % 2]}\n' for i, name in enumerate(content))
  source = open_source(image_set(kind, content | {'labels.csv': f'file_name,label\n{rows}'.encode()}))
  assert read_as(source) == {name: ('train', 'ab'[i % 2]) for i, name in enumerate(content)}
  assert source.notes == ("labels come from 'labels.csv'; the folders of the images give none",)
  spec = image_set(kind, content | {'metadata.csv': b'file_name,caption\n0/0.png,red\n'}, name='captions')
  source = open_source(spec)
  assert source.class_names == ('0', '1')
  assert source.notes == ("'metadata.csv' has the columns 'file_name', 'caption' and no label: it is not used",)


@KINDS
def test_a_table_that_says_what_the_folders_say_leaves_them_their_names(image_set, picture, kind):
  """As gengan.generate writes its folders: numbers in the table, names as folders."""
  content = {f'train/{label}/{i}.png': picture(i) for label in ('wolf', 'ape') for i in range(2)}
  rows = [f'{{"file_name": "{name[6:]}", "label": "{name[6:] < "b"}"}}\n' for name in content]
  plain = open_source(image_set(kind, content, name='plain'))
  source = open_source(image_set(kind, content | {'train/metadata.jsonl': ''.join(rows).encode()}))
  assert read_as(source) == {name: ('train', name.split('/')[1]) for name in content}
  assert source.sha256 == plain.sha256
  told = "'train/metadata.jsonl' and the folders give the same labels, which are called as the folders are"
  assert source.notes == (told,)


@KINDS
@pytest.mark.parametrize('called', [{'ape': 'wolf', 'wolf': 'ape'}, {'ape': 'bee', 'wolf': 'ape'}])
def test_a_table_that_gives_a_class_the_name_of_another_folder_counts(image_set, picture, kind, called):
  content = {f'{folder}/{i}.png': picture(i) for folder in called for i in range(2)}
  rows = ''.join(f'{name},{called[name.split("/")[0]]}\n' for name in content)
  source = open_source(image_set(kind, content | {'labels.csv': f'file_name,label\n{rows}'.encode()}))
  assert read_as(source) == {name: ('train', called[name.split('/')[0]]) for name in content}
  assert source.notes == ("labels come from 'labels.csv'; the folders of the images give none",)


def test_a_file_that_has_grown_is_told(image_set, tmp_path):
  records = open_source(image_set('folder', ['1.png', '2.png'])).splits['train']
  (tmp_path / 'set' / '1.png').write_bytes(b'x' * 10_000)
  with pytest.raises(ValueError, match=r'larger than the \d+ bytes that it had when the set was opened'):
    records.read(0)


def test_a_table_above_the_folder_is_told(image_set, tmp_path):
  spec = image_set('folder', ['1.png', '2.png'])
  (tmp_path / 'labels.csv').write_text('file_name,label\n')
  assert open_source(spec).notes == ("'labels.csv' lies beside the folder and is not read; move it into the folder",)


@pytest.fixture
def latin(tmp_path):
  """Pictures of which some, and a folder, have names in Latin-1."""
  for i in range(40):
    folder = os.fsencode(tmp_path) + (b'/set/th\xe9', b'/set/cola')[i % 2]
    os.makedirs(folder, exist_ok=True)
    noise = np.random.default_rng(i // 4 * 2).integers(0, 256, (8, 8), dtype=np.uint8)  # so that there are copies
    Image.fromarray(noise).save(os.fsdecode(folder + b'/%d\xe9.png' % i))
  return f'folder:{tmp_path / "set"}'


def test_names_that_are_not_utf_8_are_read_cleaned_and_left_out(latin, tmp_path):
  dataset = load(defaults.data(source=latin))
  assert dataset.class_names == ('cola', 'th\\xe9')
  assert {'th\\xe9/0\\xe9.png', 'cola/1\\xe9.png'} <= {
    *dataset.train.names,
    *dataset.validation.names,
    *dataset.test.names,
  }
  json.dumps(dataset.statistics, ensure_ascii=False).encode()
  report = tmp_path / 'report'
  counts = clean(latin, str(report))
  assert counts['duplicate'] == 30
  for name in ('findings.json', 'exclude.json', 'report.html'):
    assert '\\xe9.png' in (report / name).read_text('utf-8')
  left = load(defaults.data(source=latin, exclude=str(report / 'exclude.json')))
  assert sum(left.statistics['excluded'].values()) == counts['excluded'] == 30


def test_files_that_cannot_be_told_apart_are_refused(tmp_path, picture):
  for name in (b'caf\xe9.png', rb'caf\xe9.png'):
    with open(os.fsencode(tmp_path) + b'/' + name, 'wb') as file:
      file.write(picture())
  with pytest.raises(ValueError, match=r"2 files are called 'caf\\xe9\.png'"):
    open_source(f'folder:{tmp_path}')


def test_a_folder_whose_own_name_is_not_utf_8(tmp_path, picture):
  root = os.fsencode(tmp_path) + b'/caf\xe9'
  os.mkdir(root)
  for i in range(40):
    with open(root + b'/%d.png' % i, 'wb') as file:
      file.write(picture(i))
  source = f'folder:{os.fsdecode(root)}'
  assert clean(source, str(tmp_path / 'report'), exclude=())['excluded'] == 0
  assert '/caf\\xe9' in (tmp_path / 'report' / 'report.html').read_text('utf-8')
  assert load(defaults.data(source=source)).statistics['source'] == f'folder:{tmp_path}/caf\\xe9'
