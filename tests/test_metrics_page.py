"""Every metric that anything reports is explained in docs/metrics.md; the names come from the code."""

import ast
import json
import pathlib
import re

import jax
import pytest

import gengan.config
from gengan import runs
from gengan.evaluate import cautions
from gengan.metrics import collapse, family
from gengan.train.writers import JsonLinesWriter
from tests.models import test_contract, test_contract_today
from tests.models.contract import ROWS

ROOT = pathlib.Path(__file__).parents[1]
PAGE = (ROOT / 'docs' / 'metrics.md').read_text()
ROWS_OF = [
  [cell.strip() for cell in re.split(r'(?<!\\)\|', line)[1:-1]] for line in PAGE.splitlines() if line[:1] == '|'
]
EXPLAINED = {name: row for row in ROWS_OF[::-1] for name in re.findall(r'`([^`]+)`', row[0])}  # of two rows, the first
PATTERNS = {name: re.compile(re.sub('<.*?>', '.+', name)) for name in EXPLAINED}


def explained(name):
  return any(pattern.fullmatch(name) for pattern in PATTERNS.values())


def training_metrics():
  """What the recipes' steps give, what any term, bound or posterior gives, and what stands on every line."""
  found = {*collapse.METRICS}
  for make in (test_contract.RECIPES | test_contract_today.RECIPES).values():
    config = make()
    algorithm, batch = gengan.config.make_algorithm(config), runs.example_batch(config, ROWS)
    key = jax.eval_shape(lambda: jax.random.key(0))
    state = jax.eval_shape(algorithm.init, key, batch)
    found |= jax.eval_shape(algorithm.train_step, state, batch, key)[1].keys()
    found |= jax.eval_shape(algorithm.eval_step, state, batch, key).keys()
  package = ROOT / 'gengan'
  for path in (
    package / 'vae.py',
    *(path for room in ('terms', 'latent') for path in sorted((package / room).glob('*.py'))),
  ):
    found |= given_in(ast.parse(path.read_text()))
  return sorted(found)


def given_in(tree):
  """Keys of the dicts that are returned alone or as the second of a tuple, and names given to `terms.simple`."""
  found = set()
  for node in ast.walk(tree):
    dicts = []
    if isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple):
      dicts = [part for outer in node.value.elts[1:2] for part in (outer, *getattr(outer, 'elts', ()))]
    elif isinstance(node, ast.Return) and isinstance(node.value, ast.Dict):
      dicts = [node.value]
    elif isinstance(node, ast.Call) and getattr(node.func, 'id', '') == 'simple':
      found |= {given.value for given in node.args[:1] if isinstance(given, ast.Constant)}
    for each in dicts:
      if isinstance(each, ast.Dict):
        found |= {key.value for key in each.keys if isinstance(key, ast.Constant)}
  return found - {'image', 'label', 'codes', 'prior', 'params'}  # batches and collections


def test_the_list_is_not_empty():
  names = training_metrics()
  assert {'d_loss', 'r1', 'path_length', 'commitment', 'perplexity', 'nll', 'orthogonal', 'elbo', 'g_grad_norm'} <= set(
    names
  )


@pytest.mark.parametrize('name', [pytest.param(name, id=name) for name in training_metrics()])
def test_training_metrics_are_explained(name):
  assert explained(name), f'{name} is reported, but docs/metrics.md has no row for it'


def test_what_stands_on_every_line_is_explained(tmp_path):
  with JsonLinesWriter(tmp_path / 'metrics.jsonl', batch_size=2) as writer:
    writer.write_scalars(1, {})
  assert all(explained(name) for name in (*json.loads((tmp_path / 'metrics.jsonl').read_text()), 'images/s'))


@pytest.mark.parametrize('name', sorted(family.known()))
def test_scores_are_explained_under_their_family(name):
  heading = next(part for part in PAGE.split('\n## ')[1:] if f'`{name}`' in part.splitlines()[0])
  assert '\nProtocol: ' in heading and '\nPaper: ' in heading
  for start, meaning in family.find(name).names.items():
    score = f'{start}x' if start.endswith('_') else start
    assert explained(score), f'{score} is reported, but docs/metrics.md has no row for it'
    row = EXPLAINED[
      f'{start}<network>'
      if f'{start}<network>' in EXPLAINED
      else next(name for name in EXPLAINED if name.partition('<')[0] == start)
    ]
    assert len(row) == 5 and row[1] and row[2]
    better = {'higher': 'higher', 'lower': 'lower', '': ''}.get(meaning.better, f'best {meaning.better}')
    assert better in row[2], f'{start}: {meaning.better}'


def test_kinds_of_cautions_are_explained():
  tree = ast.parse(pathlib.Path(cautions.__file__).read_text())
  calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and getattr(node.func, 'id', '') == 'Caution']
  kinds = {call.args[0].value for call in calls}
  assert len(kinds) > 5 and kinds <= EXPLAINED.keys()
