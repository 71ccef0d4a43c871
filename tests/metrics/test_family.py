"""Scores bear the right names, and families are refused where they cannot be measured."""

import sys

import jax
import numpy as np
import pytest

from gengan import metrics
from gengan.core import ArgumentError
from gengan.metrics import consistency, family
from gengan.metrics.features import Features
from gengan.networks import classifier, pixels
from gengan.networks.network import Network
from tests.evaluate.test_extraction import RNG, extract

NEED_SAMPLES_ALONE = sorted(family.known().keys() - {'likelihood', 'classification_accuracy', 'path_length'})


def measure(name, network, **sets):
  return family.find(name).measure(family.Inputs(sets.__getitem__, network))


@pytest.mark.parametrize(
  'name, resizer, expected',
  [
    ('inception_fid', 'tensorflow', 'fid'),
    ('inception_fid', 'clean', 'clean_fid'),
    ('inception_other', 'tensorflow', 'fd_inception_other'),
    ('classifier', 'none', 'fd_classifier'),
  ],
)
def test_only_the_published_network_gives_a_fid(name, resizer, expected):
  found = extract(pixels.pixels((8, 8, 3)))
  network = Network(name, '', found.rows.shape[1], resizer, 'float32', lambda x: {})
  with pytest.warns(metrics.FewSamplesWarning):
    scores = measure('frechet', network, real=found, generated=found).values
  assert list(scores) == [expected] and abs(scores[expected]) < 1e-6


@pytest.mark.parametrize('name', ['fid', 'checks', 'no such', 'no_such.package', ''])
def test_what_is_no_family_is_refused(name):
  message = f'metrics is {name!r}; it must be some of classification_accuracy, consistency, copying, frechet.*FAMILY'
  with pytest.raises(ArgumentError, match=message):
    family.check(['frechet', name], ())


@pytest.mark.parametrize(
  'name, lacks, message',
  [
    ('inception_score', family.CLASSES, 'inception_score needs a network that classifies'),
    ('consistency', family.OWN_CLASSES, 'consistency needs the network that knows the labels of this data'),
    ('consistency', family.CONDITIONAL, 'consistency needs a class-conditional model'),
    ('intra_class', family.CONDITIONAL, 'intra_class needs a class-conditional model'),
    ('likelihood', family.evaluated('log_weight'), 'likelihood needs a model whose eval_step gives log_weight'),
    ('path_length', family.FLOAT_LATENTS, 'path_length needs a model whose latents are numbers, not codes'),
  ],
)
def test_what_cannot_be_measured_is_refused(name, lacks, message):
  family.check([name], family.find(name).needs)
  with pytest.raises(ArgumentError, match=f"metrics is '{name}', but {message}"):
    family.check(['frechet', name], set(family.find(name).needs) - {lacks})


def test_a_model_that_is_not_known_yet_is_not_asked():
  family.check(['likelihood', 'path_length'], (), model=False)
  with pytest.raises(ArgumentError, match='class-conditional'):
    family.check(['likelihood', 'intra_class'], (), model=False)


def test_accuracies_by_class_against_a_loop():
  right = RNG.integers(0, 2, 50).astype(bool)
  labels = np.arange(50) % 4
  expected = [np.mean([r for r, label in zip(right, labels, strict=True) if label == k]) for k in range(4)]
  assert consistency.accuracies_by_class(right, labels, 4) == pytest.approx(expected)
  with pytest.raises(ValueError, match='no image of class 4'):
    consistency.accuracies_by_class(right, labels, 5)


@pytest.mark.filterwarnings('ignore::gengan.metrics.checks.FewSamplesWarning')
@pytest.mark.parametrize('name', NEED_SAMPLES_ALONE)
def test_the_names_of_scores_begin_as_their_family_says(name):
  variables = classifier.ResNet(3, 4).init(jax.random.key(0), np.zeros((1, 8, 8, 3)), train=False)
  network = classifier.as_network(classifier.Classifier(variables, 3, 4, 0.0, 1))
  found = extract(network)
  scores = measure(name, network, real=found, train=found, generated=found)
  assert scores.values and all(family.meaning(score, [family.find(name)]).text for score in scores.values)
  assert scores.by_class.keys() <= scores.values.keys()


def test_no_two_families_claim_one_name():
  families = family.known()
  for name, each in families.items():
    for start in each.names:
      assert [other for other in families if start in families[other].names] == [name]


def test_the_inception_score_comes_in_one_and_in_ten_splits(monkeypatch):
  logits = np.stack([np.arange(20.0), np.zeros(20)], axis=1)
  found = Features(None, logits[:, :1], np.arange(20), logits, np.zeros(20, int))
  network = Network('classifier', '', 1, 'none', 'float32', lambda x: {})
  assert list(measure('inception_score', network, generated=found).values) == ['is_classifier']
  monkeypatch.setattr(sys.modules['gengan.metrics.inception_score'], 'SPLIT_ROWS', 2)
  scores = measure('inception_score', network, generated=found).values
  p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)

  def score(part):
    return np.exp(np.mean([sum(x * np.log(x / m) for x, m in zip(row, part.mean(0), strict=True)) for row in part]))

  assert scores['is_classifier'] == pytest.approx(score(p))
  assert scores['is_10_splits_classifier'] == pytest.approx(np.mean([score(p[i : i + 2]) for i in range(0, 20, 2)]))


@pytest.mark.parametrize(
  'score, better, words',
  [
    ('reconstruction_error', 'lower', 'squared error'),
    ('recon', 'higher', 'log-likelihood'),
    ('clean_kid', 'lower', 'clean-fid'),
    ('fd_classifier', 'lower', 'not FID'),
    ('fd_infinity_pixels', 'lower', 'endless'),
    ('label_consistency_worst_class', 'higher', 'worst'),
    ('label_consistency', 'higher', 'asked for'),
  ],
)
def test_a_family_says_which_way_is_better(score, better, words):
  found = family.meaning(score, family.known().values())
  assert found.better == better and words in found.text
