import numpy as np
import pytest

from gengan.host import cache


def compute():
  return {'a': np.arange(6.0).reshape(2, 3), 'b': np.int64(4)}


def fail():
  raise AssertionError('computed again')


def test_the_second_time_nothing_is_computed(tmp_path):
  first = cache.cached('kind', {'x': 1}, compute, folder=tmp_path)
  second = cache.cached('kind', {'x': 1}, fail, folder=tmp_path)
  for name, value in compute().items():
    np.testing.assert_array_equal(first[name], value)
    np.testing.assert_array_equal(second[name], value)


def test_another_key_is_another_file(tmp_path):
  cache.cached('kind', {'x': 1}, compute, folder=tmp_path)
  with pytest.raises(AssertionError, match='computed again'):
    cache.cached('kind', {'x': 2}, fail, folder=tmp_path)


@pytest.mark.parametrize('damage', ['truncate', 'flip', 'empty'])
def test_a_damaged_file_is_computed_again(tmp_path, damage):
  cache.cached('kind', {}, compute, folder=tmp_path)
  (path,) = tmp_path.iterdir()
  content = bytearray(path.read_bytes())
  if damage == 'flip':
    content[content.index(np.float64(5).tobytes())] ^= 1
  path.write_bytes({'truncate': content[:-40], 'flip': content, 'empty': b''}[damage])
  with pytest.warns(UserWarning, match='damaged'):
    again = cache.cached('kind', {}, compute, folder=tmp_path)
  np.testing.assert_array_equal(again['a'], compute()['a'])
  cache.cached('kind', {}, fail, folder=tmp_path)  # and is whole now


def test_a_failure_leaves_nothing_behind(tmp_path):
  with pytest.raises(AssertionError):
    cache.cached('kind', {}, fail, folder=tmp_path)
  assert list(tmp_path.iterdir()) == []


def test_the_folder_follows_the_environment(monkeypatch, tmp_path):
  monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
  monkeypatch.delenv('GENGAN_CACHE', raising=False)
  assert cache.default_folder() == tmp_path / 'gengan'
  monkeypatch.setenv('GENGAN_CACHE', str(tmp_path / 'own'))
  assert cache.default_folder() == tmp_path / 'own'


def test_a_folder_that_cannot_be_written_costs_a_warning_only(tmp_path):
  (tmp_path / 'file').write_text('')
  with pytest.warns(UserWarning, match='cannot be written'):
    found = cache.cached('kind', {}, compute, folder=tmp_path / 'file')
  np.testing.assert_array_equal(found['a'], compute()['a'])
