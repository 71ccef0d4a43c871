"""Memorised images are told from new ones."""

import numpy as np
import pytest

from gengan.metrics import copying_guard


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
  assert (
    'and samples may be up to 10 points above that. ' in caught.text() and caught.to_json()['text'] == caught.text()
  )

  mixed = np.concatenate([new[:400], memorised[:100]])
  assert copying_guard.report(train, held_out, mixed).copies == pytest.approx(0.2, abs=0.04)


def test_without_enough_held_out_images_the_training_images_stand_in(sets):
  train, held_out, new, _ = sets
  for few in (None, held_out[:99]):
    report = copying_guard.report(train, few, new)
    assert report.reference == 'other training images' and not report.refused
  assert copying_guard.report(train[:100], None, train[:50]).refused


def test_duplicates_in_the_data_neither_hide_copies_nor_make_them_of_everything(sets):
  train, held_out, new, rng = sets
  doubled = np.concatenate([train, held_out[:50]])  # an eighth of the held-out images are training images
  report = copying_guard.report(doubled, held_out, new)
  assert report.copies < 0.04 and report.copies_reference == pytest.approx(0.125, abs=0.02)
  assert not copying_guard.report(doubled, held_out, held_out).refused  # as many duplicates as the data have
  memorised = train[:300] + rng.normal(0, 0.5, (300, 32))
  caught = copying_guard.report(doubled, held_out, memorised)
  assert caught.copies > 0.95 and caught.refused
  assert not copying_guard.report(doubled, held_out, np.concatenate([new[:400], memorised[:100]])).refused
  assert copying_guard.report(doubled, held_out, np.concatenate([new[:300], memorised[:200]])).refused


@pytest.mark.parametrize('times, jitter', [(2, 0.0), (5, 0.0), (2, 0.1), (6, 0.1)])
def test_where_most_images_have_twins_nothing_can_be_told(sets, times, jitter):
  train, _, new, rng = sets
  repeated = np.repeat(train, times, axis=0)
  repeated = rng.permutation(repeated + rng.normal(0, jitter, repeated.shape))
  for samples in (new, repeated[:300]):
    report = copying_guard.report(repeated[400:], repeated[:400], samples)
    assert (
      report.refused is None and 'have a near twin among the training images, so copies cannot be told' in report.text()
    )
  assert copying_guard.report(train, None, new).refused is False


def test_every_text_is_made_of_whole_sentences(sets):
  train, held_out, new, rng = sets
  twins = np.repeat(train, 2, axis=0)
  reports = [copying_guard.report(train, held_out, new), copying_guard.report(train, None, new)]
  reports += [copying_guard.report(twins, rng.permutation(twins)[:300], new), copying_guard.report(twins, None, new)]
  assert [report.refused for report in reports] == [False, False, None, None]
  for report in reports:
    text = report.text()
    assert '\n' not in text and all(part[0].isupper() or part[0].isdigit() for part in text.rstrip('.').split('. '))
    assert (
      f'of {report.num_generated:,} samples lie too close to one of the {report.num_train:,} training images' in text
    )
    assert ('held-out' in text or 'held out' in text) == (report.reference == 'held-out images')
    assert ('python -m gengan.data.clean' in text) == (report.refused is None)


@pytest.mark.parametrize('count', [1, 5])
def test_too_few_training_images_are_one_line(count, sets):
  train, held_out, new, _ = sets
  for reference in (held_out, None):
    with pytest.raises(ValueError, match=rf'^{count} training images are too few .* it takes 6 or more$'):
      copying_guard.report(train[:count], reference, new)
  assert copying_guard.report(train[:6], None, new).num_train == 6


def test_the_limits_have_floors(sets):
  train, held_out, new, _ = sets
  doubled = np.concatenate([train, held_out[:50]])
  nearest = np.sort(np.linalg.norm(held_out[:, None] - doubled, axis=2), axis=1)
  report = copying_guard.report(doubled, held_out, new)
  assert report.distance == pytest.approx(np.median(nearest[:, 0]) / 2) and report.ratio == 0.5
  assert np.quantile(nearest[:, 0], 0.01) == np.quantile(nearest[:, 0] / nearest[:, 4], 0.02) == 0


def test_views_of_an_image_are_one_image():
  rng = np.random.default_rng(1)
  train = rng.normal(size=(120, 16))
  mirrored = train[:, ::-1].copy()
  mirrored[:60] = train[:60] = train[:60] + train[:60, ::-1]  # half of them are their own mirror images
  views = np.stack([train, mirrored])
  naive = np.minimum(*(np.linalg.norm(train[:, None] - view, axis=2) for view in views))
  np.fill_diagonal(naive, np.inf)
  naive.sort(axis=1)
  report = copying_guard.report(views, None, train)
  assert report.num_train == report.num_reference == 120 and report.median_generated == 0
  assert report.median_reference == pytest.approx(np.median(naive[:, 0]))
  assert report.ratio == pytest.approx(max(np.quantile(naive[:, 0] / naive[:, 4], 0.02), 0.5))
  assert report.copies == 1 and report.refused
  assert copying_guard.report(views, None, mirrored + 0.01).copies == 1
  assert copying_guard.report(train, None, mirrored[60:] + 0.01).copies < 0.1  # without that view they are new


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
