"""What is known of missing classes and of too few images before anything is measured."""

import types

import numpy as np
import pytest

from gengan.evaluate import limits
from gengan.metrics import family


def dataset_of(train, test, names):
  parts = {'train': np.array(train, np.int32), 'test': np.array(test, np.int32)}
  splits = {name: Split(labels) for name, labels in parts.items()}
  return types.SimpleNamespace(**splits, num_classes=len(names), class_names=tuple(names))


class Split:
  def __init__(self, labels):
    self.labels = labels

  def __len__(self):
    return len(self.labels)


GAPS = dataset_of([0, 0, 1, 3, 3], [0, 0, 1, 4], ['a', 'b', 'c', 'd', 'e'])


def test_every_class_that_cannot_be_judged_has_its_reason():
  assert limits.missing_classes(GAPS, 'test') == {
    'c': 'no image at all',
    'd': 'no test image',
    'e': 'no training image',
  }
  assert limits.missing_classes(GAPS, 'test', least=2) == {
    'b': '1 test image',
    'c': 'no image at all',
    'd': 'no test image',
    'e': '1 test image',
  }


def test_classes_of_one_name_are_told_apart():
  assert limits.class_names(dataset_of([0], [0], ['cat', 'dog', 'cat'])) == ('cat (0)', 'dog', 'cat (2)')


def test_names_with_one_reason_stand_together_and_not_all_of_many():
  assert limits.told({'7': 'no test image', '0': 'no image at all', '9': 'no test image'}) == (
    '7, 9 (no test image); 0 (no image at all)'
  )
  assert limits.told({str(i): 'x' for i in range(1008)}) == '0, 1, 2, 3, 4, 5, 6, 7 and 1,000 more (x)'


@pytest.mark.parametrize(
  'name, generated, pairwise, why',
  [
    ('manifold', 100, 100, 'it takes at least 6 images of each kind, and there are 4'),
    ('manifold', 5, 100, 'it takes at least 6 images of each kind, and there are 4'),
    ('frechet', 100, 1, None),  # which takes all
    ('kernel', 100, 1, 'it takes at least 2 images of each kind, and there are 1'),
    ('intra_class', 100, 100, None),
    ('classification_accuracy', 2, 2, None),
    ('path_length', 2, 2, None),
  ],
)
def test_too_few_images_are_known_before(name, generated, pairwise, why):
  families = {name: family.find(name)}
  found = limits.impossible(families, GAPS, 'test', generated=generated, pairwise=pairwise)
  assert found == ({name: why} if why else {})


def test_no_class_with_enough_images_is_known_before():
  singles = dataset_of([0, 1, 2], [0, 1, 2], ['a', 'b', 'c'])
  families = {name: family.find(name) for name in ('intra_class', 'consistency')}
  found = limits.impossible(families, singles, 'test', generated=9, pairwise=9)
  assert found == {'intra_class': 'it takes at least 2 test images of a class, and none has more than 1'}
  notes = list(limits.notes(families, singles, 'test', generated=9, pairwise=9))
  assert notes[0] == f'intra_class cannot be measured: {found["intra_class"]}' and 'a, b, c (1 test image)' in notes[1]


def test_families_that_know_no_classes_have_nothing_to_tell_of_them():
  families = {'frechet': family.find('frechet')}
  assert list(limits.notes(families, GAPS, 'test', generated=9, pairwise=9)) == []


def test_few_images_are_told_before_a_run_that_is_scored_by_them():
  families = {name: family.find(name) for name in ('frechet', 'kernel', 'path_length')}
  (line,) = limits.few(families, GAPS, 'test', generated=5000, pairwise=5000)
  assert line.startswith('4 test images and 5,000 samples are few for frechet (below 2,048), kernel (below 1,000): ')
  assert list(limits.few({'path_length': families['path_length']}, GAPS, 'test', generated=9, pairwise=9)) == []
