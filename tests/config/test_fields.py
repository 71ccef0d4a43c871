"""A path is looked for in a config, and the closest one is suggested."""

import re

import pytest

from configs import dcgan
from gengan.config.fields import missing_field


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
