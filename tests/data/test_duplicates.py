"""The perceptual hash against its definition, and the pair search against comparing all with all."""

import numpy as np
import pytest
import scipy.fft

from gengan.data import duplicates


def all_pairs(hashes, max_distance):
  found = []
  for i in range(len(hashes)):
    for j in range(i + 1, len(hashes)):
      if bin(int(hashes[i]) ^ int(hashes[j])).count('1') <= max_distance:
        found.append((i, j))
  return found


def clustered(count, seed):
  """Hashes around few centres, so that there are pairs at every small distance, and equal ones."""
  rng = np.random.default_rng(seed)
  centres = rng.integers(0, 2**64, 12, dtype=np.uint64)
  hashes = centres[rng.integers(0, 12, count)]
  for _ in range(5):
    flip = rng.random(count) < 0.5
    hashes[flip] ^= np.uint64(1) << rng.integers(0, 64, flip.sum(), dtype=np.uint64)
  return hashes


@pytest.mark.parametrize('max_distance', [0, 1, 3, 4, 8])
def test_all_close_pairs_are_found_once(max_distance):
  hashes = clustered(150, seed=max_distance)
  pairs, stopped = duplicates.close_pairs(hashes, max_distance=max_distance, max_pairs=10**6)
  expected = all_pairs(hashes, max_distance)
  assert len(expected) > 0
  assert not stopped
  assert [tuple(pair) for pair in pairs.tolist()] == expected


def test_the_search_stops_where_it_is_told():
  pairs, stopped = duplicates.close_pairs(np.zeros(1000, np.uint64), max_distance=4, max_pairs=5000)
  assert stopped
  assert len(pairs) <= 5000


@pytest.mark.parametrize('count', [0, 1])
def test_too_few_for_a_pair(count):
  pairs, stopped = duplicates.close_pairs(np.zeros(count, np.uint64), max_distance=4, max_pairs=10)
  assert pairs.shape == (0, 2)
  assert not stopped


def test_perceptual_hash_is_that_of_the_cosine_transform():
  images = np.random.default_rng(0).integers(0, 256, (5, 32, 32), dtype=np.uint8)
  for image, value in zip(images, duplicates.perceptual_hash(images), strict=True):
    low = scipy.fft.dctn(image.astype(float), type=2)[:8, :8].ravel()
    bits = low > np.median(low[1:])
    bits[0] = False
    assert int(value) == int(''.join('1' if bit else '0' for bit in bits), 2)


def test_perceptual_hash_bears_small_changes_only():
  rng = np.random.default_rng(0)
  smooth = np.cumsum(np.cumsum(rng.normal(size=(20, 32, 32)), axis=1), axis=2)
  smooth = (smooth - smooth.min((1, 2), keepdims=True)) / np.ptp(smooth, (1, 2)).reshape(-1, 1, 1) * 235
  changed = np.clip(smooth * 1.05 + rng.normal(size=smooth.shape) * 2, 0, 255)
  first, second = (duplicates.perceptual_hash(images.astype(np.uint8)) for images in (smooth, changed))
  assert np.bitwise_count(first ^ second).max() <= 4
  different = np.bitwise_count(first[:, None] ^ first[None])[~np.eye(20, dtype=bool)]
  assert different.mean() > 12


def test_keepers_do_not_swallow_chains():
  # 0-1-2-3-4 in a row: 1 goes for 0; 2 is not close to 0 and stays; 3 goes for 2; 4 stays.
  chain = np.array([[0, 1], [1, 2], [2, 3], [3, 4]])
  assert duplicates.keepers(chain) == {1: 0, 3: 2}
