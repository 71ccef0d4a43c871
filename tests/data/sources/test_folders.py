"""Folders as people have them: links, loops, pipes, and folders that may not be read."""

import errno
import os
import socket

import pytest

from gengan.data.sources import open_source
from gengan.host.regular import require_file


@pytest.fixture
def pool(image_set, tmp_path):
  """Three classes of three pictures each, elsewhere."""
  image_set('folder', [f'{label}/{i}.png' for label in ('ant', 'bee', 'cat') for i in range(3)], name='pool')
  return tmp_path / 'pool'


def counts(source):
  return {split: len(records) for split, records in source.splits.items()}


def test_linked_classes_are_read(image_set, pool, tmp_path):
  spec = image_set('folder', ['ant/1.png', 'bee/1.png'])
  (tmp_path / 'set' / 'cat').symlink_to(pool / 'cat')
  source = open_source(spec)
  assert source.class_names == ('ant', 'bee', 'cat') and counts(source) == {'train': 5} and source.notes == ()
  assert source.splits['train'].read(4) == (pool / 'cat' / '2.png').read_bytes()


def test_a_linked_split_is_that_split(image_set, pool, tmp_path):
  spec = image_set('folder', ['train/ant/1.png', 'train/bee/1.png'])
  (tmp_path / 'set' / 'test').symlink_to('../pool', target_is_directory=True)
  source = open_source(spec)
  assert counts(source) == {'train': 2, 'test': 9}
  assert source.splits['test'].names[0] == 'test/ant/0.png'


def test_a_folder_of_links_alone_and_a_link_as_the_folder(pool, tmp_path):
  (tmp_path / 'set').mkdir()
  for name in ('ant', 'bee'):
    (tmp_path / 'set' / name).symlink_to(pool / name)
  (tmp_path / 'alias').symlink_to(tmp_path / 'set')
  for name in ('set', 'alias'):
    source = open_source(f'folder:{tmp_path / name}')
    assert source.class_names == ('ant', 'bee') and counts(source) == {'train': 6}


@pytest.mark.parametrize('target', ['.', '..', '../../set', '../..', '/', '/proc/self/root'])
def test_links_in_a_ring_are_not_followed_and_named(image_set, tmp_path, target):
  spec = image_set('folder', ['ant/1.png', 'bee/2.png'])
  (tmp_path / 'set' / 'ant' / 'loop').symlink_to(target)
  (tmp_path / 'set' / 'bee' / 'self').symlink_to('self')
  source = open_source(spec)
  assert counts(source) == {'train': 2}
  assert "links to a folder that they or the set lie in are not followed: 'ant/loop'" in source.notes
  assert "links that lead nowhere are passed over: 'bee/self -> self'" in source.notes


def test_a_folder_under_two_names_is_read_twice_and_told_once(image_set, tmp_path):
  spec = image_set('folder', ['train/ant/1.png', 'train/bee/1.png'])
  (tmp_path / 'set' / 'test').symlink_to('train')
  source = open_source(spec)
  assert counts(source) == {'train': 2, 'test': 2}
  assert source.notes == ("the same folders are read under two names: 'test and train'",)


def test_links_that_multiply_end_in_a_line(tmp_path, monkeypatch):
  for i in range(20):
    (tmp_path / 'set' / str(i)).mkdir(parents=True)
    for name in 'ab':
      (tmp_path / 'set' / str(i) / name).symlink_to(tmp_path / 'set' / str(i + 1))
  monkeypatch.setattr('gengan.data.sources.folders.MAX_REPEATED', 1000)
  (tmp_path / 'set' / '20').mkdir()
  with pytest.raises(ValueError, match='links lead to the same folders over and over, such as'):
    open_source(f'folder:{tmp_path / "set"}')


def test_a_link_that_has_gone_while_it_was_looked_at_is_named(image_set, tmp_path, monkeypatch):
  spec = image_set('folder', ['ant/1.png', 'bee/1.png'])
  (tmp_path / 'set' / 'cat').symlink_to('/nowhere/cat')

  def gone(path):
    raise FileNotFoundError(errno.ENOENT, 'gone', path)

  monkeypatch.setattr(os, 'readlink', gone)
  assert open_source(spec).notes == ("links that lead nowhere are passed over: 'cat (No such file or directory)'",)


