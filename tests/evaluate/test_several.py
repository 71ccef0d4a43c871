"""What several networks share: sample sets that are drawn once, families that need no network, one report."""

import dataclasses

import numpy as np
import pytest

from gengan.core import ArgumentError
from gengan.evaluate import several
from gengan.evaluate.protocol import Caution, Evaluation, Protocol
from gengan.metrics import family

PROTOCOL = Protocol(
  data_sha256='a',
  split='test',
  training='b',
  preprocessing='c',
  num_real=10,
  num_generated=20,
  num_pairwise=10,
  network='classifier',
  network_sha256='d',
  resizer='none',
  precision='float32',
  labels='e',
  seeds=(0, 1),
  truncation=1.0,
  weights='averaged',
  settings=('x',),
)
OTHER = dataclasses.replace(PROTOCOL, network='pixels', network_sha256='f', resizer='linear', settings=('w', 'x'))


@pytest.fixture
def drawn(monkeypatch):
  """Seeds that were drawn, three batches of 12 bytes each."""
  seeds = []

  def generated_batches(algorithm, state, labels, *, seed, truncation):
    seeds.append(seed)
    for number in range(3):
      yield np.full((2, 2, 3, 1), seed + number, np.uint8), labels

  monkeypatch.setattr(several, 'generated_batches', generated_batches)
  return seeds


def test_a_sample_set_is_drawn_once_while_there_is_room(drawn):
  draw = several.SampleSets(room=80)
  for _ in range(2):
    for seed in (0, 5, 9):
      batches = list(draw(None, None, np.array([3, 4]), seed=seed, truncation=1.0))
      assert [images[0, 0, 0, 0] for images, _ in batches] == [seed, seed + 1, seed + 2]
      assert all(labels.tolist() == [3, 4] for _, labels in batches)
  assert drawn == [0, 5, 9, 9]  # of the third set there is no room for all


def test_a_set_that_was_not_drawn_to_its_end_is_drawn_again(drawn):
  draw = several.SampleSets()
  next(draw(None, None, np.array([3, 4]), seed=0, truncation=1.0))
  assert len(list(draw(None, None, np.array([3, 4]), seed=0, truncation=1.0))) == 3 and drawn == [0, 0]


def test_families_that_need_no_network_are_measured_on_the_first_that_gives_them():
  elbo = family.find('likelihood').needs
  there = {'pixels': {*elbo}, 'classifier': {*elbo, family.CLASSES, family.OWN_CLASSES, family.CONDITIONAL}}
  names = ('frechet', 'likelihood', 'consistency')
  found = several.families_of(dict.fromkeys(there, names), there)
  assert found == {'pixels': ('frechet', 'likelihood'), 'classifier': ('frechet', 'consistency')}
  with pytest.raises(ArgumentError, match='likelihood needs a model'):
    several.families_of({'pixels': names}, {'pixels': set()})
  with pytest.raises(ValueError, match='nothing to measure on classifier: not likelihood'):
    several.families_of(dict.fromkeys(there, ('likelihood',)), there)


def test_reports_of_several_networks_are_joined():
  few = lambda *scores: Caution('few_images', '10 images are few', scores)
  evaluations = [
    Evaluation(
      {'fd_classifier': 1.0}, {'fd_classifier': 0.1}, PROTOCOL, {'features': 4, 'step': 2}, cautions=(few('a'),)
    ),
    Evaluation({'fd_pixels': 2.0}, {}, OTHER, {'features': 9}, cautions=(few('b'),), not_measured={'kernel': 'why'}),
  ]
  joined = several.joined(evaluations)
  assert joined.scores == {'fd_classifier': 1.0, 'fd_pixels': 2.0} and joined.deviations == {'fd_classifier': 0.1}
  assert joined.cautions == (few('a', 'b'),) and joined.not_measured == {'kernel on pixels': 'why'}
  assert joined.about == {'features': {'classifier': 4, 'pixels': 9}, 'step': 2, 'by_class': {}}
  assert joined.protocol.differing(PROTOCOL) == ['network', 'network_sha256', 'resizer', 'precision', 'settings']
  assert joined.protocol.network_sha256 == 'd, f' and joined.protocol.settings == ('w', 'x')
  assert several.joined(evaluations[:1]) is evaluations[0]
