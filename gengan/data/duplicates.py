"""A perceptual hash, and all pairs of hashes that differ in few bits."""

import itertools

import numpy as np

_ROWS = 4096  # images a matrix product


def perceptual_hash(grey: np.ndarray) -> np.ndarray:
  """pHash: which of the 8x8 lowest frequencies of the DCT-II are above their median (Zauner 2010, section 3.2.1).

  Args:
    grey: uint8 [N, S, S].

  Returns:
    uint64 [N]. The mean of the picture (frequency 0, 0) has its bit cleared.
  """
  side = grey.shape[1]
  frequency, position = np.arange(8)[:, None], np.arange(side)[None]
  basis = np.cos(np.pi / side * (position + 0.5) * frequency).astype(np.float32)
  hashes = [np.zeros(0, np.uint64)]
  for start in range(0, len(grey), _ROWS):
    low = (basis @ grey[start : start + _ROWS].astype(np.float32) @ basis.T).reshape(-1, 64)
    above = low > np.median(low[:, 1:], axis=1, keepdims=True)
    above[:, 0] = False
    hashes.append(np.packbits(above, axis=1).view('>u8')[:, 0].astype(np.uint64))
  return np.concatenate(hashes)


def close_pairs(hashes: np.ndarray, *, max_distance: int, max_pairs: int) -> tuple[np.ndarray, bool]:
  """All pairs of 64-bit hashes that differ in at most `max_distance` bits. Exact, and far below N^2 comparisons.

  If two hashes differ in at most d bits, then of d + 1 bands of bits at least one is equal (pigeonhole). So for every
  band the hashes are sorted by it, and only neighbours with an equal band are compared.

  Args:
    hashes: uint64 [N].
    max_distance: bits, 0 to 15.
    max_pairs: the search stops when it has found as many.

  Returns:
    int64 [P, 2] with first < second, sorted, each pair once; and whether the search was stopped.
  """
  edges = np.linspace(0, 64, max_distance + 2).astype(int)
  found, total, stopped = [np.zeros((0, 2), np.int64)], 0, False
  for low, high in itertools.pairwise(edges):
    band = (hashes >> np.uint64(low)) & np.uint64((1 << int(high - low)) - 1)
    order = np.argsort(band, kind='stable')
    sorted_band, sorted_hashes = band[order], hashes[order]
    left = np.arange(len(order))
    for offset in range(1, len(order)):
      left = left[left + offset < len(order)]
      left = left[sorted_band[left] == sorted_band[left + offset]]
      distance = np.bitwise_count(sorted_hashes[left] ^ sorted_hashes[left + offset])
      near = left[distance <= max_distance]
      found.append(np.stack([order[near], order[near + offset]], axis=1))
      total += len(near)
      stopped = stopped or total > max_pairs
      if stopped or not len(left):
        break
  pairs = np.unique(np.sort(np.concatenate(found), axis=1), axis=0)
  return pairs[:max_pairs], stopped


def keepers(pairs: np.ndarray) -> dict[int, int]:
  """Which examples to drop, and for the sake of which one.

  Goes through the examples in order and drops all that are close to one that is kept. So each dropped example has a
  kept one near it; long chains of small differences are not swallowed whole.

  Args:
    pairs: int [P, 2], first < second, sorted.

  Returns:
    {dropped: kept}.
  """
  dropped = {}
  for first, second in pairs.tolist():
    if first not in dropped:
      dropped.setdefault(second, first)
  return dropped
