"""Fréchet distance within classes."""

import numpy as np
import pytest

from gengan import metrics
from tests.metrics.test_frechet import by_root, features

pytestmark = pytest.mark.filterwarnings('ignore::gengan.metrics.checks.FewSamplesWarning')


def test_within_classes():
  x, y = features(90), features(60)
  x_labels, y_labels = np.arange(90) % 3, np.arange(60) % 3
  mean, by_class = metrics.intra_class_frechet_distance(x, x_labels, y, y_labels)
  assert sorted(by_class) == [0, 1, 2]
  assert by_class[1] == pytest.approx(by_root(x[1::3], y[1::3]), rel=1e-6)
  assert mean == pytest.approx(np.mean(list(by_class.values())))
  # Swapped labels: the whole sets are the same, the classes are not.
  z = x + 5 * x_labels[:, None]
  assert metrics.intra_class_frechet_distance(z, x_labels, z, x_labels)[0] == pytest.approx(0, abs=1e-9)
  assert metrics.intra_class_frechet_distance(z, x_labels, z, (x_labels + 1) % 3)[0] > 25
  with pytest.raises(ValueError, match='real: class 3 has 0 samples'):
    metrics.intra_class_frechet_distance(x, x_labels, y, y_labels + 1)
  with pytest.raises(ValueError, match='fake_labels must be one label a row'):
    metrics.intra_class_frechet_distance(x, x_labels, y, x_labels)
  with pytest.raises(ValueError, match='whole numbers'):
    metrics.intra_class_frechet_distance(x, x_labels / 2, y, y_labels)
