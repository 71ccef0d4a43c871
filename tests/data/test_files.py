"""Folders and zips of images: splits, classes, and what is refused."""

import io
import stat
import zipfile

import numpy as np
import pytest
from PIL import Image

from gengan.data import files
from gengan.data.openers import open_source

SPLIT_TREE = {
  'train/cat/1.png': ('train', 'cat'),
  'train/cat/deep/er/2.jpg': ('train', 'cat'),
  'train/dog/1.png': ('train', 'dog'),
  'val/dog/1.png': ('validation', 'dog'),
  'test/cat/1.png': ('test', 'cat'),
}
CLASS_TREE = {'cat/1.png': ('train', 'cat'), 'dog/2.PNG': ('train', 'dog')}
FLAT_TREE = {'1.png': ('train', None), '2.png': ('train', None)}


def png(value=0):
  buffer = io.BytesIO()
  Image.fromarray(np.full((4, 4), value, np.uint8)).save(buffer, 'PNG')
  return buffer.getvalue()


def write(tmp_path, kind, names, prefix=''):
  """Images numbered in their grey level, with things beside them that are no images."""
  content = {prefix + name: png(i) for i, name in enumerate(names)}
  content |= {f'{prefix}README.md': b'text', f'{prefix}.hidden.png': b'no image', '__MACOSX/x.png': b'no image'}
  if kind == 'folder':
    for name, data in content.items():
      path = tmp_path / 'set' / name
      path.parent.mkdir(parents=True, exist_ok=True)
      path.write_bytes(data)
    return f'folder:{tmp_path / "set"}'
  with zipfile.ZipFile(tmp_path / 'set.zip', 'w', zipfile.ZIP_DEFLATED) as archive:
    for name, data in content.items():
      archive.writestr(name, data)
  return f'zip:{tmp_path / "set.zip"}'


@pytest.mark.parametrize('kind', ['folder', 'zip'])
@pytest.mark.parametrize('prefix', ['', 'top/png/'])
@pytest.mark.parametrize('tree', [SPLIT_TREE, CLASS_TREE, FLAT_TREE])
def test_folders_give_splits_and_labels(tmp_path, kind, prefix, tree):
  source = open_source(write(tmp_path, kind, tree, prefix))
  found = {}
  for split, records in source.splits.items():
    for i, name in enumerate(records.names):
      label = source.class_names[records.labels[i]] if source.class_names else None
      found[name.removeprefix(prefix)] = (split, label)
      assert records.read(i) == png(list(tree).index(name.removeprefix(prefix)))
  assert found == tree


def test_folder_and_zip_of_the_same_content_agree(tmp_path):
  folder = open_source(write(tmp_path, 'folder', SPLIT_TREE))
  archive = open_source(write(tmp_path, 'zip', SPLIT_TREE))
  for split in folder.splits:
    assert folder.splits[split].names == archive.splits[split].names
  assert folder.class_names == archive.class_names == ('cat', 'dog')


@pytest.mark.parametrize('kind', ['folder', 'zip'])
def test_the_hash_follows_the_content(tmp_path, kind):
  (tmp_path / 'a').mkdir()
  (tmp_path / 'b').mkdir()
  (tmp_path / 'c').mkdir()
  first = open_source(write(tmp_path / 'a', kind, ['1.png', '2.png']))
  same = open_source(write(tmp_path / 'b', kind, ['1.png', '2.png']))
  other = open_source(write(tmp_path / 'c', kind, ['2.png', '1.png']))
  assert first.sha256 == same.sha256 != other.sha256


@pytest.mark.parametrize(
  ('names', 'match'),
  [
    ([], 'holds no image'),
    (['cat/1.png', 'dog/1.png', 'loose.png'], r"1 images, such as 'loose\.png', lie beside the class folders"),
    (['train/1.png', 'test/1.png', 'other/1.png'], "'other/1.png' lies in none of them"),
    (['test/1.png', 'val/1.png'], 'there is no train/'),
  ],
)
def test_layouts_that_mean_nothing(tmp_path, names, match):
  with pytest.raises(ValueError, match=match):
    open_source(write(tmp_path, 'folder', names))


