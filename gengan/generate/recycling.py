"""A stream of generated images for training: a new set every few epochs, to be mixed with real ones (`data.mixing`)."""

import functools
from collections.abc import Callable, Sequence

import numpy as np

from gengan.data import mixing
from gengan.generate import stream


class NothingLeft(ValueError):
  """The filters dropped every image of a set."""


def recycled(
  draw: stream.Draw,
  *,
  classes: Sequence[int],
  size: int,
  seed: int,
  every_epochs: int = 1,
  filters: Sequence[stream.Filter] = (),
  max_attempts: int = stream.MAX_ATTEMPTS,
  relabel: Callable[[np.ndarray], np.ndarray] | None = None,
) -> mixing.Stream:
  """A stream of sets of images, a new one after every so many epochs (Lampis et al. 2023, dynamic recycle).

  Set e holds the images in slots e * size to (e + 1) * size - 1, as `gengan.generate.stream` numbers them. So all sets
  are different, and only those that a batch needs are in memory.

  Args:
    draw: see `gengan.generate.stream.make_draw`.
    classes: in turn; empty for an unconditional model.
    size: images of a set.
    seed: of the order.
    every_epochs: passes through a set before it is drawn anew; 0: the first set is kept.
    filters: see `gengan.generate.filters`; a slot that finds no image is left out.
    max_attempts: candidates a slot, where there are filters.
    relabel: from uint8 images [N, H, W, C] to the labels [N] that they shall have, such as those that a classifier of
      real images finds; None: those that the generator was asked for.

  Raises:
    ValueError: a size below 1, or a negative number of epochs.
    NothingLeft: when a set is drawn of which the filters keep no image.
  """
  if size < 1 or every_epochs < 0:
    raise ValueError(f'a recycled set needs at least 1 image and 0 epochs or more, not {size} and {every_epochs}')

  @functools.lru_cache(maxsize=2)  # a batch spans at most two sets
  def drawn(number: int) -> mixing.Examples:
    slots = np.arange(number * size, (number + 1) * size)
    labels = stream.labels_of(slots, classes)
    found = stream.fill(draw, slots, labels, filters=filters, max_attempts=max_attempts if filters else 1)
    if not len(found.labels):
      raise NothingLeft(f'the filters dropped all of {found.drawn} candidates')
    missing = size - len(found.labels)  # all epochs have one length: instead of what was dropped, some come twice
    rows = np.concatenate([np.arange(len(found.labels)), np.arange(missing) % len(found.labels)])
    labels = relabel(found.images) if relabel else found.labels
    return found.images[rows], labels[rows]

  return mixing.in_epochs(lambda epoch: drawn(epoch // every_epochs if every_epochs else 0), size, seed=seed)
