"""A path is looked for in a config, and the closest one is suggested."""

import re

import pytest

from configs import dcgan
from gengan.config import ConfigError
from gengan.config.fields import find, flatten, missing_field, walk


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
  wrong = missing_field(dcgan.get_config(), path)
  assert wrong is None if message is None else re.search(message, wrong), wrong


def test_a_field_is_found_by_its_path():
  config = dcgan.get_config()
  assert find(config, 'model.width') == 32 and find(config, 'model') is config.model
  for path in ('model.wdth', 'model.width.more', 'nothing.at.all'):
    with pytest.raises(ConfigError, match=rf'^config\.{path} is missing; it must be there$'):
      find(config, path)


def test_every_path_leads_to_its_value():
  config = dcgan.get_config()
  flat = flatten(config)
  assert flat == flatten(config.to_dict())
  assert flat['optimizers.generator.b1'] == 0.5
  assert {path: value for path, value in walk(config) if path in flat} == flat
