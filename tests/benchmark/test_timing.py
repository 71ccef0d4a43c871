import json
import sys
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import dcgan
from configs.utility import digits
from gengan import core
from gengan.benchmark import __main__ as command
from gengan.benchmark import timing
from gengan.train import preparation

KEYS = {'median_ms', 'min_ms', 'cpu_ms', 'images_per_second', 'compile_seconds', 'steps', 'machine'}


@pytest.fixture
def config(monkeypatch):
  """A recipe whose train step multiplies a batch [8, 64] with [64, 16]."""

  def make(config, axis_name=None):
    def init(key, batch):
      return core.State(jnp.zeros((), jnp.int32), {'w': jnp.ones((64, 16))}, {}, {}, {}, {})

    def train_step(state, batch, key):
      product = batch['image'].reshape(-1, 64) @ state.params['w']
      return state.replace(step=state.step + 1), {'loss': core.pmean(product.sum(), axis_name)}

    return core.Algorithm(init, train_step, None, None, None)

  recipe = types.ModuleType('recipe')
  recipe.make = make
  monkeypatch.setitem(sys.modules, 'recipe', recipe)
  config = dcgan.get_config()
  config.model.name, config.batch_size, config.data.image_size = 'recipe', 8, 8
  return config


def test_counts_and_times_one_step(config):
  result = timing.measure(config, steps=3)
  assert result.keys() == KEYS | {'gflop', 'gflop_per_second'}
  assert result['steps'] == 3
  product = 2 * 8 * 64 * 16 / 1e9
  assert product <= result['gflop'] <= 1.2 * product
  assert 0 < result['min_ms'] <= result['median_ms']
  assert result['images_per_second'] == pytest.approx(8e3 / result['median_ms'])
  assert result['gflop_per_second'] == pytest.approx(1e3 * result['gflop'] / result['median_ms'])
  assert result['machine']['jax'] == jax.__version__


def test_pmap_mode_has_no_count(config):
  config.mesh.mode = 'pmap'
  result = timing.measure(config, steps=1)
  assert result['median_ms'] > 0 and result['gflop'] is None and result['gflop_per_second'] is None


def test_a_config_that_cannot_be_is_refused(config):
  config.batch_size = 12
  with pytest.raises(ValueError, match=r'config.batch_size is 12; it must be a multiple of the 8 devices'):
    timing.measure(config, steps=1)


def test_other_configs_are_told_apart(config):
  with pytest.raises(ValueError, match=r'^config\.num_steps is missing, .*gengan\.utility; it must be there'):
    timing.measure(digits.get_config(), steps=1)
  config.model.num_classes = -1
  with pytest.raises(ValueError, match=r'config\.model\.num_classes is -1; it must be at least 0'):
    timing.measure(config, steps=1)


@pytest.mark.parametrize('mode', ['jit', 'pmap'])
def test_a_step_that_cannot_be_is_refused(mode):
  config = dcgan.get_config()
  config.mesh.mode, config.d_steps_per_g_step = mode, 3
  with pytest.raises(ValueError, match=r'config\.d_steps_per_g_step is 3'):
    timing.measure(config, steps=1)


def test_the_table_tells_every_number(config):
  result = {name: 10.0 * i for i, name in enumerate(sorted(KEYS | {'gflop', 'gflop_per_second'}), start=1)}
  result['machine'] = timing.machine()
  table = timing.table(result)
  for name, value in result.items():
    if name != 'machine':
      assert f'{value:.0f}' in table, name


def test_random_images_have_the_range_of_data(config):
  batch = timing._random_batch(preparation.set_up(config).batch, seed=0, num_classes=3)
  assert batch['image'].shape == (8, 8, 8, 1) and batch['image'].dtype == np.float32
  assert -1 <= batch['image'].min() < -0.5 and 0.5 < batch['image'].max() <= 1
  assert batch['label'].dtype == np.int32 and set(batch['label'].tolist()) <= {0, 1, 2}


def test_the_command_prints_a_table_or_json(monkeypatch, capsys):
  result = dict.fromkeys(KEYS | {'gflop', 'gflop_per_second'}, 1.0) | {'machine': timing.machine()}
  asked = []
  monkeypatch.setattr(timing, 'measure', lambda config, *, steps: asked.append((config.batch_size, steps)) or result)
  command.main(['--config=configs/dcgan.py', '--config.batch_size=128', '--steps=3', '--json'])
  assert json.loads(capsys.readouterr().out) == result and asked == [(128, 3)]
  command.main(['--config=configs/dcgan.py'])
  assert capsys.readouterr().out == timing.table(result) + '\n' and asked[1] == (64, 20)


@pytest.mark.parametrize(
  ('flags', 'message'),
  [
    (['--steps=0'], '--steps is 0; it must be at least 1'),
    (['--config.batch_size=12'], 'config.batch_size'),
    (['--stepz=3'], '--stepz=3'),
  ],
)
def test_a_mistake_is_one_line(capsys, flags, message):
  with pytest.raises(SystemExit) as stop:
    command.main(['--config=configs/dcgan.py', *flags])
  error = capsys.readouterr().err
  assert stop.value.code == 2 and message in error and error.count('\n') == 1
