"""The plan of a comparison: which regimes and arms it has, checked before anything is trained."""

import math
import pathlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from ml_collections import ConfigDict

from gengan import augment, data, train
from gengan.config import ConfigError, check_numbers, require_fields
from gengan.config.fields import find
from gengan.core import ArgumentError
from gengan.utility import arms, source

LONG_TAIL = 'long_tail'
_distinct = lambda values: 0 < len(values) == len(set(values))
_positive = lambda value: value >= 1
POSITIVE = (
  *('synthetic.num', 'synthetic.every_epochs', 'long_tail.generator_steps'),
  *(f'classifier.{name}' for name in ('steps', 'passes', 'batch_size', 'width', 'eval_every_steps')),
)
# Fields of a comparison's config, whether a value can work, and what it must be; the rest of `generator` is training's.
FIELDS = (
  ('generator.model.conditional', bool, 'True: the images need labels'),
  ('regimes', lambda sizes: _distinct(sizes) and min(sizes) >= 0, 'different numbers of images a class, 0 for all'),
  ('generator_steps', lambda steps: all(map(_positive, steps)), 'numbers of at least 1'),
  ('ratios', lambda ratios: all(0 < ratio < math.inf for ratio in ratios), 'positive numbers'),
  ('ratios', lambda ratios: not ratios or _distinct([f'{ratio:g}' for ratio in ratios]), 'different numbers'),
  ('seeds', lambda seeds: 1 <= seeds <= source.MAX_SEEDS, f'from 1 to {source.MAX_SEEDS}; 3 or more tell something'),
  ('synthetic.min_agreement', lambda share: 0 < share < 1, 'between 0 and 1'),
  ('synthetic.scale', lambda scale: 0 < scale < math.inf, 'above 0'),
  ('long_tail.imbalance', _positive, 'at least 1; 1 leaves it out'),
  *((field, _positive, 'at least 1') for field in POSITIVE),
)
POLICIES = ('few_augment', 'classifier.augment')
MEANS = ('synthetic.means', 'synthetic.mixed_means')


class Regime(NamedTuple):
  """An amount of real data, and what is compared with it."""

  name: str  # 'N_per_class', 'all' or 'long_tail'
  config: ConfigDict  # of the generator's run; its `data` section says which real images there are
  arms: tuple[str, ...]  # their names


def regimes(config: ConfigDict) -> list[Regime]:
  """The regimes of a comparison.

  Raises:
    ConfigError: a field of the config that cannot work.
  """
  check(config)
  made = []
  names = arms.balanced_names(config.ratios, config.synthetic.means)
  for per_class, steps in zip(config.regimes, config.generator_steps, strict=True):
    name = f'{per_class}_per_class' if per_class else 'all'
    made.append(Regime(name, _generator_config(config, steps, 'examples_per_class', per_class), names))
  tail = config.long_tail
  if tail.imbalance > 1:
    generator = _generator_config(config, tail.generator_steps, 'imbalance', tail.imbalance)
    made.append(Regime(LONG_TAIL, generator, arms.LONG_TAILED))
  return made


def check(config: ConfigDict) -> None:
  """Raises a ConfigError for a field that is missing or cannot work."""
  needed = ['generator', 'generator.data.source', 'generator.optimizers', *POLICIES, *MEANS]
  needed += [field for field, _, _ in FIELDS]
  hint = 'this looks like the config of a training, for python -m gengan.main' if 'optimizers' in config else ''
  require_fields(config, needed, kind="a comparison's config", example='--config=utility/digits', why=hint)
  check_numbers(config)
  for field, valid, allowed in FIELDS:
    if not _works(valid, value := find(config, field)):
      raise ConfigError(field, value, allowed)
  if len(config.generator_steps) != len(config.regimes):
    raise ConfigError('generator_steps', config.generator_steps, 'one number a regime')
  if per_class := config.generator.data.get('examples_per_class', 0):
    raise ConfigError('generator.data.examples_per_class', per_class, '0: config.regimes says how many')
  for field in POLICIES:
    try:
      augment.policy(find(config, field))
    except ArgumentError as error:
      raise ConfigError(field, error.value, error.allowed) from error
  for field, means in zip(MEANS, (config.synthetic.means, (config.synthetic.mixed_means,)), strict=True):
    try:
      made = [tuple(sorted(arms.split_means(each))) for each in means]
    except ArgumentError as error:
      raise ConfigError(field, error.value, error.allowed, why=error.why) from error
    if made and not _distinct(made):
      raise ConfigError(field, means, 'different means')


def _works(valid: Callable[[Any], Any], value: Any) -> bool:
  """Whether a value can work; one of another type cannot."""
  try:
    return bool(valid(value))
  except TypeError:
    return False


def wanted(regime: Regime, seeds: int) -> list[tuple[str, int]]:
  """The (arm, seed) of every classifier of a regime, in the order in which they are trained."""
  return [(arm, seed) for seed in range(seeds) for arm in regime.arms]


def check_regime(regime: Regime, folder: pathlib.Path) -> None:
  """Prepares the training of a regime's generator, and looks for the images that its arms need.

  Raises:
    ValueError, FileNotFoundError: it cannot work; names the regime and the field of the comparison's config.
  """
  try:
    dataset = train.prepare(regime.config, folder).dataset
  except ConfigError as error:
    if error.field == 'model.conditional':  # which every comparison has
      what = f'the images of {regime.config.data.source!r} have no labels of two classes or more'
      raise ValueError(f'{regime.name}: {what}; a comparison of classifiers needs them') from error
    raise ValueError(f'{regime.name}: {error.under("generator")}') from error
  except ValueError as error:
    raise ValueError(f'{regime.name}: {error}') from error
  except FileNotFoundError as error:
    raise FileNotFoundError(f'{regime.name}: {error}') from error
  _check_images(regime, dataset)


def _check_images(regime: Regime, dataset: data.Dataset) -> None:
  settings = regime.config.data
  count = lambda split: np.bincount(split.labels, minlength=dataset.num_classes)
  counts = count(dataset.train)
  if counts.min() < settings.examples_per_class:
    least = dataset.class_names[counts.argmin()]
    raise ConfigError(
      'regimes',
      settings.examples_per_class,
      f'at most {counts.min()}, or 0 for all',
      why=f'but there are {counts.min()} training images of the class {least!r} in {settings.source}',
    )
  for split in (dataset.train, dataset.test):
    found = count(split)
    if len(split) and not found.all():
      raise ValueError(
        f'{regime.name}: there is no {split.name} image of the class {dataset.class_names[found.argmin()]!r} in '
        f'{settings.source}; a comparison needs some of every class'
      )
  for split, use in (('validation', 'stop the classifiers early'), ('test', 'measure them')):
    if not len(getattr(dataset, split)):
      raise ConfigError(
        f'generator.data.{split}_fraction',
        settings[f'{split}_fraction'],
        f'above 0, to {use}',
        why=f'and {settings.source} then has no {split} images',
      )


def _generator_config(config: ConfigDict, steps: int, field: str, value: float) -> ConfigDict:
  """That of a regime, which is told from the others by a field of `data`."""
  made = ConfigDict(config.generator.to_dict())
  with made.unlocked():
    made.num_steps = int(steps)
    made.data[field] = value
    if value:
      made.augment = config.few_augment  # few images are learnt by heart without it
    for optimizer in made.optimizers.values():
      if isinstance(optimizer.learning_rate, ConfigDict):  # a schedule
        optimizer.learning_rate.kimg = int(1.2 * steps) * made.batch_size / 1000
  return made