def test_a_link_that_leads_nowhere_is_an_unreadable_image(tmp_path):
  spec = write(tmp_path, 'folder', FLAT_TREE)
  (tmp_path / 'set' / '3.png').symlink_to(tmp_path / 'nowhere.png')
  records = open_source(spec).splits['train']
  assert records.names == ['1.png', '2.png', '3.png']
  with pytest.raises(OSError):
    records.read(2)


def test_missing_places(tmp_path):
  for kind in ('folder', 'zip'):
    with pytest.raises(FileNotFoundError, match='there is no such'):
      open_source(f'{kind}:{tmp_path / "none"}')


@pytest.mark.parametrize('name', ['../x.png', '/etc/x.png', 'a/../../x.png', 'a\\..\\x.png', 'C:/x.png'])
def test_names_that_lead_outside_of_the_zip(tmp_path, name):
  path = tmp_path / 'set.zip'
  with zipfile.ZipFile(path, 'w') as archive:
    archive.writestr(zipfile.ZipInfo(name), png())
    archive.writestr('ok.png', png())
  with pytest.raises(ValueError, match='leads outside of the zip'):
    open_source(f'zip:{path}')


def test_links_and_repeated_names_in_a_zip(tmp_path):
  path = tmp_path / 'set.zip'
  link = zipfile.ZipInfo('link.png')
  link.external_attr = (stat.S_IFLNK | 0o777) << 16
  with zipfile.ZipFile(path, 'w') as archive:
    archive.writestr(link, '/etc/passwd')
  with pytest.raises(ValueError, match='is a link'):
    open_source(f'zip:{path}')
  with zipfile.ZipFile(path, 'w') as archive, pytest.warns(UserWarning, match='Duplicate name'):
    archive.writestr('1.png', png())
    archive.writestr('1.png', png(1))
  with pytest.raises(ValueError, match='occurs twice'):
    open_source(f'zip:{path}')


def test_zip_bombs_are_refused_before_they_are_unpacked(tmp_path, monkeypatch):
  path = tmp_path / 'set.zip'
  with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive:
    for i in range(3):
      archive.writestr(f'{i}.png', bytes(10_000))
  monkeypatch.setattr(files, 'MAX_ZIP_BYTES', 29_999)
  with pytest.raises(ValueError, match='unpacks to 30,000 bytes; the limit is 29,999'):
    open_source(f'zip:{path}')
  monkeypatch.setattr(files, 'MAX_FILE_BYTES', 9_999)
  with pytest.raises(ValueError, match=r"'0\.png' unpacks to 10,000 bytes"):
    open_source(f'zip:{path}')


def test_a_zip_that_lies_about_sizes_gives_no_more_than_it_says(tmp_path):
  path = tmp_path / 'set.zip'
  with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive:
    archive.writestr('1.png', bytes(100_000))
  data = path.read_bytes()
  path.write_bytes(data.replace((100_000).to_bytes(4, 'little'), (50).to_bytes(4, 'little')))
  records = open_source(f'zip:{path}').splits['train']
  with pytest.raises(ValueError, match='CRC'):
    records.read(0)


def test_damaged_zips(tmp_path):
  path = tmp_path / 'set.zip'
  write(tmp_path, 'zip', FLAT_TREE)
  data = bytearray(path.read_bytes())
  data[data.find(b'IDAT') if b'IDAT' in data else 45] ^= 0xFF
  path.write_bytes(bytes(data))
  records = open_source(f'zip:{path}').splits['train']
  with pytest.raises(ValueError):
    records.read(0)
  path.write_bytes(bytes(data[:60]))
  with pytest.raises(ValueError, match='damaged or not a zip file'):
    open_source(f'zip:{path}')
