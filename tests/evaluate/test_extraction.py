"""Features of images, however they come."""

import jax
import numpy as np
import pytest

from gengan import sharding
from gengan.evaluate import extraction
from gengan.metrics import features
from gengan.networks import classifier, pixels
from gengan.networks.network import Network

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (21, 8, 8, 3), np.uint8)
LABELS = np.arange(21) % 3
ALL = np.arange(21)


def batches(size):
  return ((IMAGES[i : i + size], LABELS[i : i + size]) for i in range(0, 21, size))


def extract(network, *, size=8, keep=ALL, devices=1):
  mesh = sharding.make_mesh(devices=jax.devices()[:devices])
  return extraction.extract(network, batches(size), mesh=mesh, batch_size=8, keep=keep)


def test_pixels_are_grey_levels_in_their_units():
  found = extract(pixels.pixels((8, 8, 3)))
  expected = IMAGES.reshape(21, -1) / 127.5 - 1
  np.testing.assert_allclose(found.rows, expected, atol=1e-6)
  np.testing.assert_allclose(found.moments.mean, expected.mean(0), atol=1e-6)
  np.testing.assert_allclose(found.moments.covariance, np.cov(expected.T), atol=1e-6)
  np.testing.assert_array_equal(found.labels, LABELS)
  assert found.logits is None and found.probabilities is None


def test_neither_batches_nor_devices_change_the_features():
  whole = extract(pixels.pixels((8, 8, 3)))
  for other in (extract(pixels.pixels((8, 8, 3)), size=5), extract(pixels.pixels((8, 8, 3)), devices=8)):
    np.testing.assert_allclose(other.rows, whole.rows, atol=1e-6)
    np.testing.assert_allclose(other.moments.covariance, whole.moments.covariance, atol=1e-9)


def test_only_the_wanted_rows_are_kept_in_their_order_but_all_are_counted():
  whole, keep = extract(pixels.pixels((8, 8, 3))), np.array([20, 3, 11])
  found = extract(pixels.pixels((8, 8, 3)), keep=keep, size=5)
  np.testing.assert_array_equal(found.rows, whole.rows[keep])
  np.testing.assert_array_equal(found.row_labels, LABELS[keep])
  assert found.moments.count == 21 and len(found.labels) == 21


def test_a_network_that_takes_few_images_at_a_time_gives_the_same():
  whole = extract(pixels.pixels((8, 8, 3)))
  few = extract(pixels.pixels((8, 8, 3))._replace(batch_size=3))
  np.testing.assert_allclose(few.rows, whole.rows, atol=1e-6)
  assert few.moments.count == 21


def test_fewer_images_than_were_announced_are_refused():
  with pytest.raises(ValueError, match='21 images are fewer than the 31'):
    extract(pixels.pixels((8, 8, 3)), keep=np.array([30]))


def test_features_that_are_not_finite_are_refused():
  broken = Network('broken', '', 1, 'none', 'float32', lambda x: {'features': np.full((len(x), 1), np.nan)})
  with pytest.raises(ValueError, match='NaN'):
    extract(broken)


def test_a_batch_larger_than_announced_is_refused():
  with pytest.raises(ValueError, match='larger than the batch size of 8'):
    extract(pixels.pixels((8, 8, 3)), size=9)


def test_arrays_round_trip():
  variables = classifier.ResNet(3, 4).init(jax.random.key(0), np.zeros((1, 8, 8, 3)), train=False)
  found = extract(classifier.as_network(classifier.Classifier(variables, 3, 4, 0.0, 1)))
  again = features.from_arrays(features.to_arrays(found))
  jax.tree.map(np.testing.assert_array_equal, again, found)
  np.testing.assert_allclose(found.probabilities.sum(1), 1)
