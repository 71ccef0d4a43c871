"""What a field means is read from the source of its config."""

import importlib

import pytest

from configs import dcgan, vae
from gengan.config import comments

SOURCE = """
def get_config():
  config = ConfigDict()
  config.seed = 0  # of all noise

  config.model = ConfigDict()  # the networks
  # one line
  # and another
  config.model.width = 3
  config.model.depth = (
    1
  )  # below
  config.alone = 1
  other = 3  # no field
"""


def test_comments_stand_behind_or_above():
  behind, above = comments.read(SOURCE)
  assert behind == {'seed': 'of all noise', 'model': 'the networks', 'model.depth': 'below'}
  assert above == {'model.width': 'one line and another'}


def test_what_a_file_says_above_a_value_does_not_hide_what_the_field_means():
  line = next(line for line in comments.describe(dcgan.get_config(), dcgan).splitlines() if 'num_steps=6000' in line)
  assert line.endswith('train steps of the whole run')


def test_the_longest_path_speaks():
  found = {'width': 'of anything', 'model.width': 'of the model'}
  assert comments.comment(found, 'generator.model.width') == 'of the model'
  assert comments.comment(found, 'generator.width') == 'of anything'
  assert comments.comment(found, 'generator.depth') == ''


def test_the_file_itself_speaks_before_what_it_imports():
  text = comments.describe(vae.get_config(), vae)
  line = next(line for line in text.splitlines() if line.startswith('  --config.data.binarise='))
  assert line.split() == ["--config.data.binarise='none'", 'none', '|', 'threshold', '|', 'stochastic']


@pytest.mark.parametrize(
  'name',
  ['dcgan', 'conditional_dcgan', 'residual_dcgan', 'art', 'vae']
  + [f'utility.{name}' for name in ('digits', 'fashion_mnist', 'mnist', 'generated_alone')],
)
def test_every_field_of_every_config_has_a_comment(name):
  module = importlib.import_module(f'configs.{name}')
  lines = comments.describe(module.get_config(), module).splitlines()
  assert [line for line in lines if not line[comments.COLUMN :].partition('  ')[2].strip()] == []
