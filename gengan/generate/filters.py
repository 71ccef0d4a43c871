"""Filters of generated images: class confidence, discriminator rejection, copies of training images, near duplicates.

`gengan.generate.stream.fill` asks them, and draws again what they drop.
"""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from PIL import Image

from gengan.data import duplicates, images
from gengan.generate.stream import Candidates, Filter
from gengan.metrics import copying_guard

HASHED_SIDE = 32  # pixels of the grey picture that the perceptual hash reads
RECENT = 4096  # hashes that are compared one by one before they are sorted in

Classifier = Callable[[np.ndarray], np.ndarray]  # images [N, H, W, C] float32 in [-1, 1] -> probabilities [N, K]
Score = Callable[[np.ndarray, np.ndarray], np.ndarray]  # images and labels -> logits of the discriminator [N]


def confidence(classifier: Classifier, threshold: float) -> Filter:
  """Keeps images to which a classifier gives the class that was asked for, with this probability or more.

  Raises:
    ValueError: a threshold outside (0, 1).
  """
  if not 0 < threshold < 1:
    raise ValueError(f'a confidence must be between 0 and 1, not {threshold}')

  def keep(candidates: Candidates) -> np.ndarray:
    probabilities = np.asarray(classifier(candidates.images))
    expected = (len(candidates.labels), candidates.labels.max() + 1)
    if probabilities.ndim != 2 or probabilities.shape[0] != expected[0] or probabilities.shape[1] < expected[1]:
      raise ValueError(
        f'the classifier gave {list(probabilities.shape)} for {expected[0]} images with labels up to {expected[1] - 1}'
      )
    return probabilities[np.arange(expected[0]), candidates.labels] >= threshold

  return Filter('confidence', keep)


def discriminator(score: Score, *, seed: int, limits: Mapping[int, tuple[float, float]]) -> Filter:
  """Discriminator rejection sampling (Azadi et al. 2019, https://arxiv.org/abs/1810.06758, section 3.2).

  With the logit l of D and its largest value M, p(real) / p(fake) is e^l for the best possible D. An image is kept with
  probability sigmoid(F),
    F = l - M - log(1 - e^(l - M - eps)) - gamma.
  The paper raises M while it samples. Here M and gamma come from a sample of each class that is drawn before, so that
  no candidate's fate depends on another's. Logits above M count as M. How much it helps depends on how well D is
  calibrated.

  Args:
    seed: of the random numbers that decide, one a candidate.
    limits: M and gamma by label, see `calibrate`.
  """

  def keep(candidates: Candidates) -> np.ndarray:
    logits = score(candidates.images, candidates.labels)
    largest, gamma = np.array([limits[label] for label in candidates.labels.tolist()]).T
    shares = 1 / (1 + np.exp(-np.clip(_log_odds(logits, largest) - gamma, -700, 700)))
    draws = [np.random.default_rng((seed, slot, candidates.attempt, 1)).random() for slot in candidates.slots.tolist()]
    return np.array(draws) < shares

  return Filter('discriminator', keep)


def calibrate(logits: np.ndarray, labels: np.ndarray, *, percentile: float) -> dict[int, tuple[float, float]]:
  """M and gamma of `discriminator` by label, from a sample of logits: gamma is this percentile of F at gamma 0.

  The higher the percentile, the fewer images are kept. At percentile p, a share of about 1 - p / 100 of the images is
  kept with a probability above one half.

  Raises:
    ValueError: logits that are not finite, or a percentile outside (0, 100).
  """
  if not 0 < percentile < 100:
    raise ValueError(f'a percentile must be between 0 and 100, not {percentile}')
  if not np.isfinite(logits).all():
    raise ValueError('the discriminator gives logits that are not finite')
  limits = {}
  for label in np.unique(labels).tolist():
    own = logits[labels == label]
    limits[label] = float(own.max()), float(np.percentile(_log_odds(own, own.max()), percentile))
  return limits


