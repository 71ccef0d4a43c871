"""Rejection: by a classifier, by the discriminator, of near duplicates and of copies."""

import numpy as np
import pytest

from gengan.generate import filters
from gengan.generate.stream import Candidates
from gengan.metrics import copying_guard


def candidates(images, labels=None, slots=None, attempt=0):
  count = len(images)
  labels = np.zeros(count, np.int32) if labels is None else np.asarray(labels)
  return Candidates(
    np.asarray(images, np.float32), labels, np.arange(count) if slots is None else slots, attempt, np.ones(count, bool)
  )


def test_confidence_is_that_of_the_wanted_class():
  probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6]])
  keep = filters.confidence(lambda images: probabilities, 0.6).keep
  assert keep(candidates(np.zeros((3, 2, 2, 1)), [0, 1, 1])).tolist() == [True, False, True]
  with pytest.raises(ValueError, match=r'gave \[3, 2\] for 3 images with labels up to 4'):
    keep(candidates(np.zeros((3, 2, 2, 1)), [0, 1, 4]))
  with pytest.raises(ValueError, match='between 0 and 1'):
    filters.confidence(lambda images: probabilities, 1.5)


def test_discriminator_rejection_turns_the_samples_into_the_real_distribution():
  rng = np.random.default_rng(0)
  fake = rng.normal(0, 1, 20_000)  # real: N(0, 1/2); the best D has the logit log p_real / p_fake
  logits = lambda x: np.log(2) - 1.5 * x**2
  score = lambda images, labels: logits(images[:, 0, 0, 0].astype(np.float64))
  largest, _ = filters.calibrate(logits(fake), np.zeros(len(fake)), percentile=50)[0]
  keep = filters.discriminator(score, seed=0, limits={0: (largest, 0.0)}).keep
  kept = keep(candidates(fake[:, None, None, None]))
  assert kept.mean() == pytest.approx(0.5, abs=0.02)  # 1 / M
  assert fake[kept].std() == pytest.approx(0.5, abs=0.02)
  assert (keep(candidates(fake[:, None, None, None])) == kept).all()
  assert (keep(candidates(fake[:, None, None, None], attempt=1)) != kept).any()


def test_a_higher_percentile_keeps_fewer():
  logits = np.random.default_rng(1).normal(0, 2, 4000)
  shares = []
  labels = np.arange(4000) % 2
  logits[labels == 1] -= 20  # D likes this class less: its images are compared among themselves
  for percentile in (20, 50, 80, 95):
    limits = filters.calibrate(logits, labels, percentile=percentile)
    keep = filters.discriminator(lambda images, labels: logits, seed=0, limits=limits).keep
    kept = keep(candidates(np.zeros((4000, 1, 1, 1)), labels))
    shares.append(kept.mean())
    assert kept[labels == 1].mean() == pytest.approx(kept[labels == 0].mean(), abs=0.05)
  assert shares == sorted(shares, reverse=True) and shares[0] > 0.5 > 0.2 > shares[-1] > 0
  with pytest.raises(ValueError, match='percentile'):
    filters.calibrate(logits, labels, percentile=100)
  with pytest.raises(ValueError, match='finite'):
    filters.calibrate(np.array([1, np.nan]), np.zeros(2), percentile=80)


def test_copies_are_dropped_at_the_distance_of_the_guard():
  rng = np.random.default_rng(2)
  train = rng.integers(0, 256, (50, 8, 8, 1), dtype=np.uint8)
  queries = np.concatenate([train[:4], rng.integers(0, 256, (4, 8, 8, 1), dtype=np.uint8)])
  queries[1, 0, 0, 0] ^= 8  # eight grey levels away
  keep = lambda distance: filters.not_a_copy(
    copying_guard.pooled, copying_guard.pooled(train), distance=distance, ratio=0.5
  ).keep(candidates(queries / 127.5 - 1))
  assert keep(0).tolist() == [False, True, False, False, True, True, True, True]
  assert keep(7.9).tolist() == keep(0).tolist() and keep(8.0).tolist() == [False] * 4 + [True] * 4


@pytest.mark.parametrize('bits', [0, 3, 6])
def test_near_duplicates_are_found_as_by_comparing_all(bits, monkeypatch):
  monkeypatch.setattr(filters, 'RECENT', 16)
  rng = np.random.default_rng(bits)
  centres = rng.integers(0, 2**63, 12, dtype=np.uint64)
  codes = [np.uint64(rng.choice(centres)) ^ np.uint64(1 << int(rng.integers(63))) for _ in range(150)]
  monkeypatch.setattr(filters, 'hashed', lambda image: codes[image])
  kept, expected = [], []
  index = filters.NearDuplicates(bits)
  for i, code in enumerate(codes):
    expected.append(all(int(code ^ other).bit_count() > bits for other in kept))
    kept += [code] if expected[-1] else []
    if i == 70:
      index = filters.NearDuplicates(bits, index.hashes.tolist())  # as after a restart
    assert index.admit(i) == expected[-1]
  assert index.hashes.tolist() == kept and 0 < len(kept) < 150


def test_hashes_see_the_picture_not_its_brightness():
  picture = np.zeros((16, 16, 3), np.uint8)
  picture[4:9, 3:12] = 120
  other = np.ascontiguousarray(picture[::-1])
  index = filters.NearDuplicates(4)
  assert index.admit(picture) and not index.admit(picture + np.uint8(5)) and index.admit(other)
  with pytest.raises(ValueError, match='0 to 15'):
    filters.NearDuplicates(16)
