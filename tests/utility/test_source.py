"""Generated images of a comparison: what each of the means does to the images and to their labels."""

import types

import numpy as np
import pytest
from ml_collections import ConfigDict

from gengan.generate import recycling
from gengan.utility import source
from tests.generate.test_stream import EMPTY, toy


def made(mixed_means=''):
  """A generator whose first pixels are random, and a judge that calls an image class 1 if its first one is bright."""
  settings = ConfigDict(dict(scale=2.0, every_epochs=1, min_agreement=0.5, mixed_means=mixed_means))
  judge = lambda images: (np.eye(2)[bright(images)], None)
  opened = types.SimpleNamespace(algorithm=toy(), state=EMPTY, num_classes=2)
  return source.make(opened, lambda: judge, settings)


def bright(images):
  middle = 127.5 if images.dtype == np.uint8 else 0.0
  return (images[:, 0, 0, 0] > middle).astype(int)


def test_labels_are_those_asked_for_those_found_or_both():
  generated = made()
  of = {means: generated.stream(64, 0, means)(0, 64) for means in ('', 'relabel', 'filter')}
  np.testing.assert_array_equal(of['relabel'][0], of[''][0])  # the very images, with other labels
  np.testing.assert_array_equal(of['relabel'][1], bright(of['relabel'][0]))
  assert 10 < np.sum(of[''][1] != bright(of[''][0])) < 54 and np.bincount(of[''][1]).tolist() == [32, 32]
  np.testing.assert_array_equal(of['filter'][1], bright(of['filter'][0]))
  assert np.bincount(of['filter'][1]).tolist() == [32, 32]


def test_latents_are_scaled_and_sets_drawn_anew_where_asked():
  generated = made()
  once, scaled, again = (generated.stream(64, 0, means)(0, 128)[0] for means in ('', 'expand', 'recycle'))
  assert np.std(scaled[:, 0]) > 1.2 * np.std(once[:, 0])
  different = lambda images: len(np.unique(images.reshape(len(images), -1), axis=0))
  assert (different(once), different(again)) == (64, 128)


def test_images_beside_real_ones_get_the_labels_of_their_means():
  wanted = np.zeros(32, np.int32)
  images, labels = made('relabel').of_labels(wanted, 0)
  np.testing.assert_array_equal(labels, bright(images))
  assert 0 < labels.mean() < 1
  assert (made().of_labels(wanted, 0)[1] == 0).all()


def test_a_class_of_which_the_filter_leaves_nothing_is_told(monkeypatch):
  monkeypatch.setattr(source.stream, 'MAX_ATTEMPTS', 2)
  monkeypatch.setattr(np, 'eye', lambda count: np.tile([1.0, 0.0], (count, 1)))  # the judge finds class 0 alone
  with pytest.raises(recycling.NothingLeft, match=r'dropped every image of class 1$'):
    made('filter').of_labels(np.array([0, 1, 1], np.int32), 0)