def not_a_copy(
  features: Callable[[np.ndarray], np.ndarray], train: np.ndarray, *, distance: float, ratio: float
) -> Filter:
  """Keeps images that the copying guard (`gengan.metrics.copying_guard`) does not take for copies.

  Args:
    features: from uint8 images [N, H, W, C] to [N, D]; whole numbers, so that no row's answer depends on another row.
    train: features of the training images, [L, D], or views of them, [V, L, D].
    distance, ratio: of the guard's report.
  """
  num_views = len(train) if train.ndim == 3 else 1
  # Integer features have exact products in float64, however they are summed.
  train = np.asarray(train, np.float64).reshape(-1, train.shape[-1])
  squares = np.einsum('nd,nd->n', train, train)

  def keep(candidates: Candidates) -> np.ndarray:
    wanted = candidates.wanted
    queries = np.asarray(features(images.to_uint8(candidates.images[wanted])), np.float64)
    apart = squares - 2 * (queries @ train.T) + np.einsum('nd,nd->n', queries, queries)[:, None]
    apart = apart.reshape(len(queries), num_views, -1).min(axis=1)
    nearest = np.sort(np.partition(apart, copying_guard.NEXT - 1, axis=1)[:, : copying_guard.NEXT], axis=1)
    kept = np.zeros(len(wanted), bool)
    kept[wanted] = ~copying_guard.are_copies(np.sqrt(np.maximum(nearest, 0)), distance, ratio)
    return kept

  return Filter('copy', keep)


class NearDuplicates:
  """The perceptual hashes of all images kept so far; says whether another image is near one of them.

  Two 64-bit hashes that differ in at most d bits agree in at least one of d + 1 bands of bits (pigeonhole), so only
  hashes that agree in a band are compared. Each band has a sorted copy of the list, eight bytes a hash.
  """

  name = 'near_duplicate'

  def __init__(self, max_distance: int, kept: Sequence[int] = ()):
    """Begins with the hashes of images that were kept before; a `max_distance` not in 0 to 15 bits is a ValueError."""
    if not 0 <= max_distance <= 15:
      raise ValueError(f'hashes of near duplicates can differ in 0 to 15 bits, not {max_distance}')
    self._max_distance = max_distance
    edges = np.linspace(0, 64, max_distance + 2).astype(int)
    self._bands = [(np.uint64(low), np.uint64((1 << int(high - low)) - 1)) for low, high in itertools.pairwise(edges)]
    self._all, self._recent, self._new = np.array(kept, np.uint64), np.zeros(RECENT, np.uint64), 0
    self._sort()

  def admit(self, image: np.ndarray) -> bool:
    """Whether an image [H, W, C] uint8 is near none that was admitted before; if so, it is admitted."""
    code = hashed(image)
    if self._near(code):
      return False
    if self._new == RECENT:
      self._all, self._new = np.concatenate([self._all, self._recent]), 0
      self._sort()
    self._recent[self._new] = code
    self._new += 1
    return True

  @property
  def hashes(self) -> np.ndarray:
    """uint64 of all images that were admitted, in that order."""
    return np.concatenate([self._all, self._recent[: self._new]])

  def _near(self, code: np.uint64) -> bool:
    if np.any(np.bitwise_count(self._recent[: self._new] ^ code) <= self._max_distance):
      return True
    for (shift, mask), (keys, codes) in zip(self._bands, self._sorted, strict=True):
      first, last = np.searchsorted(keys, [(code >> shift) & mask, ((code >> shift) & mask) + np.uint64(1)])
      if np.any(np.bitwise_count(codes[first:last] ^ code) <= self._max_distance):
        return True
    return False

  def _sort(self) -> None:
    self._sorted = []
    for shift, mask in self._bands:
      keys = (self._all >> shift) & mask
      order = np.argsort(keys, kind='stable')
      self._sorted.append((keys[order], self._all[order]))


def hashed(image: np.ndarray) -> np.uint64:
  """The perceptual hash of one image [H, W, C] uint8; colour does not count."""
  picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).convert('L')
  grey = np.asarray(picture.resize((HASHED_SIDE, HASHED_SIDE), Image.Resampling.BICUBIC))
  return duplicates.perceptual_hash(grey[None])[0]


def _log_odds(logits: np.ndarray, largest: float | np.ndarray, eps: float = 1e-14) -> np.ndarray:
  """F of `discriminator` at gamma 0."""
  below = np.minimum(np.asarray(logits, np.float64) - largest, 0.0)
  return below - np.log(-np.expm1(below - max(eps, math.ulp(1.0))))
