"""Real and generated images as one endless stream of examples, for anybody's training loop.

A stream is a function of positions alone: `stream(start, stop)` gives examples start to stop - 1 of an endless
sequence, uint8 images [N, H, W, C] and labels [N]. So a loop that is resumed at step k asks for the batch of step k,
and nothing has to be saved. `iterate` turns a stream into batches.
"""

import fractions
import functools
import itertools
from collections.abc import Callable, Iterator

import numpy as np

from gengan.core import Batch

Examples = tuple[np.ndarray, np.ndarray]  # images [N, H, W, C] uint8, labels [N] int32
Stream = Callable[[int, int], Examples]


def shuffled(images: np.ndarray, labels: np.ndarray, *, seed: int) -> Stream:
  """Walks through a set without replacement, in a new order every epoch.

  Raises:
    ValueError: the set is empty, has not as many labels as images, or the images are not uint8.
  """
  if not len(labels) or len(labels) != len(images):
    raise ValueError(f'{len(images)} images and {len(labels)} labels are no set to train on')
  if (dtype := np.asarray(images).dtype) != np.uint8:
    raise ValueError(f'images are {dtype}; they must be uint8, as gengan.data.images.to_uint8 makes them')
  return in_epochs(lambda epoch: (images, labels), len(labels), seed=seed)


def in_epochs(examples: Callable[[int], Examples], size: int, *, seed: int) -> Stream:
  """Streams one epoch after another, each in an order of its own.

  `examples` gives the set of an epoch by its number, always of the same size.
  """

  @functools.lru_cache(maxsize=4)
  def order(epoch: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch]).permutation(size)

  def stream(start: int, stop: int) -> Examples:
    parts = []
    while start < stop or not parts:  # once at least, for the shapes
      epoch, first = divmod(start, size)
      last = min(size, first + stop - start)
      images, labels = examples(epoch)
      rows = order(epoch)[first:last]
      parts.append((images[rows], labels[rows]))
      start += last - first
    return tuple(np.concatenate(arrays) for arrays in zip(*parts, strict=True))

  return stream


def mix(first: Stream, second: Stream, *, share: float) -> Stream:
  """Interleaves two streams evenly: of the first n examples, floor(n share) come from the second.

  With r generated images for a real one the share is r / (1 + r). No example of either is left out or comes early.

  Raises:
    ValueError: a share outside [0, 1]; when examples are asked for, images of two shapes.
  """
  if not 0 <= share <= 1:
    raise ValueError(f'the share of a mix must be from 0 to 1, not {share}')
  exact = fractions.Fraction(share).limit_denominator(10**6)  # floats would drift in a long run
  seconds = lambda position: position * exact.numerator // exact.denominator

  def stream(start: int, stop: int) -> Examples:
    taken = np.array([seconds(i + 1) > seconds(i) for i in range(start, stop)], bool)
    before, after = seconds(start), seconds(stop)
    parts = [(~taken, first(start - before, stop - after)), (taken, second(before, after))]
    parts = [(rows, part) for rows, part in parts if rows.any()]
    shapes = {part[0].shape[1:] for _, part in parts}
    if len(shapes) > 1:
      raise ValueError(f'the images of the two streams differ in shape: {" and ".join(map(str, sorted(shapes)))}')
    images = np.empty((stop - start, *shapes.pop()), np.uint8)
    labels = np.empty(stop - start, np.int32)
    for rows, part in parts:
      images[rows], labels[rows] = part
    return images, labels

  return stream


def batches(stream: Stream, *, batch_size: int) -> Callable[[int], Examples]:
  """A function from a step to its batch of uint8 images, as `gengan.networks.classifier.train` takes it.

  Raises:
    ValueError: a batch of no images.
  """
  if batch_size < 1:
    raise ValueError(f'batch_size is {batch_size}; it must be at least 1')
  return lambda step: stream(step * batch_size, (step + 1) * batch_size)


def iterate(stream: Stream, *, batch_size: int, start: int = 0) -> Iterator[Batch]:
  """Endless batches {'image': float32 [B, H, W, C] in [-1, 1], 'label': int32 [B]}, from that of step `start` on.

  Raises:
    ValueError: as `batches`.
  """
  of_step = batches(stream, batch_size=batch_size)

  def batch(step: int) -> Batch:
    images, labels = of_step(step)
    return {'image': images.astype(np.float32) / 127.5 - 1, 'label': labels.astype(np.int32)}

  return map(batch, itertools.count(start))
