"""What D sees: samples, and the same under every operation of a run's augmentation."""

import functools
import pathlib
from collections.abc import Mapping

import jax
import numpy as np

from gengan import augment, core, runs
from gengan.config import fields, recipes, schedules
from gengan.data import images, sheets
from gengan.sample import grids

COLUMNS = 8
ALL = 'ada_all'  # of a run that augments nothing: what there is to choose from


def draw(
  run: runs.Run, out: pathlib.Path, *, truncation: float = 1.0, seed: int = 0, about: Mapping[str, object] | None = None
) -> str:
  """Draws a PNG of one row of samples, one for every operation alone, and one for all as the run has them now.

  Each operation alone comes to every image. Arguments are those of `grids.draw`; says what it drew.
  """
  names = run.config.get('augment', '')
  labels = grids.choose_labels(COLUMNS, classes=(), num_classes=recipes.classes(run.config))
  key, augment_key = jax.random.split(jax.random.key(seed))
  plain = grids.sample_images(run.algorithm, run.state, key, labels=labels, truncation=truncation)
  rows = {'samples': plain}
  for name, _ in augment.parts(names or ALL):
    rows[name] = _augmented(name, plain, augment_key, 1.0)
  if names:
    chance = probability(run)
    rows[f'all, p = {chance:.2f}'] = _augmented(names, plain, augment_key, chance)
  flat = np.clip(np.concatenate(list(rows.values())), -1, 1)
  picture = images.grid(flat, columns=COLUMNS, scale=sheets.scale(flat), row_labels=[*rows])
  images.save_png(out, picture, text={f'gengan.{name}': str(value) for name, value in (about or {}).items()})
  return f'{len(rows) - 1} rows of augmentations{"" if names else ", of which the run has none,"}'


def probability(run: runs.Run) -> float:
  """With which probability an operation comes to an image at the run's step."""
  adapted = run.state.extra.get('augment', {}).get('probability')
  if adapted is not None:
    return float(adapted)
  value = run.config.augment_probability
  made = schedules.make(value, run.config.batch_size) if fields.is_section(value) else value
  return float(core.value_at(made, run.step))


def _augmented(names: str, drawn: np.ndarray, key: jax.Array, chance: float) -> np.ndarray:
  apply = functools.partial(augment.policy(names), probability=chance)
  return np.asarray(jax.jit(apply)(drawn, key), np.float32)
