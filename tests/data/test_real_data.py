"""Published image sets are read as they were published."""

import numpy as np
import pytest

from gengan.config import defaults
from gengan.data import load
from gengan.data.clean import clean
from gengan.data.sources import open_source


@pytest.mark.parametrize(('name', 'pixel_mean'), [('mnist', 33.3184), ('fashion_mnist', 72.9404)])
def test_idx_sets_are_the_published_ones(name, pixel_mean, real_sets):
  source = open_source(f'idx:{real_sets / name}')
  train, test = source.splits['train'], source.splits['test']
  assert (len(train), len(test)) == (60_000, 10_000)
  assert train.read(0).shape == (28, 28)
  mean = np.mean([train.read(i).mean() for i in range(60_000)])
  assert mean == pytest.approx(pixel_mean, abs=1e-3)
  if name == 'mnist':
    assert train.labels[:5].tolist() == [5, 0, 4, 1, 9]
    np.testing.assert_array_equal(np.bincount(test.labels), [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009])


def test_emoji_are_flat_and_on_white(real_sets):
  config = defaults.data(source=f'zip:{real_sets / "images" / "noto_emoji_128.zip"}', image_size=16, channels=3)
  dataset = load(config, memory_limit=0)
  assert sum(dataset.statistics['examples'].values()) == 3583
  assert dataset.statistics['labelled'] is False
  images = dataset.test.images[:50]
  assert np.median(images[:, 0, 0]) == 255  # a corner of most is transparent


def test_cifar_zip_has_splits_and_classes(real_sets):
  source = open_source(f'zip:{real_sets / "cifar10" / "cifar10_jpeg.zip"}')
  assert {split: len(records) for split, records in source.splits.items()} == {'train': 50_000, 'test': 10_000}
  assert source.class_names[:3] == ('airplane', 'automobile', 'bird')
  np.testing.assert_array_equal(np.bincount(source.splits['train'].labels), [5000] * 10)


def test_dsprites_beside_pickled_metadata(real_sets):
  source = open_source(f'npz:{real_sets / "dsprites" / "dsprites_subset.npz"}')
  records = source.splits['train']
  assert len(records) == 20_000
  assert set(np.unique(records.read(0))) == {0, 255}


@pytest.mark.slow
def test_emoji_copies_are_found(tmp_path, real_sets):
  counts = clean(f'zip:{real_sets / "images" / "noto_emoji_128.zip"}', str(tmp_path))
  assert counts['duplicate'] == 10
  assert counts['unreadable'] == counts['blank'] == 0
