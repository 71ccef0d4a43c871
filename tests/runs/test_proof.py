"""What cannot be read back is not sealed, wherever it lies, and nothing that was good is lost by it."""

import errno
import json
import os
import pathlib
import shutil
import subprocess
import sys
import types

import jax
import numpy as np
import pytest
import tensorstore

from gengan.host import checksums, paths
from gengan.runs import arrays, checkpoint, finished
from tests.runs.test_checkpoint import abstract, assert_identical, make_state, save

LATIN = os.fsdecode('été'.encode('latin-1'))


@pytest.mark.parametrize(
  'name', ['study [v2]', 'a*b?', 'back\\slash', '{a,b}', 'new\nline', ' **', 'gs:', '%41#', 'é日本', LATIN, 'x' * 255]
)
def test_a_folder_of_any_name_holds_checkpoints(name, tmp_path):
  folder = tmp_path / name / 'run'
  with checkpoint.Checkpointer(folder) as checkpointer:
    save(checkpointer, 1)
    save(checkpointer, 2)
    assert_identical(checkpointer.restore(abstract(make_state())).state, make_state(2))
    assert_identical(checkpointer.restore(abstract(make_state()), step=1).state, make_state(1))
  assert subprocess.run(['sha256sum', '--quiet', '-c', 'SHA256SUMS'], cwd=folder / '00000002').returncode == 0


def test_a_plain_path_stays_what_it_is_and_another_is_closed_again(tmp_path):
  with paths.plain(tmp_path) as same:
    assert same == tmp_path
  odd = tmp_path / '[v2]'
  odd.mkdir()
  (odd / 'file').write_text('here')
  with paths.plain(odd) as other:
    assert paths.plain(other) and not set(str(other)) & set('[]') and (other / 'file').read_text() == 'here'
  assert not other.exists()


def test_a_path_that_cannot_work_is_refused_at_once(tmp_path, monkeypatch):
  monkeypatch.setattr(paths, '_OPEN_FOLDERS', tmp_path / 'nowhere')
  with pytest.raises(ValueError, match=r'/\[v2\] has a character that is special to libraries'):
    checkpoint.Checkpointer(tmp_path / '[v2]')
  with pytest.raises(ValueError, match=r'^/\S{59}\.\.\. is too long for a path'):
    checkpoint.Checkpointer(tmp_path / '/'.join(['d' * 200] * 20))


def spoiled(spoil):
  """`arrays.start_writing` that writes something else than it was given."""
  start = arrays.start_writing
  return lambda folder, leaves: start(folder, spoil(dict(leaves)))


@pytest.mark.parametrize(
  ('spoil', 'told'),
  [
    (lambda leaves: leaves | {'step': leaves['step'] + 1}, 'step in .* is not read back as it was written'),
    (lambda leaves: leaves | {'step': np.float32(1)}, 'step is float32'),
    (lambda leaves: {path: leaf for path, leaf in leaves.items() if 'ema' not in path}, 'ema_params.* is missing'),
    (lambda leaves: {path: leaf[:2] if leaf.ndim else leaf for path, leaf in leaves.items()}, 'state cannot be read'),
  ],
)
def test_what_is_not_read_back_as_it_was_written_is_not_sealed(copy, monkeypatch, spoil, told):
  with checkpoint.Checkpointer(copy, keep_latest=1) as checkpointer:
    checkpointer.restore(abstract(make_state()))
    with monkeypatch.context() as patch:
      patch.setattr(arrays, 'start_writing', spoiled(spoil))
      save(checkpointer, 30)
      with pytest.raises(checkpoint.NotSavedError, match=f'00000030 was not saved: .*{told}') as caught:
        checkpointer.wait()
      assert '\n' not in str(caught.value)
    assert checkpointer.steps() == [10, 20]
    save(checkpointer, 30)
    assert checkpointer.restore(abstract(make_state())).step == 30


def test_fingerprints_are_of_every_part_that_is_written():
  whole = np.arange(32, dtype=np.float32).reshape(4, 8)
  mesh = jax.make_mesh((4,), ('x',), devices=jax.devices()[:4])
  cut = jax.device_put(whole, jax.NamedSharding(mesh, jax.P(None, 'x')))
  found = arrays.fingerprints({'a': cut, 'b': jax.device_put(whole, jax.NamedSharding(mesh, jax.P()))})
  assert sorted(index for index, _ in found['a']) == [[[0, 4], [i, i + 2]] for i in (0, 2, 4, 6)]
  assert [index for index, _ in found['b']] == [[[0, 4], [0, 8]]]


