"""A checkpoint gives back every bit, is never half there, and is kept or deleted by plain rules."""

import json
import math
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec

from gengan import core, sharding
from gengan.host import checksums
from gengan.runs import checkpoint


def make_state(step=0, width=4):
  values = np.random.default_rng(step).normal(size=(width, 8)).astype(np.float32)
  return core.State(
    step=jnp.asarray(step, jnp.int32),
    params={'generator': {'kernel': jnp.asarray(values)}, 'discriminator': {'kernel': jnp.asarray(values[:, :2])}},
    opt_state={'generator': (None, (), {'mu': jnp.asarray(values * 2)})},
    model_state={'generator': {}},
    ema_params={'generator': {'params': {'kernel': jnp.asarray(values, jnp.bfloat16)}}},
    extra=None,
  )


def save(checkpointer, step, state=None, metrics=None):
  state = make_state(step) if state is None else state
  return checkpointer.save(step, state, data={'next': 3 * step}, config={'name': 'tiny'}, metrics=metrics or {})


def assert_identical(a, b):
  assert jax.tree.structure(a) == jax.tree.structure(b)
  for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
    assert (x.shape, x.dtype) == (y.shape, y.dtype)
    assert np.asarray(x).tobytes() == np.asarray(y).tobytes()


def abstract(state):
  return jax.eval_shape(lambda: state)


def test_round_trip_gives_back_every_bit(tmp_path):
  state = make_state().replace(
    ema_params={'special': jnp.asarray([math.nan, math.inf, -0.0, 1e-42], jnp.float32)},
    extra={
      'bf16': jnp.asarray([1.0, -3.14, 1e30], jnp.bfloat16),
      'int8': jnp.asarray([-128, 127], jnp.int8),
      'uint32': jnp.asarray([2**32 - 1], jnp.uint32),
      'bool': jnp.asarray([True, False]),
      'empty array': jnp.zeros((0, 3)),
      'nothing': None,
      'empty': {},
    },
  )
  data, config = {'next': 7, 'nested': {'list': [1, 'two', None]}}, {'lr': 2e-4, 'name': 'ü'}
  metrics = {'fid': np.float32(1.5), 'loss': jnp.asarray(2.0), 'bad': math.inf, 'worse': math.nan}
  with checkpoint.Checkpointer(tmp_path) as checkpointer:
    assert checkpointer.save(3, state, data=data, config=config, metrics=metrics)
    restored = checkpointer.restore(abstract(state))
  assert_identical(restored.state, state)
  assert (restored.step, restored.data, restored.config) == (3, data, config)
  assert restored.metrics.pop('bad') != 0 and math.isnan(restored.metrics.pop('worse'))
  assert restored.metrics == {'fid': 1.5, 'loss': 2.0}


def test_what_is_saved_is_the_state_at_the_call(tmp_path):
  # The next train step overwrites the donated memory while the background still writes.
  advance = jax.jit(lambda state: jax.tree.map(lambda x: x + 1, state), donate_argnums=0)
  state = make_state(width=2**16)
  snapshot = jax.device_get(jax.tree.map(jnp.copy, state))
  with checkpoint.Checkpointer(tmp_path) as checkpointer:
    save(checkpointer, 1, state)
    for _ in range(5):
      state = advance(state)
    jax.block_until_ready(state)
    assert_identical(checkpointer.restore(abstract(state)).state, snapshot)


@pytest.mark.parametrize(
  ('before', 'after'),
  [
    ({'data': 8}, {}),
    ({}, {'data': 8}),
    ({'data': 2, 'fsdp': 4}, {'data': 4, 'fsdp': 2}),
    ({'data': 1, 'fsdp': 8}, {}),
  ],
)
def test_a_checkpoint_moves_between_meshes(tmp_path, before, after):
  mesh = lambda size: sharding.make_mesh(**size, devices=jax.devices()[: 8 if size else 1])
  layout = lambda size: sharding.state_sharding(mesh(size), abstract(make_state()), min_size=8)
  state = jax.device_put(make_state(5), layout(before))
  target = jax.tree.map(
    lambda leaf, to: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=to), abstract(state), layout(after)
  )
  with checkpoint.Checkpointer(tmp_path) as checkpointer:
    save(checkpointer, 5, state)
    restored = checkpointer.restore(target).state
  assert_identical(restored, make_state(5))
  assert jax.tree.map(lambda leaf: leaf.sharding, restored) == layout(after)
  if 'fsdp' in after:
    assert restored.params['generator']['kernel'].sharding.spec == PartitionSpec(None, 'fsdp')


