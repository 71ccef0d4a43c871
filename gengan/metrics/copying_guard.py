"""The copying guard: does a generator hand out its training images?

Every sample's distance to its nearest training image is compared with that of held-out images, which are as close to
the training set as new images of the same kind can be expected to come (as in the three-sample test of Meehan et al.
2020, but with an answer for each sample). A sample is a copy that is nearer than all but a few held-out images are,
and nearer to one training image than to the next few, by more than held-out images usually are: what is merely smooth
or close to the mean is near to many. Where the held-out images have near duplicates of their own in the training set,
both limits would fall to nothing; so they have floors, and what counts is how many copies there are beyond theirs.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from gengan.metrics.neighbours import nearest_neighbours

QUANTILE = 0.01  # share of held-out images that are as near as a copy
RATIO_QUANTILE = 0.02  # share of held-out images that are as much nearer to one training image than to the next few
FLOOR = 0.5  # of the median held-out distance, and a ratio: what is within both is a copy whatever the quantiles are
NEXT = 5  # the neighbour compared with: fewer equal training images are still one
FAR = 25  # a neighbour that is no twin of the nearest
TWINS = 0.25  # of the median distance to the `FAR`-th: held-out images that are nearer than this have twins to train on
LIMIT = 0.1  # share of copies, beyond that of the held-out images, above which a generator is refused
LEAST_HELD_OUT = 100  # images; with fewer, the training images' distances to each other stand in for them
HELD_OUT = 'held-out images'  # a reference
SIDE = 16  # pixels at most that `pooled` leaves


class Report(NamedTuple):
  """What the guard found.

  A sample can be a copy up to two limits: its distance to the nearest training image, and the ratio of that to its
  distance to the `NEXT`-th nearest. Both are low quantiles of the reference's, but the one is at least `FLOOR` times
  the reference's median, the other at least `FLOOR`.
  """

  copies: float  # share of the generated images
  refused: bool | None  # whether this is too much; None: it cannot be told, for most held-out images have twins
  distance: float  # the limit
  ratio: float  # the limit
  copies_reference: float  # share of the reference's images that the same rule calls copies
  reference: str  # 'held-out images', or 'other training images' where there were too few of them
  nearer: float  # probability that a sample is nearer to the training set than one of the reference; 1/2: as near
  median_generated: float  # distance to the nearest training image
  median_reference: float
  num_train: int  # images compared
  num_reference: int
  num_generated: int

  def text(self) -> str:
    """What was found in whole sentences, with the numbers."""
    own = self.reference != HELD_OUT
    who = f'{self.num_reference:,} training images, each held against the others' if own else ''
    who = who or f'{self.num_reference:,} images that were held out'
    untold = (
      f'Most of the {"" if own else "held-out "}images have a near twin among the training images, so copies cannot be '
      'told from new images: python -m gengan.data.clean finds such twins. '
    )
    return (
      f'{untold if self.refused is None else ""}{self.copies:.1%} of {self.num_generated:,} samples lie too close to '
      f'one of the {self.num_train:,} training images; of {who}, {self.copies_reference:.1%} do, and samples may be up '
      f'to {100 * LIMIT:.0f} points above that. The median distance to the nearest training image is '
      f'{self.median_generated:.4g} for samples and {self.median_reference:.4g} for those.'
    )

  def to_json(self) -> dict[str, Any]:
    """All fields and the sentence."""
    return {**self._asdict(), 'text': self.text()}


def pooled(images: np.ndarray) -> np.ndarray:
  """Sums of the grey levels in squares: uint8 [N, H, W, C] to float32 [N, D], at most 16x16xC whole numbers.

  The default features. Whole numbers, so that sums and products do not depend on the order in which they are added.
  """
  count, height, width, channels = images.shape
  side = -(-max(height, width) // SIDE)
  filled = np.pad(images, ((0, 0), (0, -height % side), (0, -width % side), (0, 0)))
  squares = filled.reshape(count, filled.shape[1] // side, side, filled.shape[2] // side, side, channels)
  sums = squares.sum((2, 4), dtype=np.uint32)
  return sums.reshape(count, math.prod(sums.shape[1:])).astype(np.float32)


def report(
  train: np.ndarray,
  held_out: np.ndarray | None,
  generated: np.ndarray,
  *,
  quantile: float = QUANTILE,
  ratio_quantile: float = RATIO_QUANTILE,
) -> Report:
  """Compares distances to the nearest training image.

  Args:
    train: [L, D] features, L > `NEXT`; or several views [V, L, D] of the same L images, such as mirrored ones, of which
      the nearest counts.
    held_out: [N, D] of images that were never trained on; None or fewer than `LEAST_HELD_OUT`: the distance of each
      training image to the nearest other one is taken instead.
    generated: [M, D].
    quantile: of the held-out distances, up to which a sample can be a copy.
    ratio_quantile: of the held-out ratios, likewise; both within (0, 1).

  Raises:
    ValueError: another quantile, or `NEXT` training images or fewer.
  """
  if not 0 < quantile < 1 or not 0 < ratio_quantile < 1:
    raise ValueError(f'quantiles must be between 0 and 1, not {quantile} and {ratio_quantile}')
  views = train if train.ndim == 3 else train[None]
  if views.shape[1] <= NEXT:
    raise ValueError(f'{views.shape[1]} training images are too few to tell copies by; it takes {NEXT + 1} or more')
  if held_out is not None and len(held_out) >= LEAST_HELD_OUT:
    reference, around = HELD_OUT, _around(held_out, views)
  else:
    reference, around = 'other training images', _around(views[0], views, others=True)
  expected = around[:, 0]
  distance = max(float(np.quantile(expected, quantile)), FLOOR * float(np.median(expected)))
  ratio = max(float(np.quantile(_ratios(around), ratio_quantile)), FLOOR)
  generated_around = _around(generated, views)
  copies, copies_reference = (float(np.mean(are_copies(each, distance, ratio))) for each in (generated_around, around))
  twins = np.median(expected) < TWINS * np.median(around[:, -1])
  distances = generated_around[:, 0]
  ordered = np.sort(expected)
  ranks = np.searchsorted(ordered, distances, 'left') + np.searchsorted(ordered, distances, 'right')
  return Report(
    copies=copies,
    refused=None if twins else copies - copies_reference > LIMIT,
    distance=distance,
    ratio=ratio,
    copies_reference=copies_reference,
    reference=reference,
    nearer=float(1 - np.mean(ranks) / 2 / len(expected)),
    median_generated=float(np.median(distances)),
    median_reference=float(np.median(expected)),
    num_train=views.shape[1],
    num_reference=len(expected),
    num_generated=len(generated),
  )


def are_copies(distances: np.ndarray, distance: float, ratio: float) -> np.ndarray:
  """Which samples are copies, [N] bool, by the limits of a `Report`.

  `distances` [N, `NEXT` or more] are those to a sample's nearest training images, nearest first.
  """
  return (distances[:, 0] <= distance) & (_ratios(distances) <= ratio)


def _around(queries: np.ndarray, views: np.ndarray, *, others: bool = False) -> np.ndarray:
  """Distances to the `FAR` nearest training images (or all), each at its nearest view, nearest first: [N, FAR].

  Args:
    queries: [N, D].
    views: [V, L, D].
    others: query n is view 0 of image n, which is left out with all its views.
  """
  num_views, count, size = views.shape
  wanted = max(min(FAR, count - others), NEXT)
  k = num_views * (wanted + others)  # an image takes a place a view at most
  indices, distances = nearest_neighbours(queries, views.reshape(-1, size), k)
  found = indices % count
  again = [np.any(found[:, :rank] == found[:, rank : rank + 1], axis=1) for rank in range(k)]
  left_out = np.stack(again, axis=1) | (others & (found == np.arange(len(queries))[:, None]))
  first = np.argsort(left_out, axis=1, kind='stable')[:, :wanted]
  return np.take_along_axis(distances, first, axis=1)


def _ratios(distances: np.ndarray) -> np.ndarray:
  """Distance to the nearest over that to the `NEXT`-th, [N]; 0 where both are 0."""
  return distances[:, 0] / np.maximum(distances[:, NEXT - 1], np.finfo(np.float64).tiny)
