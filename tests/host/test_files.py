"""A file is replaced whole or stays as it was."""

import errno
import os
import pathlib
import re
import types

import pytest

from gengan.host import files


def test_a_file_appears_when_it_is_written(tmp_path):
  path = tmp_path / 'new' / 'a.txt'
  with files.replacing(path) as beside:
    beside.write_text('one')
    assert not path.exists()
  with files.replacing(path) as beside:
    beside.write_text('two')
    assert path.read_text() == 'one'
  assert path.read_text() == 'two' and list(path.parent.iterdir()) == [path]


def test_after_an_error_nothing_has_changed(tmp_path):
  path = tmp_path / 'a.txt'
  path.write_text('old')
  with pytest.raises(KeyError), files.replacing(path) as beside:
    beside.write_text('half')
    raise KeyError
  assert path.read_text() == 'old' and list(tmp_path.iterdir()) == [path]


def test_what_a_killed_writer_left_goes_by_the_names_of_its_files(tmp_path):
  kept = ['a.json', '.b.json.1.part', '.a.json', 'a.json.1.part']
  for name in [*kept, '.a.json.1.part', '.a.json.22.part', '.c_1.png.3.part']:
    (tmp_path / name).touch()
  files.remove_unfinished(tmp_path, 'a.json', 'c_*.png')
  files.remove_unfinished(tmp_path / 'not there', '*')
  assert sorted(os.listdir(tmp_path)) == sorted(kept)


def test_the_unfinished_file_may_lie_elsewhere_and_the_disk_is_waited_for(tmp_path, monkeypatch):
  synced = []
  monkeypatch.setattr(files, 'sync', lambda path: synced.append(path.name))
  for durable in (True, False):
    with files.replacing(tmp_path / 'data' / 'a', beside=tmp_path / 'tmp', durable=durable) as beside:
      assert beside == tmp_path / 'tmp'
      beside.write_bytes(b'1')
  assert synced == ['tmp', 'data'] and os.listdir(tmp_path / 'data') == ['a']


def test_json_is_the_same_text_for_the_same_content(tmp_path):
  path = tmp_path / 'a.json'
  files.write_json(path, {'b': [1, 2], 'a': 'ü'})
  assert path.read_text(encoding='utf-8') == '{\n  "a": "ü",\n  "b": [\n    1,\n    2\n  ]\n}\n'
  assert files.read_json(path) == {'a': 'ü', 'b': [1, 2]}
  with pytest.raises(TypeError):
    files.write_json(path, {'a': object()})
  assert files.read_json(path) == {'a': 'ü', 'b': [1, 2]}


def test_json_keeps_file_names_that_are_not_utf_8(tmp_path):
  content = {'path': os.fsdecode(b'caf\xe9/\xc3\xa9'), 'plain': 'é'}
  files.write_json(tmp_path / 'a.json', content)
  assert (tmp_path / 'a.json').read_text('utf-8').count('é') == 2
  assert files.read_json(tmp_path / 'a.json') == content


@pytest.mark.parametrize('text', ['{"a": ', '[1]'])
def test_damaged_json_is_named(tmp_path, text):
  (tmp_path / 'a.json').write_text(text)
  with pytest.raises(ValueError, match=r'a\.json is damaged: '):
    files.read_json(tmp_path / 'a.json')


def test_a_folder_is_tried_and_left_as_it_was(tmp_path):
  files.require_writable(tmp_path / 'a' / 'b', flag='--workdir')
  assert not list(tmp_path.iterdir())
  files.require_writable(tmp_path, flag='--workdir')
  assert tmp_path.is_dir() and not list(tmp_path.iterdir())
  file = tmp_path / 'file'
  file.write_text('kept')
  for folder, why in ((file, 'that is a file'), (file / 'run', '.'), (pathlib.Path('/proc/x'), '.')):
    with pytest.raises(ValueError, match=rf'--workdir is {folder}, where no files can be written: {why}'):
      files.require_writable(folder, flag='--workdir')
  assert file.read_text() == 'kept'


@pytest.mark.parametrize(
  ('text', 'expected'),
  [
    ('~', '/home/me'),
    ('~/a b', '/home/me/a b'),
    ('folder:~/x', 'folder:/home/me/x'),
    ('inception_clean:~/w.pth', 'inception_clean:/home/me/w.pth'),
    ('~/runs/a:generator', '/home/me/runs/a:generator'),
    ('a/~/b', 'a/~/b'),
    ('a~', 'a~'),
    ('digits', 'digits'),
    ('', ''),
    ('~nobody-of-that-name/x', '~nobody-of-that-name/x'),
  ],
)
def test_a_home_folder_is_meant_at_the_beginning_alone(text, expected, monkeypatch):
  monkeypatch.setenv('HOME', '/home/me')
  assert files.expanded(text) == expected and files.path(text) == pathlib.Path(expected)


@pytest.mark.parametrize('code', [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_and_a_used_up_quota_say_what_is_left_and_what_is_whole(tmp_path, code):
  text = files.trouble(OSError(code, os.strerror(code), str(tmp_path / 'a.txt')))
  assert re.search(rf'{re.escape(os.strerror(code))}.* \([\d,]+ kB are free\); what stands there .* is whole$', text)
  assert '\n' not in text


def test_what_is_left_is_told_of_the_very_disk_also_where_a_folder_is_named(tmp_path, monkeypatch):
  left = {tmp_path / 'disk': 3000, tmp_path: 9000}  # the folder is where another disk hangs
  (tmp_path / 'disk').mkdir()
  monkeypatch.setattr(files.shutil, 'disk_usage', lambda path: types.SimpleNamespace(free=left[path]))
  full = lambda path: files.trouble(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)))
  assert '(3 kB are free)' in full(tmp_path / 'disk') and '(3 kB are free)' in full(tmp_path / 'disk' / 'not' / 'there')
  assert '(9 kB are free)' in full(tmp_path / 'a.txt')


def test_a_file_that_cannot_be_begun_is_told_by_its_own_name(tmp_path):
  with pytest.raises(OSError) as told, files.replacing(tmp_path / 'a.txt') as beside:
    raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(beside))
  assert told.value.filename == str(tmp_path / 'a.txt')
  with pytest.raises(FileNotFoundError) as told, files.replacing(tmp_path / 'a.txt'):
    (tmp_path / 'another').read_bytes()
  assert told.value.filename == str(tmp_path / 'another')
