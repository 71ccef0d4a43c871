import numpy as np

from gengan.metrics import features


def test_some_of_a_set_sorted_by_class_have_all_its_classes():
  sorted_labels = np.repeat(np.arange(10), 1000)
  chosen = features.some(10_000, 2000)
  assert len(set(chosen)) == 2000 and chosen.max() < 10_000
  assert np.bincount(sorted_labels[chosen], minlength=10).min() > 150
  assert sorted(features.some(7, 100)) == list(range(7))
