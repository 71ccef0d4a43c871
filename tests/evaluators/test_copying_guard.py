"""Memorised images are told from new ones."""

import numpy as np
import pytest

from gengan.evaluators import copying_guard


@pytest.fixture(scope='module')
def sets():
  rng = np.random.default_rng(0)
  basis = rng.normal(size=(8, 32))
  draw = lambda count: rng.normal(size=(count, 8)) @ basis
  return draw(1000), draw(400), draw(500), rng


def test_new_samples_pass_and_memorised_ones_are_refused(sets):
  train, held_out, new, rng = sets
  healthy = copying_guard.report(train, held_out, new)
  assert not healthy.refused and healthy.copies < 0.04 and healthy.nearer == pytest.approx(0.5, abs=0.05)
  assert healthy.reference == 'held-out images' and healthy.num_reference == 400

  memorised = train[rng.integers(0, 1000, 500)] + rng.normal(0, 0.05, (500, 32))
  caught = copying_guard.report(train, held_out, memorised)
  assert caught.refused and caught.copies > 0.98 and caught.nearer > 0.99
  assert 'refused above 10%' in caught.text() and caught.to_json()['text'] == caught.text()

  mixed = np.concatenate([new[:400], memorised[:100]])
  assert copying_guard.report(train, held_out, mixed).copies == pytest.approx(0.2, abs=0.04)


def test_without_enough_held_out_images_the_training_images_stand_in(sets):
  train, held_out, new, _ = sets
  for few in (None, held_out[:99]):
    report = copying_guard.report(train, few, new)
    assert report.reference == 'other training images' and not report.refused
  assert copying_guard.report(train[:100], None, train[:50]).refused


def test_a_set_with_many_duplicates_does_not_make_copies_of_everything(sets):
  train, held_out, new, _ = sets
  doubled = np.concatenate([train, held_out[:50]])
  report = copying_guard.report(doubled, held_out, new)
  assert report.distance == 0 and report.copies == 0


def test_smooth_samples_near_the_mean_are_no_copies():
  rng = np.random.default_rng(0)
  train, held_out, new = (rng.normal(size=(count, 64)) for count in (500, 200, 500))
  report = copying_guard.report(train, held_out, 0.6 * new)
  assert report.nearer > 0.98 and report.copies < 0.1 and not report.refused
  assert copying_guard.report(train, held_out, 0.6 * new, ratio_quantile=0.99).copies > 0.3  # by the distance alone


def test_pooled_pixels_are_sums_of_whole_numbers():
  images = np.arange(2 * 33 * 20 * 3).reshape(2, 33, 20, 3).astype(np.uint8)
  features = copying_guard.pooled(images)
  assert features.shape == (2, 11 * 7 * 3) and features.dtype == np.float32
  assert features[0, 0] == images[0, :3, :3, 0].sum() and features.sum() == images.sum()
  assert copying_guard.pooled(images[:, :16, :16]).shape == (2, 768)


def test_impossible_arguments(sets):
  with pytest.raises(ValueError, match='between 0 and 1'):
    copying_guard.report(*sets[:3], quantile=0)
