"""On real images, every distance grows the more they are damaged."""

import functools
import warnings

import jax
import numpy as np
import pytest
from scipy import ndimage
from sklearn.datasets import load_digits

from gengan import mixing, sharding
from gengan.evaluators import classifier, features, metrics, suite

AMOUNTS = (0.0, 0.34, 0.67, 1.0)


@functools.cache
def digits():
  """Two halves of real images at 16 px, uint8 [N, 16, 16, 1], with labels."""
  data = load_digits()
  images = np.kron(data.images, np.ones((2, 2))) * 15.9
  order = np.random.default_rng(0).permutation(len(images))
  images, labels = images[order].astype(np.uint8)[..., None], data.target[order].astype(np.int32)
  return (images[:890], labels[:890]), (images[890:1780], labels[890:1780])


@functools.cache
def network(name):
  if name == 'pixels':
    return features.pixels(1)
  images, labels = digits()[0]
  trained = classifier.train(
    mixing.batches(mixing.shuffled(images, labels, seed=0), batch_size=64),
    num_classes=10,
    steps=100,
    validation=None,
    seed=0,
    width=8,
  )
  return features.of_classifier(trained)


@functools.cache
def mesh():
  return sharding.make_mesh(devices=jax.devices()[:1])


def extract(name, images, labels):
  parts = ((images[i : i + 256], labels[i : i + 256]) for i in range(0, len(images), 256))
  return features.extract(network(name), parts, mesh=mesh(), batch_size=256, keep=len(images))


def blur(images, labels, amount):
  return ndimage.gaussian_filter(images.astype(np.float64), (0, 3 * amount, 3 * amount, 0)).astype(np.uint8), labels


def noise(images, labels, amount):
  drawn = np.random.default_rng(1).normal(size=images.shape)
  return np.clip(images + 120 * amount * drawn, 0, 255).astype(np.uint8), labels


def rotate(images, labels, amount):
  return ndimage.rotate(images, 90 * amount, axes=(1, 2), reshape=False, order=1), labels


def drop_modes(images, labels, amount):
  kept = np.flatnonzero(labels < 10 - round(8 * amount))
  rows = np.resize(kept, len(labels))
  return images[rows], labels[rows]


@pytest.mark.parametrize('damage', [blur, noise, rotate, drop_modes], ids=lambda f: f.__name__)
@pytest.mark.parametrize('name', ['pixels', 'classifier'])
def test_distances_grow_with_damage(name, damage):
  real, other = extract(name, *digits()[0]), digits()[1]
  values = {'frechet': [], 'kernel': [], 'coverage': []}
  for amount in AMOUNTS:
    found = extract(name, *damage(*other, amount))
    with warnings.catch_warnings():
      warnings.simplefilter('ignore', metrics.FewSamplesWarning)
      values['frechet'].append(metrics.frechet_distance_of_moments(real.moments, found.moments))
    values['kernel'].append(metrics.kernel_distance(real.rows, found.rows))
    values['coverage'].append(-metrics.precision_recall_density_coverage(real.rows, found.rows)['coverage'])
  for metric in ('frechet', 'kernel'):
    assert np.all(np.diff(values[metric]) > 0), (metric, values[metric])
  assert values['coverage'][0] < values['coverage'][-1]


def test_class_wise_distances_grow_with_label_noise():
  (images, labels), (others, other_labels) = digits()
  real = extract('pixels', images, labels)
  distances, agreements = [], []
  for amount in AMOUNTS:
    wrong = np.random.default_rng(2).random(len(labels)) < 0.9 * amount
    shifted = np.where(wrong, (other_labels + 1 + np.arange(len(labels)) % 9) % 10, other_labels).astype(np.int32)
    with warnings.catch_warnings():
      warnings.simplefilter('ignore', metrics.FewSamplesWarning)
      generated = extract('pixels', others, shifted)
      distances.append(metrics.intra_class_frechet_distance(real.rows, labels, generated.rows, shifted)[0])
    judged = suite.Inputs(real, None, extract('classifier', others, shifted), network('classifier'))
    agreements.append(suite.consistency_scores(judged)['label_consistency'])
  assert np.all(np.diff(distances) > 0) and np.all(np.diff(agreements) < 0)