@pytest.mark.parametrize('free', [0, 300_000])  # the second is less than the state
def test_a_full_disk_is_one_error_of_the_checkpoint(free, tmp_path, monkeypatch):
  def full(folder):
    raise ValueError('RESOURCE_EXHAUSTED: a\nlong\nstory')

  usage = types.SimpleNamespace(free=free)
  with monkeypatch.context() as patch:
    patch.setattr(checksums, 'seal', full)
    patch.setattr(shutil, 'disk_usage', lambda folder: usage)
    checkpointer = checkpoint.Checkpointer(tmp_path)
    save(checkpointer, 1, make_state(width=5000))
    with pytest.raises(checkpoint.NotSavedError, match=rf'00000001 was not saved: {os.strerror(errno.ENOSPC)}$'):
      checkpointer.close()


def test_an_old_checkpoint_that_cannot_be_deleted_is_named(copy, monkeypatch):
  def refuse(path):
    raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), str(path))

  checkpointer = checkpoint.Checkpointer(copy, keep_latest=1)
  checkpointer.restore(abstract(make_state()))
  with monkeypatch.context() as patch:
    patch.setattr(shutil, 'rmtree', refuse)
    save(checkpointer, 30)
    with pytest.raises(checkpoint.NotSavedError, match=r'000000[12]0 cannot be deleted: Operation not permitted'):
      checkpointer.close()
  assert checkpointer.steps()[-1] == 30


def test_scores_that_come_later_belong_to_the_checkpoint(tmp_path):
  with checkpoint.Checkpointer(tmp_path, keep_latest=1, best_metric='fid') as checkpointer:
    for step, fid in {1: 3.0, 2: 1.0, 3: 2.0, 4: float('nan')}.items():
      save(checkpointer, step, metrics={'loss': 0.5})
      checkpointer.score({'fid': fid})
    assert (checkpointer.steps(), checkpointer.best_step()) == ([2, 4], 2)
    assert checkpointer.restore(abstract(make_state()), step='best').metrics == {'loss': 0.5, 'fid': 1.0}
    assert np.isnan(checkpointer.restore(abstract(make_state())).metrics['fid'])
  (tmp_path / '00000002' / finished.SCORES).write_text('{"fid": 0.1}')
  with pytest.raises(checksums.DamagedError, match=finished.SCORES):
    checksums.verify(tmp_path / '00000002')


def test_without_any_sums_nothing_is_trained_over(copy):
  for folder in copy.iterdir():
    (folder / 'SHA256SUMS').unlink()
  before = sorted(path for path in copy.rglob('*'))
  with checkpoint.Checkpointer(copy) as checkpointer:
    with pytest.raises(ValueError, match=r'steps 10, 20; .*SHA256SUMS is missing .*\. Bring one back'):
      checkpointer.restore(abstract(make_state()))
    with pytest.raises(ValueError, match=r'step 5 cannot be saved: .*00000020 is not older'):
      save(checkpointer, 5)
  assert sorted(path for path in copy.rglob('*')) == before


def test_the_newest_without_its_sums_is_passed_over_and_set_aside(copy, caplog):
  (copy / '00000020' / 'SHA256SUMS').unlink()
  with checkpoint.Checkpointer(copy) as checkpointer:
    assert checkpointer.restore(abstract(make_state())).step == 10
    assert [record.getMessage().endswith('this checkpoint is passed over') for record in caplog.records] == [True]
    save(checkpointer, 20)
  assert sorted(path.name for path in copy.iterdir()) == ['00000010', '00000020', '00000020.damaged']


@pytest.mark.parametrize('make', [pathlib.Path.mkdir, pathlib.Path.touch])
def test_what_is_only_called_like_a_checkpoint_stops_a_run(copy, make):
  for step in (10, 20):
    shutil.rmtree(copy / finished.name(step))
    make(copy / finished.name(step))
  assert finished.unsealed(copy) == [10, 20] and finished.foreign(copy) == []
  with checkpoint.Checkpointer(copy) as checkpointer, pytest.raises(ValueError, match=r'checkpoint .* is damaged'):
    checkpointer.restore(abstract(make_state()))


def test_what_is_no_checkpoint_is_named(copy):
  for name in ('notes', '7', '00000030.partial', '00000040.damaged', '0000005x'):
    (copy / name).mkdir()
  assert finished.foreign(copy) == ['0000005x', '7', 'notes'] and finished.steps(copy) == [10, 20]


def test_a_pipe_in_the_place_of_a_file_is_damage(copy):
  for name in ('checkpoint.json', 'data-00000.json', checksums.SUMS):
    path = copy / '00000020' / name
    content = path.read_bytes()
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(checksums.DamagedError, match=f'{name} is missing or unreadable'):
      checksums.verify(copy / '00000020')
    path.unlink()
    path.write_bytes(content)


