"""Which scores carry which caution, and that the reasons given for them are true."""

import dataclasses
import pathlib

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from sklearn.datasets import load_digits

from gengan import metrics
from gengan.config import command_line, places
from gengan.evaluate import cautions, summary
from gengan.evaluate.protocol import Evaluation
from gengan.metrics import family
from tests.evaluate.test_protocol import PROTOCOL

ABOUT = {'kimg': 400.0, 'step': 100, 'num_steps': 100, 'features': 64, 'fewest_of_class': {'1': 5000, '2': 5000}}
MANY = {'num_real': 10_000, 'num_generated': 10_000, 'num_pairwise': 10_000, 'network': 'classifier'}


def found(scores, *, about=None, **changes):
  """Kinds of caution -> the scores that they are about."""
  evaluation = Evaluation(
    dict.fromkeys(scores, 1.0), {}, dataclasses.replace(PROTOCOL, **(MANY | changes)), ABOUT | (about or {})
  )
  return {each.kind: each.scores for each in cautions.cautions(evaluation, family.known())}


def test_many_images_on_a_network_that_sees_have_none():
  names = [
    start if not start.endswith('_') else f'{start}classifier' for f in family.known().values() for start in f.names
  ]
  assert found(names) == {}


@pytest.mark.parametrize(
  'score, changes, few',
  [
    ('fd_classifier', {'num_real': 2047}, True),
    ('fd_classifier', {'num_generated': 2047, 'num_real': 2000}, True),
    ('fd_classifier', {'num_pairwise': 100}, False),  # it takes all
    ('precision_classifier', {'num_real': 999}, True),
    ('precision_classifier', {'num_pairwise': 999}, True),
    ('precision_classifier', {'num_real': 1000}, False),
    ('kd_classifier', {'num_real': 999}, True),
    ('kid', {'num_real': 999}, True),
    ('is_classifier', {'num_real': 100}, False),  # it looks at samples alone
    ('is_classifier', {'num_generated': 4999, 'num_real': 100}, True),
    ('label_consistency', {'about': {'fewest_of_class': {'1': 19}}}, True),
    ('classification_accuracy_score', {'about': {'fewest_of_class': {'1': 20}}}, False),
    ('intra_fd_classifier', {'about': {'fewest_of_class': {'1': 3000, '2': 500}}}, True),
    ('elbo', {'num_real': 10}, False),  # its standard error says it
  ],
)
def test_few_images(score, changes, few):
  assert found([score], **changes).get('few_images') == ((score,) if few else None)


def test_no_more_images_than_dimensions():
  assert found(['fd_classifier', 'kd_classifier'], about={'features': 10_000})['few_for_dimensions'] == (
    'fd_classifier',
  )


def test_smaller_sets_than_usual():
  assert cautions.samples_of_protocol(179) == 2048 and cautions.samples_of_protocol(60_000) == 10_000
  names = ['fd_classifier', 'classification_accuracy_score', 'elbo', 'path_length_classifier']
  assert found(names, num_generated=9_999)['small_sets'] == ('fd_classifier',)


@pytest.mark.parametrize('network', ['pixels', 'pca'])
def test_grey_levels(network):
  named = f'precision_{network}'
  assert found([named, 'classification_accuracy_score'], network=network)['pixels'] == (named,)


def test_a_model_that_has_hardly_been_trained():
  assert found(['elbo'], about={'kimg': 25.6}) == {'barely_trained': ()}
  assert found(['elbo'], about={'step': 49}) == {'unfinished': ()}
  assert found(['elbo'], about={'step': 50}) == {}


@pytest.mark.parametrize(
  ('step', 'where'), [(20, 'at step 20 of 100'), (100, 'at step 100 of 100'), (200, 'at step 200')]
)
def test_no_run_is_at_step_20_of_10(step, where):
  evaluation = Evaluation({'elbo': 1.0}, {}, PROTOCOL, ABOUT | {'kimg': 25.6, 'step': step})
  told = next(each.text for each in cautions.cautions(evaluation, family.known()) if each.kind == 'barely_trained')
  assert f'({where})' in told


@pytest.mark.parametrize('name', [name for name in places.recipes() if '/' not in name])
def test_no_recipe_that_was_trained_to_its_end_is_called_barely_trained(name):
  for value in (name, f'{name}:folder,small'):
    try:
      config = command_line.load(value).config
    except ValueError:  # it has no such variant
      continue
    assert found(['elbo'], about={'kimg': config.num_steps * config.batch_size / 1000}) == {}