def test_links_that_lead_nowhere_are_named(image_set, tmp_path):
  spec = image_set('folder', ['ant/1.png', 'bee/1.png'])
  (tmp_path / 'set' / 'cat').symlink_to('/nowhere/cat')
  (tmp_path / 'set' / 'ant' / 'notes.txt').symlink_to('notes.txt')
  (tmp_path / 'set' / 'ant' / '3.png').symlink_to('gone.png')
  source = open_source(spec)
  expected = "links that lead nowhere are passed over: 'cat -> /nowhere/cat', 'ant/notes.txt -> notes.txt'"
  assert source.notes == (expected,)
  records = source.splits['train']
  assert records.names[1] == 'ant/3.png'
  with pytest.raises(OSError, match=r'ant/3\.png: there is no such file; it is a link to gone\.png'):
    records.read(1)
  (tmp_path / 'set' / 'Testing').symlink_to('/nowhere/test')
  with pytest.raises(ValueError, match="'Testing -> /nowhere/test' looks like a split, but the link leads nowhere"):
    open_source(spec)


def test_pipes_sockets_and_devices_are_not_opened(image_set, tmp_path, monkeypatch):
  spec = image_set('folder', ['ant/1.png', 'bee/1.png'])
  os.mkfifo(tmp_path / 'set' / 'ant' / 'pipe.png')
  os.mkfifo(tmp_path / 'set' / 'labels.csv')
  (tmp_path / 'set' / 'ant' / 'zero.png').symlink_to('/dev/zero')
  (tmp_path / 'set' / 'bee' / 'link.jpg').symlink_to('../ant/pipe.png')
  monkeypatch.chdir(tmp_path / 'set' / 'bee')  # the path of a socket is short
  with socket.socket(socket.AF_UNIX) as server:
    server.bind('socket.png')
    source = open_source(spec)  # a pipe that was opened would never end
  assert counts(source) == {'train': 2}
  told = ['labels.csv is a pipe', 'ant/pipe.png is a pipe', 'ant/zero.png is a device', 'bee/link.jpg is a pipe']
  expected = ', '.join(f"'{name}'" for name in [*told, 'bee/socket.png is a socket'])
  assert source.notes == (f'what is no regular file is passed over: {expected}',)


def test_a_file_that_became_a_pipe_is_not_opened(image_set, tmp_path):
  records = open_source(image_set('folder', ['1.png', '2.png'])).splits['train']
  (tmp_path / 'set' / '2.png').unlink()
  os.mkfifo(tmp_path / 'set' / '2.png')
  with pytest.raises(ValueError, match=r'2\.png is a pipe; it must be a regular file'):
    records.read(1)


@pytest.mark.parametrize('kind', ['zip', 'npz', 'idx'])
def test_a_pipe_as_the_file_of_a_source_is_named(tmp_path, kind):
  path = tmp_path / ('train-images-idx3-ubyte' if kind == 'idx' else 'set')
  os.mkfifo(path)
  with pytest.raises((ValueError, OSError), match='pipe'):
    open_source(f'{kind}:{tmp_path if kind == "idx" else path}')


def test_what_a_path_is(tmp_path):
  for name, match in (('none', 'x: there is no such file$'), ('link', 'no such file; it is a link to none')):
    if name == 'link':
      (tmp_path / name).symlink_to('none')
    with pytest.raises(FileNotFoundError, match=match):
      require_file(tmp_path / name, 'x')
  with pytest.raises(ValueError, match='is a folder; it must be a regular file'):
    require_file(tmp_path, 'x')
  with pytest.raises(ValueError, match='is a device'):
    require_file('/dev/null', 'x')


@pytest.mark.skipif(os.geteuid() == 0, reason='root may read everything')
def test_a_folder_that_may_not_be_read_is_named(image_set, tmp_path):
  spec = image_set('folder', ['ant/1.png', 'bee/1.png'])
  (tmp_path / 'set' / 'bee').chmod(0)
  with pytest.raises(ValueError, match="'bee' cannot be read: Permission denied"):
    open_source(spec)


def test_a_folder_that_cannot_be_read_is_named(image_set, monkeypatch):
  spec, scandir = image_set('folder', ['ant/1.png', 'bee/1.png']), os.scandir

  def refusing(path):
    if str(path).endswith('bee'):
      raise PermissionError(13, 'Permission denied')
    return scandir(path)

  monkeypatch.setattr(os, 'scandir', refusing)
  with pytest.raises(ValueError, match="'bee' cannot be read: Permission denied"):
    open_source(spec)
