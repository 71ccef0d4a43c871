"""Configs: the checks every recipe shares, and the files beside a run."""

import json
import math
import re
import sys
import types

import pytest
from ml_collections import ConfigDict

from configs import conditional_dcgan, dcgan, defaults, residual_dcgan, vae
from configs.utility import digits, generated_alone
from gengan import config as configs
from gengan import train
from gengan.utility import plan


def test_the_default_configs_pass():
  for variant in ('digits', 'mnist', 'fashion_mnist', 'cifar10', 'celeb_a', 'folder'):
    configs.check(dcgan.get_config(variant))
    configs.check(vae.get_config(variant))
    configs.check(residual_dcgan.get_config(variant))
  for comparison in (digits.get_config(), *map(generated_alone.get_config, ('digits', 'mnist', 'fashion_mnist'))):
    for regime in plan.regimes(comparison):
      configs.check(regime.config)


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
  with pytest.raises(ValueError, match=rf'config\.{field} is .*{right}'):
    configs.check(config)


def test_a_list_with_a_number_that_is_not_finite_is_refused():
  config = dcgan.get_config()
  with config.unlocked():
    config.model.gains = (1.0, math.nan)
  with pytest.raises(ValueError, match=r'config\.model\.gains is \(1\.0, nan\); it must be finite'):
    configs.check(config)


def test_what_is_no_training_config_says_what_it_lacks():
  with pytest.raises(
    ValueError, match=r'not a training config: config\.model\.name is missing; configs/dcgan\.py is one'
  ):
    configs.check(defaults.get_config())
  with pytest.raises(ValueError, match=r'looks like a comparison.*gengan\.utility\): config\.num_steps is missing'):
    configs.check(digits.get_config())
  config = dcgan.get_config()
  with config.unlocked():
    del config['mesh']
    config.mesh = 3
  with pytest.raises(ValueError, match=r'config\.mesh\.mode is missing'):
    configs.check(config)


@pytest.mark.parametrize(
  ('path', 'message'),
  [
    (
      'optimizers.generator.lr',
      r"^config\.optimizers\.generator has no field 'lr'; did you mean 'learning_rate'\? It has: b1",
    ),
    ('modl.width', r"^config has no field 'modl'; did you mean 'model'\?"),
    ('width', r"^config has no field 'width'; did you mean config\.model\.width\?"),
    ('model.qqq', r"^config\.model has no field 'qqq'\. It has: .*latent_size"),
    ('model.width.foo', r'^config\.model\.width has no fields, it is 32$'),
    ('seed', None),
    ('model.width', None),
    ('data', None),
    ('regimes[0]', None),
  ],
)
def test_a_field_that_is_not_there_is_told_with_those_that_are(path, message):
  wrong = configs.missing_field(dcgan.get_config(), path)
  assert wrong is None if message is None else re.search(message, wrong), wrong


def test_a_recipe_is_an_import_path():
  with pytest.raises(ValueError, match=r'config\.model\.name.*json.*make'):
    configs.make_algorithm(ConfigDict({'model': {'name': 'json'}}))
  with pytest.raises(ValueError, match=r'config\.model\.name.*gengan.models.dcgan'):
    configs.make_algorithm(ConfigDict({'model': {'name': 'gengan.models.no_such'}}))


@pytest.mark.parametrize(
  ('name', 'message'),
  [
    ('', r"config\.model\.name is ''; it must be the import path"),
    ('.foo', r"config\.model\.name is '\.foo'; it must be the import path"),
    (3, r'config\.model\.name is 3; it must be the import path'),
    (
      'gengan.gan',
      r"is 'gengan\.gan', whose make cannot be called as make\(config, axis_name=None\): .*'discriminator'",
    ),
    ('gengan.vae', r"is 'gengan\.vae', whose make cannot be called"),
    ('gengan.optimizers', r"is 'gengan\.optimizers', whose make cannot be called .*'axis_name'"),
    ('gengan.models.conv_vae', r'config\.model\.architecture is missing, which gengan\.models\.conv_vae reads'),
  ],
)
def test_what_is_no_recipe_for_this_config_is_refused(name, message):
  config = dcgan.get_config()
  with config.unlocked():
    del config.model['name']
    config.model.name = name
  with pytest.raises(ValueError, match=message) as error:
    configs.make_algorithm(config)
  assert '\n' not in str(error.value)


def test_an_error_of_a_recipe_itself_stays_what_it_is(monkeypatch):
  module = types.ModuleType('recipe')
  module.make = lambda config, axis_name=None: module.no_such
  monkeypatch.setitem(sys.modules, 'recipe', module)
  config = ConfigDict({'model': {'name': 'recipe'}})
  with pytest.raises(AttributeError, match='no_such'):
    configs.make_algorithm(config)
  module.make = lambda config, axis_name=None: None
  with pytest.raises(ValueError, match=r"is 'recipe', whose make.* gives no Algorithm"):
    configs.make_algorithm(config)
  module.make = lambda config, axis_name=None: config.optimizer
  with pytest.raises(ValueError, match=r'^config\.optimizer is missing, which recipe reads'):
    configs.make_algorithm(config)


@pytest.mark.parametrize(
  ('conditional', 'given', 'found', 'labelled', 'expected'),
  [
    (True, 0, 10, True, 10),
    (True, 12, 10, True, 12),
    (True, 5, 10, True, r'num_classes is 5, but the data has 10 classes; it must be at least 10'),
    (True, 0, 1, False, r"conditional is True, but the images of 'digits' have no labels; set it to False"),
    (True, 5, 1, False, r'conditional is True, but .* have no labels'),
    (True, 0, 1, True, r'conditional is True, but .* are all of one class'),
    (False, 0, 1, False, 1),
    (False, 5, 10, True, 5),
  ],
)
def test_classes_are_those_of_the_data(conditional, given, found, labelled, expected):
  config = dcgan.get_config()
  config.model.update(conditional=conditional, num_classes=given)
  if isinstance(expected, int):
    configs.set_classes(config, found, labelled=labelled)
    assert config.model.num_classes == expected
  else:
    with pytest.raises(ValueError, match=rf'config\.model\.{expected}'):
      configs.set_classes(config, found, labelled=labelled)