def test_copies():
  evaluation = Evaluation({'data_copying_z_pixels': -3.1, 'data_copying_c_t_pixels': -9.0}, {}, PROTOCOL, ABOUT)
  (one,) = (each for each in cautions.cautions(evaluation, {}) if each.kind == 'copies')
  assert one.scores == ('data_copying_z_pixels',) and 'z = -3.1' in one.text


def test_a_table_names_the_cautions_of_every_score():
  evaluation = Evaluation(
    {'fd_pixels': 12.3456, 'elbo': -3.0}, {'fd_pixels': 0.05}, PROTOCOL, ABOUT, real={'fd_pixels': 1.5}
  )
  families = {name: family.find(name) for name in ('frechet', 'likelihood')}
  evaluation = dataclasses.replace(
    evaluation,
    cautions=cautions.cautions(evaluation, families),
    not_measured={'kernel': 'too few'},
    left_out={'intra_class': {'7': 'no test image'}},
  )
  head, _, heads, first, second, _, *rest = summary.text(evaluation, families).splitlines()
  assert head == '100 images of the test split, 2 sets of 200 samples, features of pixels'
  assert heads.split() == ['score', 'value', 'real', 'images', 'better']
  assert first.split() == ['fd_pixels', '12.35', '±', '0.05', '1.5', '↓', 'lower', '[1]', '[2]', '[3]']
  assert second.split() == ['elbo', '-3', '↑', 'higher']
  text = ' '.join(' '.join(rest).split())
  assert '[1] 100 images are few (below 2,048): a Fréchet distance of fewer is biased upwards' in text
  assert 'left out of intra_class: 7 (no test image)' in text and text.endswith('not measured: kernel: too few')


def test_the_page_on_evaluation_shows_what_is_printed(monkeypatch):
  monkeypatch.setenv('COLUMNS', '120')
  page = (pathlib.Path(__file__).parents[2] / 'docs/evaluation.md').read_text()
  shown = page.partition('and ends with:\n\n```\n')[2].partition('\npage ')[0].splitlines()
  names = ('fd_pixels', 'precision_pixels', 'recall_pixels', 'density_pixels', 'coverage_pixels')
  of = lambda *values: dict(zip(names, values, strict=True))
  counts = {'num_real': 179, 'num_generated': 2048, 'num_pairwise': 10_000, 'seeds': (0, 1, 2)}
  evaluation = Evaluation(
    of(7.08, 0.6348, 0.4618, 0.663, 0.9385),
    of(0.13, 0.0085, 0.038, 0.012, 0.015),
    dataclasses.replace(PROTOCOL, **counts),
    {'kimg': 25.6, 'step': 400, 'num_steps': 400, 'features': 256, 'fewest_of_class': {'1': 17}},
    real=of(1.961, 0.8923, 0.8994, 0.9779, 1.0),
  )
  families = {name: family.known()[name] for name in ('frechet', 'manifold')}
  found = dataclasses.replace(evaluation, cautions=cautions.cautions(evaluation, families))
  printed = summary.text(found, families).splitlines()
  assert len(shown) > 8 and [line for line in printed if line in shown] == [line for line in shown if line != '...']


def shuffled_digits():
  data = load_digits()
  order = np.random.default_rng(0).permutation(len(data.data))
  return (data.data[order] / 8 - 1).astype(np.float32), data.target[order]


def test_few_real_images_let_blurred_samples_pass():
  """The numbers beside `manifold.ENOUGH`."""
  x, _ = shuffled_digits()
  blurred = gaussian_filter(x[900:].reshape(-1, 8, 8), (0, 1, 1)).reshape(len(x) - 900, -1)
  precision = lambda count, samples: metrics.precision_recall(x[:count], samples)['precision']
  assert precision(179, blurred) > 0.9 > 0.4 > precision(900, blurred)
  assert 0.85 < precision(900, x[900:]) < 0.95


def test_on_grey_levels_averages_of_images_are_more_precise_than_images():
  x, y = shuffled_digits()
  rng, pool, labels = np.random.default_rng(1), x[900:], y[900:]
  averages = [pool[rng.choice(np.flatnonzero(labels == k % 10), 4)].mean(axis=0) for k in range(800)]
  precision = lambda samples: metrics.precision_recall(x[:900], samples)['precision']
  assert precision(np.stack(averages)) > precision(pool)
