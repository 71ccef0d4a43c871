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


@pytest.mark.parametrize(
  'name, hint',
  [
    ('fid', ', which is a score of frechet'),
    ('fd_pixels', ', which is a score of frechet'),
    ('precision', ', which is a score of manifold'),
    ('Kernle', ', and nearest is kernel'),
    ('precison', ', and nearest is precision, a score of manifold'),
    ('frechet_distance', ', and nearest is frechet'),
    ('checks', ''),
    ('no such', ''),
    ('no_such.package', ', but there is no such module with a FAMILY'),
    ('', ''),
  ],
)
def test_what_is_no_family_is_refused_with_what_may_have_been_meant(name, hint):
  message = f'metrics is {name!r}{hint}; it must be some of classification_accuracy, consistency, copying.*FAMILY'
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
  expected = {k: np.mean([r for r, label in zip(right, labels, strict=True) if label == k]) for k in range(4)}
  assert consistency.accuracies_by_class(right, labels) == pytest.approx(expected)
  kept = np.isin(labels, (1, 3))  # labels with a gap
  assert consistency.accuracies_by_class(right[kept], labels[kept]) == pytest.approx({k: expected[k] for k in (1, 3)})


def of_classes(logits, labels):
  """Features whose rows are the logits."""
  labels = np.array(labels)
  return Features(None, np.asarray(logits, np.float32), np.arange(len(labels)), np.asarray(logits), labels)


def test_consistency_is_of_the_classes_that_there_are():
  """No held-out image of class 2, no sample of class 1, no image at all of class 3."""
  sure = 9 * np.eye(4)
  generated, real = of_classes(sure[[0, 0, 2, 0]], [0, 0, 2, 2]), of_classes(sure[[0, 1, 0]], [0, 1, 1])
  scores = measure('consistency', Network('classifier', '', 4, '', '', None), generated=generated, real=real)
  assert scores.values == pytest.approx(
    {'label_consistency': 0.75, 'label_consistency_worst_class': 0.5, 'label_consistency_real': 0.75}
  )
  assert scores.by_class['label_consistency'] == {0: 1.0, 2: 0.5}
  assert scores.left_out == {1: 'no sample', 2: 'no held-out image, so it is not in label_consistency_real'}


@pytest.mark.filterwarnings('ignore::gengan.metrics.checks.FewSamplesWarning')
def test_distances_within_classes_are_of_the_classes_with_two_images_of_each_kind():
  rows = RNG.normal(size=(40, 3)).astype(np.float32)
  real, generated = of_classes(rows[:20], [0] * 10 + [1] * 9 + [4]), of_classes(rows[20:], [0] * 9 + [1] * 9 + [5, 4])
  network = Network('pixels', '', 3, '', '', None)
  scores = measure('intra_class', network, real=real, generated=generated)
  expected, by_class = metrics.intra_class_frechet_distance(
    rows[:19], real.labels[:19], rows[20:38], generated.labels[:18]
  )
  assert (
    scores.values == {'intra_fd_pixels': pytest.approx(expected)} and scores.by_class['intra_fd_pixels'] == by_class
  )
  one_each = '1 held-out image and 1 sample, of the 2 needed'
  assert scores.left_out == {4: one_each, 5: 'no held-out image and 1 sample, of the 2 needed'}
  with pytest.raises(ValueError, match='there is no class with 2 held-out images and 2 samples'):
    measure('intra_class', network, real=of_classes(rows[:2], [0, 1]), generated=generated)


def test_a_classifier_learns_the_trained_classes_and_is_judged_on_those_held_out():
  """Labels 1, 2 and 5 were trained on; held out are images of 1, 2 and 4."""
  images, truth, asked = np.zeros((6, 4, 4, 1), np.uint8), np.array([1, 1, 1, 2, 2, 4]), []
  answers = np.eye(6)[[1, 1, 2, 2, 1]]
  model = family.Model(
    *[None] * 4,
    images=lambda: (images, truth),
    draw=lambda labels, seed: asked.append(labels) or images,
    train_classifier=lambda *_: lambda judged: (answers[: len(judged)], None),
    classifier_setting='',
    num_classes=6,
    trained_labels=(1, 2, 5),
    num_train=7,
    settings={},
  )
  scores = family.find('classification_accuracy').measure(family.Inputs(None, None, 0, model))
  assert asked[0].tolist() == [1, 2, 5, 1, 2, 5, 1]
  assert scores.values == {'classification_accuracy_score': pytest.approx(3 / 5)}
  assert scores.by_class == {'classification_accuracy_score': pytest.approx({1: 2 / 3, 2: 1 / 2})}
  assert scores.left_out == {4: 'no training image', 5: 'no held-out image'}
  with pytest.raises(ValueError, match='no held-out image of a class that the model was trained on'):
    family.find('classification_accuracy').measure(family.Inputs(None, None, 0, model._replace(trained_labels=(0, 3))))


@pytest.mark.filterwarnings('ignore::gengan.metrics.checks.FewSamplesWarning')
@pytest.mark.parametrize('name', NEED_SAMPLES_ALONE)
def test_the_names_of_scores_begin_as_their_family_says(name):
  variables = classifier.ResNet(3, 4).init(jax.random.key(0), np.zeros((1, 8, 8, 3)), train=False)
  network = classifier.as_network(classifier.Classifier(variables, 3, 4, 0.0, 1))
  found = extract(network)
  scores = measure(name, network, real=found, train=found, generated=found)
  assert scores.values and all(family.meaning(score, [family.find(name)]).text for score in scores.values)
  assert scores.by_class.keys() <= scores.values.keys()


def test_real_images_have_their_share_of_authentic_ones():
  """What the family says in passing is what the function says of held-out images alone."""
  train, real, generated = (of_classes(RNG.normal(size=(n, 3)), [0] * n) for n in (60, 30, 40))
  scores = measure('copying', Network('pixels', '', 3, '', '', None), train=train, real=real, generated=generated)
  assert scores.real['authenticity_pixels'] == metrics.authenticity(train.rows, real.rows)
  assert scores.values['authenticity_pixels'] == metrics.authenticity(train.rows, generated.rows)
  assert scores.real['closest_train_distance_pixels'] == scores.values['closest_train_distance_real_pixels']
  few = measure('copying', Network('pixels', '', 3, '', '', None), train=train, real=real, generated=train)
  assert 'data_copying_c_t_pixels' in few.values and not few.left_out
  generated = of_classes(RNG.normal(size=(5, 3)), [0] * 5)
  few = measure('copying', Network('pixels', '', 3, '', '', None), train=train, real=real, generated=generated)
  assert few.left_out == {'data_copying_c_t_pixels': 'no cell of the data has 20 samples and a held-out image'}


def test_scores_are_sorted_by_the_family_that_gives_them():
  families = {name: family.find(name) for name in ('frechet', 'frechet_infinity', 'manifold')}
  found = family.scores_of(['fd_infinity_pixels', 'fd_pixels', 'recall_pixels'], families)
  assert found == {
    'frechet': ('fd_pixels',),
    'frechet_infinity': ('fd_infinity_pixels',),
    'manifold': ('recall_pixels',),
  }


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
