"""The copying guard on its way into a job: where its images come from, and what its verdict does."""

import dataclasses
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from gengan import config as configs
from gengan import data
from gengan.data.dataset import differences
from gengan.evaluators import copying_guard
from gengan.formats import ledger

SAMPLES = 2048  # samples, and held-out images, whose distances to the training set are looked at
TRAINING_IMAGES = 200_000  # looked at, at most


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
    allow: return the report whatever it says.

  Raises:
    ValueError: the generator copies, or it cannot be found out, and that is not allowed.
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

  Raises:
    FileNotFoundError, ValueError: the data cannot be read, or is something else now.
  """
  dataset = data.load(config)
  if changed := differences(configs.load_dataset_facts(workdir), dataset.statistics):
    raise ValueError(f'{config.source} is no longer what the run was trained on: {"; ".join(changed)}')
  return dataset


def training_features(config: ConfigDict, workdir: pathlib.Path) -> tuple[np.ndarray, np.ndarray]:
  """Pooled pixels of the training images, mirrored ones too where training mirrored them, and of validation images.

  What the distances decide goes into a set that others train on, so no test image has a say in it.

  Args:
    config: `config.data` of the run.
    workdir: of the run.

  Raises:
    FileNotFoundError, ValueError: the data cannot be read, or is not what the run was trained on.
  """
  dataset = training_data(config, workdir)
  pool = lambda split: _pooled(split, _spread(len(split), TRAINING_IMAGES))
  train = pool(dataset.train)
  if config.flip:  # a mirrored training image is a training image
    train = np.concatenate([train, pool(dataclasses.replace(dataset.train, images=_Mirrored(dataset.train.images)))])
  held_out = dataset.validation
  return train, _pooled(held_out, _spread(len(held_out), SAMPLES)) if len(held_out) else train[:0]


def _spread(count: int, at_most: int) -> np.ndarray:
  """Positions spread over `count`, all of them if there are no more."""
  return np.unique(np.linspace(0, count - 1, min(count, at_most)).astype(np.int64))


def _pooled(split, rows: np.ndarray) -> np.ndarray:
  return np.concatenate([copying_guard.pooled(split.images[rows[i : i + 1024]]) for i in range(0, len(rows), 1024)])


class _Mirrored:
  def __init__(self, images):
    self._images = images

  def __getitem__(self, rows) -> np.ndarray:
    return self._images[rows][:, :, ::-1]
