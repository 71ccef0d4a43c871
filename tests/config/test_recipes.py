"""From a config to its algorithm: the recipe by its import path, and the classes of the data."""

import sys
import types

import pytest
from ml_collections import ConfigDict

from configs import dcgan
from gengan.config import ConfigError, classes, make_algorithm, set_classes


def test_a_recipe_is_an_import_path():
  with pytest.raises(ConfigError, match=r"model\.name is 'json', which has no make\(config\); it must"):
    make_algorithm(ConfigDict({'model': {'name': 'json'}}))
  with pytest.raises(
    ConfigError, match=r"no_such', whose import fails: No module .*; it must be .*gengan.models.dcgan"
  ):
    make_algorithm(ConfigDict({'model': {'name': 'gengan.models.no_such'}}))


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
  with pytest.raises(ConfigError, match=message) as error:
    make_algorithm(config)
  assert '\n' not in str(error.value)


def test_an_error_of_a_recipe_itself_stays_what_it_is(monkeypatch):
  module = types.ModuleType('recipe')
  module.make = lambda config, axis_name=None: module.no_such
  monkeypatch.setitem(sys.modules, 'recipe', module)
  config = ConfigDict({'model': {'name': 'recipe'}})
  with pytest.raises(AttributeError, match='no_such'):
    make_algorithm(config)
  module.make = lambda config, axis_name=None: None
  with pytest.raises(ConfigError, match=r"is 'recipe', whose make.* gives no Algorithm"):
    make_algorithm(config)
  module.make = lambda config, axis_name=None: config.optimizer
  with pytest.raises(ConfigError, match=r'^config\.optimizer is missing, which recipe reads'):
    make_algorithm(config)


@pytest.mark.parametrize(
  ('conditional', 'given', 'found', 'labelled', 'expected'),
  [
    (True, 0, 10, True, 10),
    (True, 12, 10, True, 12),
    (True, 5, 10, True, r'num_classes is 5, but the data has 10 classes; it must be at least 10'),
    (True, 0, 1, False, r"conditional is True, but the images of 'digits' have no labels; it must be False"),
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
    set_classes(config, found, labelled=labelled)
    assert config.model.num_classes == expected
  else:
    with pytest.raises(ConfigError, match=rf'config\.model\.{expected}'):
      set_classes(config, found, labelled=labelled)


def test_one_function_says_how_many_classes_a_model_is_asked_for():
  assert classes(ConfigDict({'model': {'num_classes': 10}})) == 0  # as many as the data has, but nothing reads them
  assert classes(ConfigDict({'model': {'conditional': False, 'num_classes': 10}})) == 0
  assert classes(ConfigDict({'model': {'conditional': True, 'num_classes': 10}})) == 10
  for model in ({'conditional': True}, {'conditional': True, 'num_classes': 0}):
    with pytest.raises(ConfigError, match=r'^config\.model\.num_classes is (missing|0), but a conditional model'):
      classes(ConfigDict({'model': model}))


def test_a_conditional_recipe_need_not_name_the_number_of_classes():
  config = ConfigDict({'model': {'conditional': True}, 'data': {'source': 'digits'}}).lock()
  set_classes(config, 10, labelled=True)
  assert classes(config) == 10 and config.is_locked