DECAY = {'schedule': 'linear', 'warmup_steps': 5, 'decay_steps': 100}  # the learning rate is 0 from update 105 on


@pytest.mark.parametrize(
  ('fields', 'message'),
  [
    ({'d_steps_per_g_step': 3}, r'config\.d_steps_per_g_step is 3; a batch of 64 rows'),
    ({'d_steps_per_g_step': 3, 'mesh.mode': 'pmap'}, r'config\.d_steps_per_g_step is 3; a batch of 8 rows'),
    ({'model.batch_norm_groups': 3}, r'config\.model\.batch_norm_groups is 3'),
    ({'model.batch_norm_groups': 4, 'mesh.mode': 'pmap'}, 'batch_norm_groups is 4; .* 1 or a multiple of the 8 d'),
    ({'mesh.mode': 'pmap', 'mesh.fsdp': 2}, r"config\.mesh\.mode='pmap' needs config\.mesh\.fsdp=1"),
    ({'model.num_classes': 5}, r'config\.model\.num_classes is 5'),
    ({'ema.rampup': -1.0}, r'config\.ema\.rampup is -1\.0'),
    (
      {'num_steps': 106, **{f'optimizers.generator.{k}': v for k, v in DECAY.items()}},
      r'config\.optimizers\.generator\.decay_steps is 100: .* 0 from update 105 on, but .* 106; .* at least 101',
    ),
    (
      {'num_steps': 60, 'd_steps_per_g_step': 2, **{f'optimizers.discriminator.{k}': v for k, v in DECAY.items()}},
      r'config\.optimizers\.discriminator\.decay_steps is 100: .* 120; it must be at least 115',
    ),
  ],
)
def test_training_tells_before_it_compiles(fields, message, tmp_path):
  config = conditional_dcgan.get_config()
  config.update_from_flattened_dict(fields)
  with pytest.raises(ValueError, match=message):
    train.prepare(config, tmp_path / 'run')
  assert not list(tmp_path.iterdir())


def test_a_learning_rate_may_fall_to_nothing_right_after_the_last_update():
  config = conditional_dcgan.get_config()
  config.num_steps = 105
  config.optimizers.generator.update(DECAY)
  configs.check(config)


def test_a_folder_is_tried_and_left_as_it_was(tmp_path):
  configs.require_writable(tmp_path / 'a' / 'b', flag='--workdir')
  assert not list(tmp_path.iterdir())
  configs.require_writable(tmp_path, flag='--workdir')
  assert tmp_path.is_dir() and not list(tmp_path.iterdir())
  file = tmp_path / 'file'
  file.write_text('kept')
  for folder, why in ((file, 'that is a file'), (file / 'run', '.'), ('/proc/x', '.')):
    with pytest.raises(ValueError, match=rf'--workdir is {folder}, where no files can be written: {why}'):
      train.prepare(dcgan.get_config(), folder)
  assert file.read_text() == 'kept'


def test_json_is_whole_or_not_there(tmp_path):
  path = tmp_path / 'a.json'
  configs.write_json(path, {'b': [1, 2], 'a': None})
  assert json.loads(path.read_text()) == {'b': [1, 2], 'a': None}
  with pytest.raises(TypeError):
    configs.write_json(path, {'a': object()})
  assert json.loads(path.read_text()) == {'b': [1, 2], 'a': None}
  assert list(tmp_path.iterdir()) == [path]


def test_a_config_comes_back_from_its_folder(tmp_path):
  config = dcgan.get_config()
  configs.write_json(tmp_path / 'config.json', config.to_dict())
  assert configs.load(tmp_path).to_dict() == config.to_dict()
  with pytest.raises(FileNotFoundError, match='not the folder of a run'):
    configs.load(tmp_path / 'nowhere')
  for broken, what in (
    ('{"model"', 'is damaged: '),
    ('[]', 'is damaged: it holds no JSON object'),
    ('{"model": 3}', 'is not the config of a run'),
  ):
    (tmp_path / 'config.json').write_text(broken)
    with pytest.raises(ValueError, match=rf'{tmp_path}/config\.json {what}'):
      configs.load(tmp_path)


def test_only_how_long_where_and_how_often_may_change(tmp_path):
  config = dcgan.get_config()
  configs.write_json(tmp_path / 'config.json', config.to_dict())
  config.num_steps, config.mesh.fsdp, config.checkpoint.keep_latest = 9, 2, 7
  configs.require_same_run(config, tmp_path)
  config.optimizers.generator.b1 = 0.9
  with pytest.raises(ValueError, match=r'config.optimizers.generator.b1 is 0.5 there and 0.9 here\. Choose another'):
    configs.require_same_run(config, tmp_path)


def test_a_run_from_before_a_field_existed_goes_on_as_it_began(tmp_path):
  config = dcgan.get_config()
  before = {name: value for name, value in config.to_dict().items() if name != 'private_data'}
  configs.write_json(tmp_path / 'config.json', before)
  configs.require_same_run(config, tmp_path)
  config.private_data = True
  with pytest.raises(ValueError, match=r'config\.private_data is False there and True here'):
    configs.require_same_run(config, tmp_path)
