"""The checks that every training config shares, and what training tells before it compiles."""

import functools
import math

import pytest
from ml_collections import ConfigDict

from configs import conditional_dcgan, dcgan, residual_dcgan, vae
from configs.utility import digits, generated_alone
from gengan import train
from gengan.config import ConfigError, check, defaults
from gengan.config.fields import find, walk
from gengan.utility import plan


def test_the_default_configs_pass():
  for variant in ('digits', 'mnist', 'fashion_mnist', 'cifar10', 'celeb_a', 'folder'):
    check(dcgan.get_config(variant))
    check(vae.get_config(variant))
    check(residual_dcgan.get_config(variant))
  for comparison in (digits.get_config(), *map(generated_alone.get_config, ('digits', 'mnist', 'fashion_mnist'))):
    for regime in plan.regimes(comparison):
      check(regime.config)


WRONG = (None, (), ('a', 'b'), {}, 'x', '', -1, 1.5, True, 10**30)


def kinds(value):
  """What of `WRONG` may stand where this stands."""
  return (bool,) if isinstance(value, bool) else (int, float) if isinstance(value, float) else (type(value),)


@pytest.mark.parametrize('make', [defaults.gan, defaults.vae])
def test_a_value_of_another_type_is_one_line_that_names_the_field(make):
  paths = [path for path, value in walk(make()) if not path.startswith('data')]
  paths = [path for path in paths if path not in ('model', 'model.name')]  # the recipe's own check
  for path in paths:
    section, _, name = path.rpartition('.')
    usual = find(make(), path)
    for value in WRONG:
      if type(value) in kinds(usual) or (type(value) is dict and isinstance(usual, ConfigDict)):
        continue
      content = make().to_dict()
      functools.reduce(dict.__getitem__, filter(None, section.split('.')), content)[name] = value
      with pytest.raises(ConfigError, match=rf'config\.{path}\b'):
        check(ConfigDict(content))


@pytest.mark.parametrize(
  ('field', 'value', 'right'),
  [
    ('num_steps', 0, 'at least 1'),
    ('eval_every_steps', -1, 'at least 1'),
    ('evaluators.num_generated', 0, 'at least 1'),
    ('mesh.mode', 'vmap', 'jit, pmap'),
    ('checkpoint.best_mode', 'up', 'min, max'),
    ('checkpoint.keep_every_steps', -1, '0 keeps none'),
    ('seed', -1, 'from 0 to 4294967295'),
    ('seed', 2**32, 'from 0 to 4294967295'),
    ('seed', 10**30, 'from 0 to 4294967295'),
    ('num_steps', 2**31, 'at most 2147483647'),
    ('model.width', -(2**31), 'at most 2147483647'),
    ('model.num_classes', -5, 'at least 0'),
    ('model.g_slope', math.nan, 'finite'),
    ('ema.rampup', math.nan, 'finite'),
    ('optimizers.generator.learning_rate', math.inf, 'finite'),
    ('data.imbalance', -math.inf, 'finite'),
  ],
)
def test_a_field_that_cannot_be_is_named_with_what_can(field, value, right):
  config = dcgan.get_config()
  config.update_from_flattened_dict({field: value})
  with pytest.raises(ConfigError, match=rf'^config\.{field} is .*; it must be .*{right}'):
    check(config)


def test_a_list_with_a_number_that_is_not_finite_is_refused():
  config = dcgan.get_config()
  with config.unlocked():
    config.model.gains = (1.0, math.nan)
  with pytest.raises(ConfigError, match=r'config\.model\.gains is \(1\.0, nan\); it must be finite'):
    check(config)


def test_what_is_no_training_config_says_what_it_lacks():
  with pytest.raises(
    ConfigError, match=r'^config\.model\.name is missing; it must be there in a training config, such as --config=dcgan'
  ):
    check(defaults.training('digits'))
  with pytest.raises(
    ConfigError, match=r'^config\.num_steps is missing, this looks like a comparison.*gengan\.utility; it must'
  ):
    check(digits.get_config())
  config = dcgan.get_config()
  with config.unlocked():
    del config['mesh']
    config.mesh = 3
  with pytest.raises(ConfigError, match=r'^config\.mesh\.mode is missing'):
    check(config)


@pytest.mark.parametrize(
  ('fields', 'message'),
  [
    ({'d_steps_per_g_step': 3}, r'config\.d_steps_per_g_step is 3; it must be a divisor'),
    ({'d_steps_per_g_step': 3, 'mesh.mode': 'pmap'}, r'config\.d_steps_per_g_step is 3; it must be a divisor'),
    ({'model.batch_norm_groups': 3}, r'config\.model\.batch_norm_groups is 3'),
    ({'model.batch_norm_groups': 4, 'mesh.mode': 'pmap'}, 'batch_norm_groups is 4; .* 1 or a multiple of the 8 d'),
    (
      {'mesh.mode': 'pmap', 'mesh.fsdp': 2},
      r"config\.mesh\.mode is 'pmap' while .*fsdp is 2; it must be 'jit'",
    ),
    ({'model.num_classes': 5}, r'config\.model\.num_classes is 5'),
    ({'ema.rampup': -1.0}, r'config\.ema\.rampup is -1\.0'),
  ],
)
def test_training_tells_before_it_compiles(fields, message, tmp_path):
  config = conditional_dcgan.get_config()
  config.update_from_flattened_dict(fields)
  with pytest.raises(ValueError, match=message):
    train.prepare(config, tmp_path / 'run')
  assert not list(tmp_path.iterdir())


def test_a_section_that_is_called_learning_rate_where_no_optimizer_stands_is_no_schedule():
  config = dcgan.get_config()
  config.other = ConfigDict({'learning_rate': {'start': 1.0}})
  check(config)
