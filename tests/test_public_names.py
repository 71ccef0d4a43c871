"""The names that others rely on: they are there, and the example in the docstring of each runs."""

import ast
import doctest
import importlib
import inspect
import itertools

import jax
import pytest

import gengan
from gengan import likelihoods, losses

NAMES = [  # and `load`, whose example needs a run: tests/train/test_train.py
  'State',
  'Algorithm',
  'gan.make',
  'gan.alternating',
  'vae.make',
  'latent.on',
  *(f'losses.{name}' for name in losses.GAN_LOSSES),
  'losses.GanLoss',
  'likelihoods.gaussian_kl',
  *(f'likelihoods.{name}' for name in vars(likelihoods) if name.endswith('_log_likelihood')),
  *(f'terms.{name}' for name in ('r1', 'r2', 'gradient_penalty', 'path_length')),
  'layers.ConvTranspose',
  *(f'metrics.{name}' for name in ('frechet_distance', 'kernel_distance', 'inception_score')),
  *(f'metrics.{name}' for name in ('precision_recall_density_coverage', 'authenticity', 'data_copying', 'vendi_score')),
  'sharding.compile_step',
  'train.run',
]


def find(name):
  value = gengan
  for part in name.split('.'):
    value = getattr(value, part)
  return value


def docstring(name):
  """That of a function or class; of a value, the string that stands below it in its module."""
  value = find(name)
  if inspect.isfunction(value) or inspect.isclass(value):
    return value.__doc__, importlib.import_module(value.__module__)
  module = importlib.import_module(f'gengan.{name.rpartition(".")[0]}')
  body = ast.parse(inspect.getsource(module)).body
  for node, below in itertools.pairwise(body):
    if isinstance(node, ast.Assign) and node.targets[0].id == name.rpartition('.')[2]:
      return ast.literal_eval(below.value), module
  raise AssertionError(f'{name} has no docstring')


@pytest.mark.parametrize('name', NAMES)
def test_the_example_of_a_public_name_runs(name, monkeypatch, tmp_path):
  monkeypatch.chdir(tmp_path)
  text, module = docstring(name)
  test = doctest.DocTestParser().get_doctest(text, vars(module) | {'gengan': gengan}, name, None, 0)
  assert test.examples, f'{name} has no example'
  assert not any(doctest.SKIP in example.options for example in test.examples)
  with jax.default_device(jax.devices()[0]):
    assert doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test).failed == 0


def test_the_version_is_said_once():
  assert gengan.__version__.count('.') == 2
  assert {'load', 'State', 'gan', 'metrics'} <= set(dir(gengan))
  with pytest.raises(AttributeError, match='discriminate'):
    gengan.discriminate  # noqa: B018