def kept(directory, steps, **kwargs):
  with checkpoint.Checkpointer(directory, **kwargs) as checkpointer:
    for step, metrics in steps.items():
      save(checkpointer, step, metrics=metrics)
    checkpointer.wait()
    assert sorted(int(path.name) for path in directory.iterdir()) == checkpointer.steps()
    return checkpointer.steps(), checkpointer.best_step()


def test_newest_best_and_every_kth_are_kept(tmp_path):
  fid = {1: 5.0, 2: 3.0, 3: 4.0, 4: math.nan, 5: 9.0, 6: -math.inf, 7: None, 8: 8.0, 9: 7.0}
  steps = {step: {} if value is None else {'fid': value} for step, value in fid.items()}
  assert kept(tmp_path / 'a', steps) == ([8, 9], None)
  assert kept(tmp_path / 'b', steps, keep_latest=1, best_metric='fid') == ([2, 9], 2)
  assert kept(tmp_path / 'c', steps, best_metric='fid', best_mode='max') == ([5, 8, 9], 5)
  assert kept(tmp_path / 'd', steps, keep_latest=1, keep_every_steps=3, best_metric='fid') == ([2, 3, 6, 9], 2)
  assert kept(tmp_path / 'e', {4: steps[4], 7: steps[7]}, best_metric='fid') == ([4, 7], None)


def test_the_best_is_found_again_and_restored(tmp_path):
  steps = {step: {'fid': float(value)} for step, value in zip((1, 2, 3, 4), (5, 2, 2, 4), strict=True)}
  kept(tmp_path, steps, best_metric='fid')
  with checkpoint.Checkpointer(tmp_path, best_metric='fid') as checkpointer:
    assert checkpointer.best_step() == 3  # of equals the newer
    restored = checkpointer.restore(abstract(make_state()), step='best')
    assert (restored.step, restored.data) == (3, {'next': 9})
    assert_identical(restored.state, make_state(3))
  with pytest.raises(ValueError, match='has no best checkpoint: no best_metric was chosen'):
    checkpoint.Checkpointer(tmp_path).restore(abstract(make_state()), step='best')


def test_every_flipped_bit_is_detected(copy):
  folder = copy / '00000020'
  files = [path for path in folder.rglob('*') if path.is_file()]
  assert len(files) > 8
  rng = random.Random(0)
  for path in files:
    intact = path.read_bytes()
    for position in {0, len(intact) - 1, *(rng.randrange(len(intact)) for _ in range(10))} if intact else ():
      flipped = bytearray(intact)
      flipped[position] ^= 1 << rng.randrange(8)
      path.write_bytes(flipped)
      with pytest.raises(checksums.DamagedError, match=path.name):
        checksums.verify(folder)
    path.write_bytes(intact + b'\0')
    with pytest.raises(checksums.DamagedError, match=path.name):
      checksums.verify(folder)
    path.unlink()
    with pytest.raises(checksums.DamagedError, match=path.name):
      checksums.verify(folder)
    path.write_bytes(intact)
  checksums.verify(folder)


