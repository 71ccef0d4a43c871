"""What the copying guard looks at: the run's own training images, and no test image."""

import json

import numpy as np
import pytest

from gengan import data, runs
from gengan.config import defaults
from gengan.generate import guard
from gengan.metrics import copying_guard


@pytest.fixture
def run(tmp_path):
  config = defaults.data(source='digits', image_size=8, channels=1)
  dataset = data.load(config)
  (tmp_path / 'dataset.json').write_text(json.dumps(dataset.statistics))
  return config, tmp_path, dataset


def test_only_training_and_validation_images_have_a_say(run):
  config, workdir, dataset = run
  train, held_out = guard.training_features(config, workdir)
  np.testing.assert_array_equal(train, copying_guard.pooled(dataset.train.images)[None])
  np.testing.assert_array_equal(held_out, copying_guard.pooled(dataset.validation.images))
  test = {row.tobytes() for row in copying_guard.pooled(dataset.test.images)}
  assert not test & {row.tobytes() for row in held_out}


def test_a_mirrored_training_image_is_a_training_image(run):
  config, workdir, dataset = run
  config.flip = True
  (workdir / 'dataset.json').write_text(json.dumps(data.load(config).statistics))
  train, _ = guard.training_features(config, workdir)
  assert train.shape[:2] == (2, len(dataset.train))
  np.testing.assert_array_equal(train[0], copying_guard.pooled(dataset.train.images))
  np.testing.assert_array_equal(train[1], copying_guard.pooled(dataset.train.images[:, :, ::-1]))


def test_images_in_black_and_white_are_compared_with_such(run):
  config, workdir, dataset = run
  config.binarise = 'threshold'
  (workdir / 'dataset.json').write_text(json.dumps(data.load(config).statistics))
  train, held_out = guard.training_features(config, workdir)
  drawn = np.where(dataset.train.images > 127, 255, 0).astype(np.uint8)
  np.testing.assert_array_equal(train[0], copying_guard.pooled(drawn))
  assert copying_guard.report(train, held_out, copying_guard.pooled(drawn)).refused


@pytest.mark.parametrize('flip', [False, True])
def test_copies_of_pictures_with_near_duplicates_and_mirror_images_are_seen(flip, tmp_path, real_sets):
  config = defaults.data(source=f'zip:{real_sets}/images/noto_emoji_128.zip', image_size=16, channels=3, flip=flip)
  dataset = data.load(config)
  (tmp_path / 'dataset.json').write_text(json.dumps(dataset.statistics))
  train, held_out = guard.training_features(config, tmp_path)
  noise = np.random.default_rng(0).normal(0, 6, (300, 16, 16, 3))
  copies = np.clip(np.rint(dataset.train.images[:300] + noise), 0, 255).astype(np.uint8)
  assert copying_guard.report(train, held_out, copying_guard.pooled(copies)).copies > 0.9
  few = copying_guard.report(train[:, :100], None, copying_guard.pooled(copies[:100]))  # nothing held out
  assert few.copies > 0.9 and few.refused and few.copies_reference < 0.2
  assert not copying_guard.report(train, held_out, held_out).refused


def test_without_validation_images_there_is_nothing_held_out(run):
  config, workdir, _ = run
  config.validation_fraction = 0.0
  (workdir / 'dataset.json').write_text(json.dumps(data.load(config).statistics))
  train, held_out = guard.training_features(config, workdir)
  assert held_out.shape == (0, train.shape[2])


def test_other_data_are_refused(run):
  config, workdir, _ = run
  config.test_fraction = 0.3
  with pytest.raises(ValueError, match=r'no longer what the run was trained on: .*chosen'):
    runs.training_data(config, workdir)
