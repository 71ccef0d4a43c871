"""The copying guard of a job: the images that it compares, and the refusal of a generator that copies."""

import functools
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from gengan import data
from gengan.config import load_dataset_facts, reading
from gengan.data import images
from gengan.data.iterator import scale
from gengan.data.statistics import differences
from gengan.generate.formats import ledger
from gengan.metrics import copying_guard

SAMPLES = 2048  # generated images, and as many held-out ones at most, that are compared with the training images
TRAINING_IMAGES = 200_000  # of these at most, spread over the set


def check(
  book: ledger.Ledger,
  samples: Callable[[], np.ndarray],
  training: Callable[[], tuple[np.ndarray, np.ndarray]],
  *,
  allow: bool,
) -> dict[str, Any]:
  """The copying report; found once and kept in the ledger.

  Args:
    book: of the set.
    samples: draws uint8 images from the generator.
    training: see `training_features`.
    allow: a generator that copies, or of which nothing can be told.

  Raises:
    ValueError: it is such a generator, and that is not allowed.
  """
  found, unreadable = book.note('copying'), ''
  if found is None:
    try:
      train, held_out = training()
    except (ValueError, FileNotFoundError) as error:
      found = {'refused': None, 'text': 'Not checked: the training data could not be read.'}
      unreadable = f' ({error})'
    else:
      found = copying_guard.report(train, held_out, copying_guard.pooled(samples())).to_json()
      book.write_note('copying', found)
  if found['refused'] is not False and not allow:
    why = 'the generator copies its training images' if found['refused'] else 'copies cannot be looked for'
    raise ValueError(f'{why}: {found["text"].rstrip(".")}{unreadable}. To export all the same, give --allow_copies')
  return found


def training_data(config: ConfigDict, workdir: pathlib.Path) -> data.Dataset:
  """What the run was trained on.

  Args:
    config: `config.data` of the run.
    workdir: of the run.

  Raises:
    FileNotFoundError, ValueError: the data cannot be read, or is something else now.
  """
  with reading('data'):
    dataset = data.load(config)
  if changed := differences(load_dataset_facts(workdir), dataset.statistics):
    raise ValueError(f'{config.source} is no longer what the run was trained on: {"; ".join(changed)}')
  return dataset


def training_features(config: ConfigDict, workdir: pathlib.Path) -> tuple[np.ndarray, np.ndarray]:
  """Pooled pixels of training images and of validation images, in black and white where training made them so.

  Test images are left out: what is decided here goes into a set that others train on.

  Args:
    config: `config.data` of the run.
    workdir: of the run.

  Returns:
    [V, L, D], where V is 2 if training mirrored the images and else 1, and [N, D].

  Raises:
    FileNotFoundError, ValueError: the data cannot be read, or is not what the run was trained on.
  """
  dataset = training_data(config, workdir)
  as_trained = functools.partial(_as_trained, config=config)
  rows = _spread(len(dataset.train), TRAINING_IMAGES)
  views = [_pooled(dataset.train, rows, as_trained)]
  if config.flip:  # a mirrored training image is a training image
    views.append(_pooled(dataset.train, rows, lambda pixels: as_trained(pixels)[:, :, ::-1]))
  held_out = _pooled(dataset.validation, _spread(len(dataset.validation), SAMPLES), as_trained)
  return np.stack(views), held_out


def _as_trained(pixels: np.ndarray, config: ConfigDict) -> np.ndarray:
  """uint8 images as training showed them. Binarised at random, they are grey again: a model knows only the mean."""
  if config.binarise != 'threshold':
    return pixels
  return images.to_uint8(scale(pixels, lambda: None, dequantise=False, binarise='threshold'))


def _spread(count: int, at_most: int) -> np.ndarray:
  """At most so many positions, evenly spread from 0 to count - 1."""
  return np.unique(np.linspace(0, count - 1, min(count, at_most)).astype(np.int64))


def _pooled(split: data.Split, rows: np.ndarray, view: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
  """Features of a view of these rows, [len(rows), D]."""
  blocks = [rows[start : start + 1024] for start in range(0, max(len(rows), 1), 1024)]
  return np.concatenate([copying_guard.pooled(view(split.images[block])) for block in blocks])