def damage(folder):
  victim = max((path for path in (folder / 'state').rglob('*') if path.is_file()), key=lambda path: path.stat().st_size)
  content = bytearray(victim.read_bytes())
  content[len(content) // 2] ^= 1
  victim.write_bytes(content)
  return victim


def test_a_damaged_newest_falls_back_with_a_warning_and_is_set_aside(copy, caplog):
  victim = damage(copy / '00000020')
  with checkpoint.Checkpointer(copy, keep_latest=1) as checkpointer:
    restored = checkpointer.restore(abstract(make_state()))
    assert restored.step == 10
    assert_identical(restored.state, make_state(10))
    assert str(victim) in caplog.text and len(caplog.records) == 1
    assert (copy / '00000020').exists()  # reading changes nothing
    with pytest.raises(ValueError, match=str(victim)):
      checkpoint.Checkpointer(copy).restore(abstract(make_state()), step=20)
    save(checkpointer, 15)
    checkpointer.wait()
    assert sorted(path.name for path in copy.iterdir()) == ['00000015', '00000020.damaged']
    save(checkpointer, 20)
  assert checkpoint.Checkpointer(copy).restore(abstract(make_state())).step == 20


def test_all_damaged_is_an_error_that_names_the_steps(copy):
  damage(copy / '00000010')
  (copy / '00000020' / 'checkpoint.json').unlink()
  with pytest.raises(ValueError, match=r'is damaged: steps 10, 20; .*20/checkpoint.json is missing.* Bring one back'):
    checkpoint.Checkpointer(copy).restore(abstract(make_state()))


def test_a_missing_checkpoint_is_an_error(two, tmp_path):
  with pytest.raises(FileNotFoundError, match=r'no checkpoint in .*absent'):
    checkpoint.Checkpointer(tmp_path / 'absent').restore(abstract(make_state()))
  assert not (tmp_path / 'absent').exists()
  with pytest.raises(FileNotFoundError, match=r'no checkpoint of step 15 in .*; there are 10, 20'):
    checkpoint.Checkpointer(two).restore(abstract(make_state()), step=15)


def test_leaves_that_do_not_fit_are_named(two):
  checkpointer = checkpoint.Checkpointer(two)
  state = make_state()
  missing = state.replace(extra={'ada': jnp.zeros(())})
  with pytest.raises(ValueError, match=r'missing in the checkpoint: extra/ada$'):
    checkpointer.restore(abstract(missing))
  surplus = state.replace(params={'generator': state.params['generator']})
  with pytest.raises(ValueError, match=r'not in the model: params/discriminator/kernel$'):
    checkpointer.restore(abstract(surplus))
  with pytest.raises(ValueError, match=r'params/generator/kernel is float32\[4,8\], the model has float32\[6,8\]'):
    checkpointer.restore(abstract(make_state(width=6)))
  with pytest.raises(ValueError, match=r'different: step is int32\[\], the model has float32\[\]$'):
    checkpointer.restore(abstract(state.replace(step=jnp.zeros(()))))


def test_leftovers_confuse_nothing_and_are_removed_by_the_first_save(copy):
  (copy / '00000007').mkdir()
  (copy / '00000030').mkdir()
  (copy / '00000030' / 'state').mkdir()
  shutil.copytree(copy / '00000020', copy / '00000040.partial')
  (copy / 'notes').write_text('mine')
  with checkpoint.Checkpointer(copy) as checkpointer:
    assert checkpointer.steps() == [10, 20]
    assert checkpointer.restore(abstract(make_state())).step == 20
    assert (copy / '00000040.partial').exists()  # perhaps of a run that is still going
    save(checkpointer, 30)
  assert checkpointer.steps() == [20, 30]
  assert not list(copy.glob('*.partial')) and (copy / 'notes').exists()


def test_a_step_is_saved_once_and_steps_rise(copy):
  with checkpoint.Checkpointer(copy) as checkpointer:
    with pytest.raises(ValueError, match=r'step 5 cannot be saved: .*00000020 is not older'):
      save(checkpointer, 5)
    with pytest.raises(ValueError, match='step 20 cannot be saved'):
      save(checkpointer, 20)
    checkpointer.restore(abstract(make_state()))
    assert save(checkpointer, 20) is False
    assert save(checkpointer, 21) is True
    assert save(checkpointer, 21) is False


def test_a_relative_directory(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  with checkpoint.Checkpointer('runs/one') as checkpointer:
    monkeypatch.chdir('/')
    save(checkpointer, 1)
  assert checkpoint.Checkpointer(tmp_path / 'runs' / 'one').steps() == [1]


def test_an_error_in_the_background_comes_out(tmp_path, monkeypatch):
  def full(folder):
    raise OSError('disk full')

  checkpointer = checkpoint.Checkpointer(tmp_path)
  with monkeypatch.context() as patch:
    patch.setattr(checksums, 'seal', full)
    save(checkpointer, 1)
    with pytest.raises(OSError, match='disk full'):
      save(checkpointer, 2)
    save(checkpointer, 2)
    with pytest.raises(OSError, match='disk full'):
      checkpointer.wait()
  assert checkpointer.steps() == []
  save(checkpointer, 2)
  checkpointer.close()
  assert checkpointer.steps() == [2]
  with pytest.raises(KeyError, match='first'), checkpoint.Checkpointer(tmp_path) as broken:
    with monkeypatch.context() as patch:
      patch.setattr(checksums, 'seal', full)
      save(broken, 3)
      time.sleep(0.5)
    raise KeyError('first')


def test_what_json_cannot_hold_is_refused_at_once(tmp_path):
  with checkpoint.Checkpointer(tmp_path) as checkpointer:
    for wrong in ({'data': {'next': np.int64(3)}}, {'config': {'f': print}}):
      with pytest.raises(ValueError, match='must be JSON'):
        checkpointer.save(1, make_state(), **{'data': {}, 'config': {}, **wrong})
    assert list(tmp_path.iterdir()) == []


def test_impossible_arguments(tmp_path):
  with pytest.raises(ValueError, match='keep_latest is 0'):
    checkpoint.Checkpointer(tmp_path, keep_latest=0)
  with pytest.raises(ValueError, match="keep_latest is '2'; it must be at least 1"):
    checkpoint.Checkpointer(tmp_path, keep_latest='2')
  with pytest.raises(ValueError, match="best_mode is 'lowest'"):
    checkpoint.Checkpointer(tmp_path, best_mode='lowest')


def test_some_leaves_are_read_apart_from_the_rest(two):
  with checkpoint.Checkpointer(two) as checkpointer:
    step, described = checkpointer.described()
    assert step == 20 and described['params/discriminator/kernel'] == 'float32[4,2]' and 'step' in described
    path = 'params/discriminator/kernel'
    found = checkpointer.read({path: jax.ShapeDtypeStruct((4, 2), jnp.float32)}, step=10)
    assert list(found) == [path]
    np.testing.assert_array_equal(found[path], make_state(10).params['discriminator']['kernel'])


class Counter:
  """The smallest iterator that can say where it is."""

  def __init__(self):
    self.position = 0

  def __next__(self):
    self.position += 1
    return {'image': np.full((8, 4, 4, 1), self.position, np.float32), 'label': np.zeros(8, np.int32)}

  def get_state(self):
    return {'position': self.position}

  def set_state(self, state):
    self.position = state['position']


def test_the_page_on_checkpoints_runs(tmp_path, monkeypatch):
  def init(key, batch):
    params = {'net': {'w': jax.random.normal(key, (4,))}}
    return core.State(jnp.zeros((), jnp.int32), params, {}, {}, params, {})

  def train_step(state, batch, key):
    add = lambda w: w + batch['image'].mean() + jax.random.normal(key, w.shape)
    return state.replace(step=state.step + 1, ema_params=jax.tree.map(add, state.ema_params)), {'loss': jnp.ones(())}

  page = pathlib.Path(__file__).resolve().parents[2] / 'docs' / 'checkpoints.md'
  loop, arrays = re.findall(r'```python\n(.*?)```', page.read_text(), re.DOTALL)
  monkeypatch.chdir(tmp_path)

  def play(steps):
    names = {'algorithm': core.Algorithm(init, train_step, None, None, None), 'batch': next(Counter())}
    names['batches'] = Counter()
    exec(loop.replace('range(start, 6)', f'range(start, {steps})'), names)
    return names

  straight = play(6)
  exec(arrays, straight)
  np.testing.assert_array_equal(straight['kernels']['net']['w'], straight['state'].ema_params['net']['w'])
  assert [path.name for path in sorted(straight['checkpointer'].directory.iterdir())] == ['00000003', '00000006']
  shutil.rmtree('runs')
  play(4)
  resumed = play(6)
  assert resumed['restored'].step == 3
  assert_identical(resumed['state'], straight['state'])
  leaves = json.loads((resumed['checkpointer'].directory / '00000006' / 'checkpoint.json').read_text())['leaves']
  assert leaves == {'step': 'int32[]', 'params/net/w': 'float32[4]', 'ema_params/net/w': 'float32[4]'}


SAVER = """
import sys
sys.path.insert(0, sys.argv[1])
from test_checkpoint import make_state, save
from gengan.runs import checkpoint

with checkpoint.Checkpointer(sys.argv[2]) as checkpointer:
  for step in range(1, 10**6):
    save(checkpointer, step, make_state(step, width=2**13))
    print(step, flush=True)
"""


def test_killed_at_any_moment_the_last_checkpoint_is_whole(tmp_path):
  rng = random.Random(0)
  here = str(pathlib.Path(__file__).parent)
  directories = [tmp_path / str(i) for i in range(2)]
  command = lambda directory: [sys.executable, '-c', SAVER, here, str(directory)]
  runs = [subprocess.Popen(command(d), stdout=subprocess.PIPE, text=True, env=os.environ) for d in directories]
  for run, directory in zip(runs, directories, strict=True):
    started = 0
    while started < 3:
      started = int(run.stdout.readline())
    time.sleep(rng.uniform(0, 0.2))
    run.kill()
    run.wait()
    started = max([started, *map(int, run.stdout.read().split())])
    with checkpoint.Checkpointer(directory) as checkpointer:
      restored = checkpointer.restore(abstract(make_state(width=2**13)))
      # The save that was under way may be lost, and the one whose return was not yet printed may be there.
      assert started - 1 <= restored.step <= started + 1
      assert_identical(restored.state, make_state(restored.step, width=2**13))
      assert restored.data == {'next': 3 * restored.step}
      save(checkpointer, restored.step + 1)
    assert sorted(path.name for path in directory.iterdir()) == [f'{restored.step + i:08d}' for i in (0, 1)]
