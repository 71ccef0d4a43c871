"""Real and generated images as one endless stream of examples, for anybody's training loop.

A stream is a function of positions alone: `stream(start, stop)` gives examples start to stop - 1 of an endless
sequence, uint8 images [N, H, W, C] and labels [N]. So a loop that is resumed at step k asks for the batch of step k,
and nothing has to be saved. `iterate` turns a stream into batches.
"""

import fractions
import functools
import itertools
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from gengan.core import Batch
from gengan.generation import stream as generation

Examples = tuple[np.ndarray, np.ndarray]  # images [N, H, W, C] uint8, labels [N] int32
Stream = Callable[[int, int], Examples]


def shuffled(images: np.ndarray, labels: np.ndarray, *, seed: int) -> Stream:
  """Walks through a set without replacement, in a new order every epoch.

  Raises:
    ValueError: the set is empty, or has not as many labels as images.
  """
  if not len(labels) or len(labels) != len(images):
    raise ValueError(f'{len(images)} images and {len(labels)} labels are no set to train on')
  return _epochs(lambda epoch: (images, labels), len(labels), seed=seed)


def recycled(
  draw: generation.Draw,
  *,
  classes: Sequence[int],
  size: int,
  seed: int,
  every_epochs: int = 1,
  filters: Sequence[generation.Filter] = (),
  max_attempts: int = generation.MAX_ATTEMPTS,
) -> Stream:
  """Generated images, drawn again by the generator after every so many epochs (Lampis et al. 2023, dynamic recycle).

  Set e is what lies in slots e * size to (e + 1) * size - 1 of the endless set that `gengan.generate` numbers, so no
  image comes twice, and only one set is in memory.

  Args:
    draw: see `gengan.generation.stream.make_draw`.
    classes: in turn; empty for an unconditional model.
    size: images of a set.
    seed: of the order.
    every_epochs: passes through a set before it is drawn anew; 0: the first set is kept.
    filters: see `gengan.generation.filters`; a slot that finds no image is left out.
    max_attempts: candidates a slot, where there are filters.

  Raises:
    ValueError: no size, or the filters leave nothing (when the set is first drawn).
  """
  if size < 1 or every_epochs < 0:
    raise ValueError(f'a recycled set needs at least 1 image and 0 epochs or more, not {size} and {every_epochs}')

  @functools.lru_cache(maxsize=2)  # a batch spans at most two sets
  def drawn(number: int) -> Examples:
    slots = np.arange(number * size, (number + 1) * size)
    labels = generation.labels_of(slots, classes)
    found = generation.fill(draw, slots, labels, filters=filters, max_attempts=max_attempts if filters else 1)
    if not len(found.labels):
      raise ValueError(f'the filters dropped all of {found.drawn} candidates')
    missing = size - len(found.labels)  # an epoch has one length: a few images come twice instead
    rows = np.concatenate([np.arange(len(found.labels)), np.arange(missing) % len(found.labels)])
    return found.images[rows], found.labels[rows]

  return _epochs(lambda epoch: drawn(epoch // every_epochs if every_epochs else 0), size, seed=seed)


def mix(first: Stream, second: Stream, *, share: float) -> Stream:
  """Interleaves two streams evenly: of the first n examples, floor(n share) come from the second.

  With r generated images for a real one the share is r / (1 + r). No example of either is left out or comes early.

  Raises:
    ValueError: a share outside [0, 1].
  """
  if not 0 <= share <= 1:
    raise ValueError(f'the share of a mix must be from 0 to 1, not {share}')
  exact = fractions.Fraction(share).limit_denominator(10**6)  # floats would drift in a long run
  seconds = lambda position: position * exact.numerator // exact.denominator

  def stream(start: int, stop: int) -> Examples:
    taken = np.array([seconds(i + 1) > seconds(i) for i in range(start, stop)], bool)
    parts = [
      (~taken, first(start - seconds(start), stop - seconds(stop))),
      (taken, second(seconds(start), seconds(stop))),
    ]
    parts = [(rows, part) for rows, part in parts if rows.any()]
    images = np.empty((stop - start, *parts[0][1][0].shape[1:]), np.uint8)
    labels = np.empty(stop - start, np.int32)
    for rows, part in parts:
      images[rows], labels[rows] = part
    return images, labels

  return stream


def batches(stream: Stream, *, batch_size: int) -> Callable[[int], Examples]:
  """A function from a step to its batch of uint8 images, as `gengan.evaluators.classifier.train` takes it."""
  return lambda step: stream(step * batch_size, (step + 1) * batch_size)


def iterate(stream: Stream, *, batch_size: int, start: int = 0) -> Iterator[Batch]:
  """Endless batches {'image': float32 [B, H, W, C] in [-1, 1], 'label': int32 [B]}, from that of step `start` on."""
  of_step = batches(stream, batch_size=batch_size)
  for step in itertools.count(start):
    images, labels = of_step(step)
    yield {'image': images.astype(np.float32) / 127.5 - 1, 'label': labels.astype(np.int32)}


def _epochs(examples: Callable[[int], Examples], size: int, *, seed: int) -> Stream:
  """Streams epoch after epoch of sets of one size, each in an order of its own."""

  @functools.lru_cache(maxsize=4)
  def order(epoch: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch]).permutation(size)

  def stream(start: int, stop: int) -> Examples:
    parts = []
    while True:
      epoch, first = divmod(start, size)
      last = min(size, first + stop - start)
      images, labels = examples(epoch)
      rows = order(epoch)[first:last]
      parts.append((images[rows], labels[rows]))
      start += last - first
      if start >= stop:
        break
    return tuple(np.concatenate(arrays) for arrays in zip(*parts, strict=True))

  return stream
