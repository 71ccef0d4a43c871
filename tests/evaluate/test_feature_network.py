"""Principal components of grey levels, against scikit-learn."""

import jax
import numpy as np
import pytest
from sklearn.decomposition import PCA

from gengan import sharding
from gengan.evaluate.extraction import extract
from gengan.evaluate.feature_network import principal_components as pca
from gengan.networks import pixels

RNG = np.random.default_rng(0)


def smooth_images(count, side=8, channels=1):
  """uint8 images [count, side, side, channels] whose pixels depend on each other, with a border that is always 0."""
  noise = RNG.normal(size=(count, side, side, channels)).cumsum(axis=1).cumsum(axis=2)
  images = (noise * 8 + 128).clip(0, 255).astype(np.uint8)
  images[:, :1] = 0
  return images


TRAIN, OTHERS = smooth_images(1500), smooth_images(20)  # more than are taken at a time


def pixels_of(images):
  return np.asarray(pixels.pixels(images.shape[1:]).apply(images)['features'], np.float64)


@pytest.mark.parametrize('components', [1, 10])
def test_agrees_with_scikit_learn(components):
  network = pca(TRAIN, components=components)
  reference = PCA(components, svd_solver='full').fit(pixels_of(TRAIN))
  assert network.name == 'pca' and network.size == components and network.resizer == 'antialiased linear to 16'
  for images in (TRAIN, OTHERS):
    found = network.apply(images)['features']
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, reference.transform(pixels_of(images)), atol=1e-4)


@pytest.mark.parametrize(('side', 'channels'), [(32, 1), (6, 3)])
def test_large_images_are_averaged_and_colours_kept(side, channels):
  images = smooth_images(200, side, channels)
  network = pca(images)
  assert network.size == 64
  expected = PCA(64, svd_solver='full').fit_transform(pixels_of(images))
  np.testing.assert_allclose(network.apply(images)['features'], expected, atol=1e-4)
  np.testing.assert_allclose(network.apply(images.astype(np.float32) / 127.5 - 1)['features'], expected, atol=1e-4)


def test_there_are_as_many_components_as_the_images_vary_in():
  few = pca(TRAIN[:5])
  assert few.size == 4 and few.apply(OTHERS)['features'].shape == (20, 4)
  distances = np.linalg.norm(few.apply(TRAIN[:5])['features'], axis=1)
  np.testing.assert_allclose(
    distances, np.linalg.norm(pixels_of(TRAIN[:5]) - pixels_of(TRAIN[:5]).mean(0), axis=1), 1e-4
  )
  assert pca(TRAIN).size == 56  # a row of eight pixels never changes
  with pytest.raises(ValueError, match='the 1500 images do not vary'):
    pca(np.repeat(TRAIN[:1], 1500, axis=0))
  with pytest.raises(ValueError, match='1 samples are too few'):
    pca(TRAIN[:1])
  with pytest.raises(ValueError, match='components is 0'):
    pca(TRAIN, components=0)


def test_the_same_images_give_the_same_components_in_any_order():
  network = pca(TRAIN)
  assert pca(TRAIN).sha256 == network.sha256
  assert len({network.sha256, pca(TRAIN, components=3).sha256, pca(TRAIN[1:]).sha256}) == 3
  shuffled = pca(TRAIN[RNG.permutation(len(TRAIN))], components=10)
  np.testing.assert_allclose(shuffled.apply(OTHERS)['features'], network.apply(OTHERS)['features'][:, :10], atol=1e-4)


def test_features_are_extracted_over_devices():
  network = pca(TRAIN, components=6)
  batches = ((OTHERS[i : i + 16], np.zeros(len(OTHERS[i : i + 16]), np.int32)) for i in (0, 16))
  found = extract(network, batches, mesh=sharding.make_mesh(), batch_size=16, keep=np.arange(20))
  assert len(jax.devices()) == 8
  np.testing.assert_allclose(found.rows, network.apply(OTHERS)['features'], atol=1e-5)
