"""The copying guard: does a generator hand out its training images?

Every sample's distance to its nearest training image is compared with that of held-out images, which are as close to
the training set as new images of the same kind can be expected to come (as in the three-sample test of Meehan et al.
2020, but with an answer for each sample). A sample that is nearer than all but a few held-out images are is a copy.
"""

from typing import Any, NamedTuple

import numpy as np

from gengan.evaluators.neighbours import nearest_neighbours, nearest_others

QUANTILE = 0.01  # share of held-out images that count as copies, by definition of the distance
LIMIT = 0.1  # share of copies above which a generator is refused: ten times what held-out images have
LEAST_HELD_OUT = 100  # images; with fewer, the training images' distances to each other stand in for them
SIDE = 16  # pixels at most that `pooled` leaves


class Report(NamedTuple):
  """What the guard found.

  Attributes:
    copies: share of the generated images that are copies.
    refused: whether this is too much.
    distance: to the nearest training image, below which a sample is a copy.
    quantile: of the reference's distances, which `distance` is.
    reference: 'held-out images', or 'other training images' where there were too few of them.
    nearer: probability that a generated image is nearer to the training set than one of the reference; 1/2 for as near.
    median_generated, median_reference: distances to the nearest training image.
    num_train, num_reference, num_generated: images compared.
  """

  copies: float
  refused: bool
  distance: float
  quantile: float
  reference: str
  nearer: float
  median_generated: float
  median_reference: float
  num_train: int
  num_reference: int
  num_generated: int

  def text(self) -> str:
    """One sentence with the numbers."""
    return (
      f'{self.copies:.1%} of {self.num_generated:,} samples are nearer to one of {self.num_train:,} training images '
      f'than {1 - self.quantile:.0%} of {self.num_reference:,} {self.reference} are (refused above {LIMIT:.0%}); '
      f'median distance {self.median_generated:.4g}, of {self.reference} {self.median_reference:.4g}'
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
  return squares.sum((2, 4), dtype=np.uint32).reshape(count, -1).astype(np.float32)


def report(
  train: np.ndarray, held_out: np.ndarray | None, generated: np.ndarray, *, quantile: float = QUANTILE
) -> Report:
  """Compares distances to the nearest training image.

  Args:
    train: [L, D] features, L >= 2.
    held_out: [N, D] of images that were never trained on; None or fewer than `LEAST_HELD_OUT`: the distance of each
      training image to the nearest other one is taken instead.
    generated: [M, D].
    quantile: of the held-out distances; what lies below is a copy.

  Raises:
    ValueError: shapes that do not fit, values that are not finite, or a quantile outside (0, 1).
  """
  if not 0 < quantile < 1:
    raise ValueError(f'a quantile must be between 0 and 1, not {quantile}')
  distances = nearest_neighbours(generated, train)[1][:, 0]
  if held_out is not None and len(held_out) >= LEAST_HELD_OUT:
    reference, expected = 'held-out images', nearest_neighbours(held_out, train)[1][:, 0]
  else:
    reference, expected = 'other training images', nearest_others(train)[1][:, 0]
  distance = float(np.quantile(expected, quantile))
  copies = float(np.mean(distances <= distance))
  ranks = np.searchsorted(np.sort(expected), distances, 'left') + np.searchsorted(np.sort(expected), distances, 'right')
  return Report(
    copies=copies,
    refused=copies > LIMIT,
    distance=distance,
    quantile=quantile,
    reference=reference,
    nearer=float(1 - np.mean(ranks) / 2 / len(expected)),
    median_generated=float(np.median(distances)),
    median_reference=float(np.median(expected)),
    num_train=len(train),
    num_reference=len(expected),
    num_generated=len(generated),
  )
