"""Scores bear the right names, and families are refused where they cannot be measured."""

import jax
import numpy as np
import pytest

from gengan import metrics
from gengan.metrics import suite
from gengan.networks import classifier, features
from gengan.networks.network import Network
from tests.networks.test_features import RNG, extract


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
  found = extract(features.pixels((8, 8, 3)))
  network = Network(name, '', found.rows.shape[1], resizer, 'float32', lambda x: {})
  with pytest.warns(metrics.FewSamplesWarning):
    scores = suite.measure(['frechet'], suite.Inputs(found, None, found, network))
  assert list(scores) == [expected] and abs(scores[expected]) < 1e-6


@pytest.mark.parametrize(
  'family, network, conditional, message',
  [
    ('fid', 'pixels', True, "unknown metrics 'fid'; it must be some of frechet"),
    ('inception_score', 'pixels', True, 'inception_score needs a network that classifies'),
    ('consistency', 'inception:file', True, 'consistency needs the network that knows the labels of this data'),
    ('consistency', 'classifier', False, 'consistency needs a class-conditional model'),
    ('intra_class', 'pixels', False, 'intra_class needs a class-conditional model'),
    ('likelihood', 'pixels', True, 'likelihood needs a model with an encoder'),
  ],
)
def test_what_cannot_be_measured_is_refused(family, network, conditional, message):
  with pytest.raises(ValueError, match=message):
    suite.check([family], network=network, conditional=conditional, encoder=False)
  suite.check(['inception_score', 'frechet'], network='inception:file', conditional=False, encoder=False)


def test_accuracies_by_class_against_a_loop():
  right = RNG.integers(0, 2, 50).astype(bool)
  labels = np.arange(50) % 4
  expected = [np.mean([r for r, label in zip(right, labels, strict=True) if label == k]) for k in range(4)]
  assert suite.accuracies_by_class(right, labels, 4) == pytest.approx(expected)
  with pytest.raises(ValueError, match='no image of class 4'):
    suite.accuracies_by_class(right, labels, 5)


@pytest.mark.filterwarnings('ignore::gengan.metrics.checks.FewSamplesWarning')
@pytest.mark.parametrize('family', [name for name, family in suite.FAMILIES.items() if family.measure])
def test_the_names_of_scores_begin_as_their_family_says(family):
  variables = classifier.ResNet(3, 4).init(jax.random.key(0), np.zeros((1, 8, 8, 3)), train=False)
  network = features.of_classifier(classifier.Classifier(variables, 3, 4, 0.0, 1))
  found = extract(network)
  scores = suite.measure([family], suite.Inputs(found, found, found, network))
  assert scores and all(name.startswith(suite.FAMILIES[family].names) for name in scores)


def test_the_inception_score_comes_in_one_and_in_ten_splits(monkeypatch):
  logits = np.stack([np.arange(20.0), np.zeros(20)], axis=1)
  found = features.Features(None, logits[:, :1], np.arange(20), logits, np.zeros(20, int))
  network = Network('classifier', '', 1, 'none', 'float32', lambda x: {})
  inputs = suite.Inputs(found, None, found, network)
  assert list(suite.measure(['inception_score'], inputs)) == ['is_classifier']
  monkeypatch.setattr(suite, 'SPLIT_ROWS', 2)
  scores = suite.measure(['inception_score'], inputs)
  p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)

  def score(part):
    return np.exp(np.mean([sum(x * np.log(x / m) for x, m in zip(row, part.mean(0), strict=True)) for row in part]))

  assert scores['is_classifier'] == pytest.approx(score(p))
  assert scores['is_10_splits_classifier'] == pytest.approx(np.mean([score(p[i : i + 2]) for i in range(0, 20, 2)]))
