"""The files in configs/: each is read with `defaults` alone, and those that speak of the same agree."""

import ast
import contextlib
import importlib
import pathlib

import pytest

from configs import conditional_dcgan, residual_dcgan
from configs.utility import digits, fashion_mnist, generated_alone, mnist
from gengan.config import ConfigError, check, defaults, make_algorithm, set_classes

ROOT = pathlib.Path(__file__).parents[2]
FILES = sorted((ROOT / 'configs').rglob('*.py'))


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.name)
def test_a_config_imports_no_other_than_defaults_and_nothing_by_the_name_of_its_folder(path):
  for node in ast.walk(ast.parse(path.read_text())):
    if isinstance(node, ast.ImportFrom):
      names = [alias.name for alias in node.names]
      assert (node.module, names) in [('ml_collections', ['ConfigDict']), ('gengan.config', ['defaults'])]
    assert not isinstance(node, ast.Import)


def without_length(config):
  return {name: value for name, value in config.to_dict().items() if name != 'num_steps'}


@pytest.mark.parametrize('comparison', [digits, fashion_mnist, mnist], ids=lambda module: module.__name__)
@pytest.mark.parametrize('variant', ['digits', 'mnist', 'fashion_mnist'])
def test_a_comparison_is_of_the_conditional_generator(comparison, variant):
  expected = without_length(conditional_dcgan.get_config(variant))
  assert comparison.get_config(variant).generator.to_dict() == expected


def test_generated_images_alone_are_those_of_the_residual_generator():
  expected = without_length(residual_dcgan.get_config('fashion_mnist'))
  assert generated_alone.get_config('fashion_mnist').generator.to_dict() == expected
  expected = without_length(conditional_dcgan.get_config('mnist'))
  assert generated_alone.get_config('mnist').generator.to_dict() == expected


def test_a_section_of_data_takes_what_it_is_given():
  data = defaults.data('mnist', image_size=8)
  assert (data.source, data.image_size, data.flip) == ('tfds:mnist', 8, False)
  assert defaults.data('celeb_a').flip
  with pytest.raises(ValueError, match=r"'nope'; it must be one of digits, mnist"):
    defaults.data('nope')
  with pytest.raises(ConfigError, match=r'config\.data\.image_sze is 8, but there is none but .*image_size'):
    defaults.data('digits', image_sze=8)
  with pytest.raises(ConfigError, match=r"config.data.range is \(0, 255\); it must be like 'auto'"):
    defaults.data('digits', range=(0, 255))


def test_two_optimizers_do_not_share_a_schedule():
  config = conditional_dcgan.get_config('mnist')
  config.optimizers.generator.learning_rate.end = 1e-5
  assert config.optimizers.discriminator.learning_rate.end == 0.0


@pytest.mark.parametrize(
  ('argument', 'expected'),
  [
    ('digits', ('digits', True)),
    ('small', ('digits', True)),
    ('digits,small', ('digits', True)),
    ('cifar10', ('cifar10', False)),
    ('cifar10,small', ('cifar10', True)),
    ('small,folder', ('folder', True)),
  ],
)
def test_the_argument_of_a_config_says_the_set_and_the_size(argument, expected):
  assert defaults.variant_and_size(argument) == expected


@pytest.mark.parametrize(
  ('argument', 'message'),
  [
    ('cifar11', "'cifar11'; it must be one of digits, mnist"),
    ('cifar10,tiny', "'tiny'; it must be one of digits"),
    ('cifar10,mnist', "'cifar10,mnist'; it must be an image set, 'small', or both"),
    ('', "''; it must be one of digits"),
  ],
)
def test_an_argument_with_other_words_is_refused(argument, message):
  with pytest.raises(ValueError, match=message):
    defaults.variant_and_size(argument)


RECIPES = [path.stem for path in FILES if path.parent.name == 'configs' and path.stem != '__init__']


def variants_of(recipe):
  """Its configs: the usual one, and those of every image set and size that it takes."""
  get_config = importlib.import_module(f'configs.{recipe}').get_config
  yield get_config()
  for name in defaults.VARIANTS:
    for argument in (name, f'{name},small'):
      with contextlib.suppress(ValueError):
        yield get_config(argument)


@pytest.mark.parametrize('recipe', RECIPES)
def test_every_variant_of_every_config_is_one_that_trains(recipe):
  for config in variants_of(recipe):
    check(config)
    set_classes(config, 10, labelled=True)
    assert callable(make_algorithm(config).train_step)
