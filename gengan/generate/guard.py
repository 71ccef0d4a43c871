"""The copying guard of a job: the images that it compares, and the refusal of a generator that copies."""

import functools
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from gengan import data, runs
from gengan.data import images
from gengan.data.iterator import scale
from gengan.generate import stream
from gengan.generate.formats import ledger
from gengan.metrics import copying_guard

SAMPLES = 2048  # generated images, and as many held-out ones at most, that are compared with the training images
TRAINING_IMAGES = 200_000  # of these at most, spread over the set


def check(
  book: ledger.Ledger,
  drawn: Callable[[], np.ndarray],
  training: Callable[[], tuple[np.ndarray, np.ndarray]],
  *,
  allow: bool,
) -> dict[str, Any]:
  """The copying report; found once and kept in the ledger.

  Args:
    book: of the set.
    drawn: gives `samples`.
    training: gives `training_features`.
    allow: a generator that copies, or of which nothing can be told.

  Raises:
    ValueError: it is such a generator, and that is not allowed.
  """
  reason = ''

  def compare() -> dict[str, Any] | None:
    nonlocal reason
    try:
      train, held_out = training()
      return copying_guard.report(train, held_out, copying_guard.pooled(drawn())).to_json()
    except (ValueError, OSError) as error:
      reason = f'{error}.'
      return None

  found = book.once('copying', compare)
  found = found or {'refused': None, 'text': 'Not checked: the training images could not be compared.'}
  if found['refused'] is not False and not allow:
    why = 'the generator copies its training images' if found['refused'] else 'nobody can tell whether it copies'
    raise ValueError(f'{why}: {reason or found["text"]} To export the set all the same, give --allow_copies')
  return found


def samples(draw: stream.Draw, classes: Sequence[int]) -> np.ndarray:
  """The uint8 images that the guard looks at: unfiltered, of the classes in turn."""
  slots = np.arange(SAMPLES)
  return stream.fill(draw, slots, stream.labels_of(slots, classes)).images


def training_features(config: ConfigDict, workdir: pathlib.Path) -> tuple[np.ndarray, np.ndarray]:
  """Pooled pixels of training images and of validation images, in black and white where training made them so.

  Test images are left out: what is decided here goes into a set that others train on. Arguments and errors are those of
  `runs.training_data`.

  Returns:
    [V, L, D], where V is 2 if training mirrored the images and else 1, and [N, D].
  """
  dataset = runs.training_data(config, workdir)
  as_trained = functools.partial(_as_trained, config=config)
  views = [as_trained]
  if config.flip:  # a mirrored training image is a training image
    views.append(lambda pixels: as_trained(pixels)[:, :, ::-1])
  train = np.stack([_pooled(dataset.train, TRAINING_IMAGES, view) for view in views])
  return train, _pooled(dataset.validation, SAMPLES, as_trained)


def _as_trained(pixels: np.ndarray, config: ConfigDict) -> np.ndarray:
  """uint8 images as training showed them. Binarised at random, they are grey again: a model knows only the mean."""
  if config.binarise != 'threshold':
    return pixels
  return images.to_uint8(scale(pixels, lambda: None, dequantise=False, binarise='threshold'))


def _pooled(split: data.Split, at_most: int, view: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
  """Features [N, D] of a view of at most so many images, evenly spread over the split."""
  rows = np.unique(np.linspace(0, len(split) - 1, min(len(split), at_most)).astype(np.int64))
  blocks = [rows[start : start + 1024] for start in range(0, max(len(rows), 1), 1024)]
  return np.concatenate([copying_guard.pooled(view(split.images[block])) for block in blocks])