def test_nothing_is_printed_beside_the_error(tmp_path):
  program = f"""
import sys
sys.path.insert(0, {str(pathlib.Path(__file__).parents[2])!r})
from tests.runs.test_checkpoint import *
from gengan.runs import arrays
start = arrays.start_writing
arrays.start_writing = lambda folder, leaves: start(folder, {{path: leaves[path] for path in leaves if path != 'step'}})
with checkpoint.Checkpointer({str(tmp_path)!r}) as checkpointer:
  save(checkpointer, 1)
  try: checkpointer.wait()
  except checkpoint.NotSavedError as error: print(error)
"""
  done = subprocess.run([sys.executable, '-c', program], capture_output=True, text=True, env=os.environ)
  assert done.stdout.startswith(f'{tmp_path}/00000001 was not saved: ') and done.stdout.count('\n') == 1
  assert done.stderr == ''


JUNK = (None, True, 0, -1, 10**400, 1e308, float('nan'), '', '3', '\ud800', [], {}, [[]], {'a.b': 1}, ['x'])
BYTES = (b'[' * 10**5, b'{"a":' * 10**5, b'9' * 5000, b'\xff\xfe', b'"', b'1e999', b'null', b'[]', b'')


def mutations(text, count):
  """Values put in another's place, keys that go, and bytes that change, come or go."""
  rng = np.random.default_rng(0)

  def change(value, depth=0):
    inner = value and isinstance(value, (dict, list)) and rng.random() < 0.85
    if not inner:
      return JUNK[rng.integers(len(JUNK))]
    keys = list(value) if isinstance(value, dict) else range(len(value))
    key = keys[rng.integers(len(keys))]
    if rng.random() < 0.2:
      return {name: each for name, each in value.items() if name != key} if isinstance(value, dict) else value[1:]
    value[key] = change(value[key])
    return value

  for number in range(count):
    if number % 2:
      yield json.dumps(change(json.loads(text))).encode()
    else:
      start, length = rng.integers(len(text)), rng.integers(8)
      yield text[:start] + BYTES[rng.integers(len(BYTES))] + text[start + length :]


@pytest.mark.parametrize('name', ['checkpoint.json', 'data-00000.json', 'SHA256SUMS'])
def test_small_files_that_were_changed_load_or_are_a_value_error(copy, name):
  folder = copy / '00000020'
  text, expected, kinds = (folder / name).read_bytes(), finished.about(folder)['leaves'], set()
  for changed in mutations(text if name != 'SHA256SUMS' else json.dumps(text.decode()).encode(), 400):
    (folder / name).write_bytes(changed)
    try:
      if name == 'SHA256SUMS':
        checksums.verify(folder)
      elif name == 'checkpoint.json':
        assert finished.about(folder)['leaves'].keys() and finished.metrics(folder) is not None and expected
      else:
        checkpoint.files.read_json(folder / name)
      kinds.add('loads')
    except ValueError as error:
      assert name in str(error) and '\n' not in str(error)
      kinds.add('refused')
  assert 'refused' in kinds


@pytest.mark.parametrize('name', ['_METADATA', '_sharding', 'manifest.ocdbt', 'process_0', 'checkpoint.json'])
def test_files_that_were_changed_and_hashed_again_load_or_are_a_value_error(copy, name):
  folder = copy / '00000020'
  path = next(path for path in folder.rglob(name) if path.is_file())
  content = path.read_bytes()
  found = list(mutations(content, 12)) if name != 'manifest.ocdbt' else [b'', content[:-3], content[::-1], b'{}' * 50]
  for changed in found:
    path.write_bytes(changed)
    checksums.seal(folder)
    checksums.verify(folder)
    try:
      state = checkpoint.Checkpointer(copy).restore(abstract(make_state()), step=20).state
    except ValueError as error:
      assert '\n' not in str(error) and '00000020' in str(error)
    else:
      assert_identical(state, make_state(20))


def test_a_piece_larger_than_its_array_is_refused_before_memory_is_taken(copy):
  """Of zeros, 16 GB are packed into a few MB, and a piece is unpacked whole, however little of it is asked for."""
  folder = copy / '00000020'
  store = tensorstore.KvStore.open({'driver': 'ocdbt', 'base': f'file://{folder / "state"}'}).result()
  key = min(key for key in store.list().result() if key.endswith(b'.zarray'))
  about = json.loads(store.read(key).result().value)
  store.write(key, json.dumps({**about, 'chunks': [2**32, *about['shape'][1:]]}).encode()).result()
  checksums.seal(folder)
  with pytest.raises(ValueError, match=r'00000020.* is kept in pieces of \[4294967296.*\], larger than \w+\['):
    checkpoint.Checkpointer(copy).restore(abstract(make_state()), step=20)
