"""Configs: the checks every recipe shares, and the files beside a run."""

import json

import pytest
from ml_collections import ConfigDict

from configs import dcgan
from gengan import config as configs


def test_the_default_configs_pass():
  for variant in ('digits', 'mnist', 'fashion_mnist', 'cifar10', 'celeb_a', 'folder'):
    configs.check(dcgan.get_config(variant))


@pytest.mark.parametrize(
  ('field', 'value', 'right'),
  [
    ('num_steps', 0, 'at least 1'),
    ('eval_every_steps', -1, 'at least 1'),
    ('mesh.mode', 'vmap', 'jit, pmap'),
    ('checkpoint.best_mode', 'up', 'min, max'),
    ('checkpoint.keep_every_steps', -1, '0 keeps none'),
  ],
)
def test_a_field_that_cannot_be_is_named_with_what_can(field, value, right):
  config = dcgan.get_config()
  config.update_from_flattened_dict({field: value})
  with pytest.raises(ValueError, match=rf'config\.{field} is .*{right}'):
    configs.check(config)


def test_pmap_shards_no_state():
  config = dcgan.get_config()
  config.mesh.update(mode='pmap', fsdp=2)
  with pytest.raises(ValueError, match=r'config\.mesh\.fsdp'):
    configs.check(config)


def test_a_recipe_is_an_import_path():
  with pytest.raises(ValueError, match=r'config\.model\.name.*json.*make'):
    configs.make_algorithm(ConfigDict({'model': {'name': 'json'}}))
  with pytest.raises(ValueError, match=r'config\.model\.name.*gengan.models.dcgan'):
    configs.make_algorithm(ConfigDict({'model': {'name': 'gengan.models.no_such'}}))


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


def test_only_how_long_where_and_how_often_may_change(tmp_path):
  config = dcgan.get_config()
  configs.write_json(tmp_path / 'config.json', config.to_dict())
  config.num_steps, config.mesh.fsdp, config.checkpoint.keep_latest = 9, 2, 7
  configs.require_same_run(config, tmp_path)
  config.optimizers.generator.b1 = 0.9
  with pytest.raises(ValueError, match=r'config.optimizers.generator.b1 is 0.5 there and 0.9 here\. Choose another'):
    configs.require_same_run(config, tmp_path)
