"""Every function that docs/mathematics.md names exists, and every public loss is in it."""

import importlib
import pathlib
import re

import pytest

from gengan import likelihoods as densities
from gengan import losses
from gengan.config import defaults

PAGE = (pathlib.Path(__file__).parents[1] / 'docs' / 'mathematics.md').read_text()
NAMES = sorted(set(re.findall(r'`(gengan\.[a-z_.0-9]+)`', PAGE)))


@pytest.mark.parametrize('name', NAMES)
def test_every_function_named_exists(name):
  module, attribute = name.rsplit('.', 1)
  found = getattr(importlib.import_module(module), attribute)
  assert callable(found) or isinstance(found, losses.GanLoss)


def test_every_loss_and_penalty_has_its_formula():
  named = {name.rsplit('.', 1)[1] for name in NAMES}
  likelihoods = {name for name in vars(densities) if name.endswith('_log_likelihood')}
  assert {*losses.GAN_LOSSES, *likelihoods, 'gaussian_kl', *defaults.gan().lazy} - {
    'd_classification',
    'g_classification',
  } <= named
  assert {'classification', 'top_k_generator_loss'} <= named
  assert len(likelihoods) == 4


def test_every_section_that_names_a_function_has_a_formula_and_formulas_are_closed():
  assert PAGE.count('$$') % 2 == 0
  for section in re.split(r'^#+ ', PAGE, flags=re.MULTILINE):
    if '`gengan.' in section.split('\n')[0]:
      assert '$$' in section, section.split('\n')[0]
