"""scikit-learn's digits come with their grey levels and labels."""

import numpy as np

from gengan.data.sources import open_source


def test_digits_are_scikit_learns():
  from sklearn.datasets import load_digits

  truth = load_digits()
  source = open_source('digits')
  records = source.splits['train']
  assert set(source.splits) == {'train'}
  assert len(records) == 1797
  np.testing.assert_array_equal(records.labels, truth.target)
  assert np.abs(records.read(5) - truth.images[5] * 255 / 16).max() <= 0.5
  assert records.read(0).dtype == np.uint8
  assert source.class_names == tuple('0123456789')
