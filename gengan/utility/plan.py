"""The plan of a comparison: which regimes and arms it has, checked before anything is trained."""

import functools
import math
import pathlib
from typing import Any, NamedTuple

import numpy as np
from ml_collections import ConfigDict

from gengan import augment, data, train
from gengan.config import ConfigError, check_numbers, require_fields
from gengan.core import ArgumentError
from gengan.utility import arms, source

LONG_TAIL = 'long_tail'
FIELDS = (  # of a comparison's config; for those of `generator`, training itself looks
  'generator',
  'generator.model.conditional',
  'generator.data.source',
  'generator.optimizers',
  'few_augment',
  'regimes',
  'generator_steps',
  'ratios',
  'seeds',
  *(f'synthetic.{name}' for name in ('num', 'means', 'mixed_means', 'every_epochs', 'min_agreement', 'scale')),
  *(f'classifier.{name}' for name in ('steps', 'passes', 'batch_size', 'width', 'augment', 'eval_every_steps')),
  'long_tail.imbalance',
  'long_tail.generator_steps',
)


class Regime(NamedTuple):
  """An amount of real data, and what is compared with it.

  Attributes:
    name: 'N_per_class', 'all' or 'long_tail'.
    config: of the generator's run; its `data` section says which real images there are.
    arms: names of the arms.
  """

  name: str
  config: ConfigDict
  arms: tuple[str, ...]


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
    fields = {'data.examples_per_class': per_class}
    made.append(Regime(name, _generator_config(config, steps, fields), names))
  if config.long_tail.imbalance > 1:
    fields = {'data.imbalance': config.long_tail.imbalance}
    made.append(
      Regime(LONG_TAIL, _generator_config(config, config.long_tail.generator_steps, fields), arms.LONG_TAILED)
    )
  return made


def check(config: ConfigDict) -> None:
  """Raises a ConfigError for a field that is missing or cannot work."""
  require_fields(config, FIELDS, kind="a comparison's config", example='configs/utility/digits.py')
  check_numbers(config)
  for field, valid, allowed in (
    (
      'regimes',
      _distinct(config.regimes) and min(config.regimes) >= 0,
      'different numbers of images a class, 0 for all',
    ),
    ('generator_steps', len(config.generator_steps) == len(config.regimes), 'one number a regime'),
    ('generator_steps', all(steps >= 1 for steps in config.generator_steps), 'numbers of at least 1'),
    ('ratios', all(0 < ratio < math.inf for ratio in config.ratios), 'positive numbers'),
    ('ratios', not config.ratios or _distinct([f'{ratio:g}' for ratio in config.ratios]), 'different numbers'),
    ('seeds', 1 <= config.seeds <= source.MAX_SEEDS, f'from 1 to {source.MAX_SEEDS}; 3 or more tell something'),
    ('generator.model.conditional', config.generator.model.conditional, 'True: the images need labels'),
    (
      'generator.data.examples_per_class',
      not config.generator.data.get('examples_per_class', 0),
      '0: config.regimes says how many',
    ),
    ('synthetic.num', config.synthetic.num >= 1, 'at least 1'),
    ('synthetic.min_agreement', 0 < config.synthetic.min_agreement < 1, 'between 0 and 1'),
    ('synthetic.scale', 0 < config.synthetic.scale < math.inf, 'above 0'),
    ('synthetic.every_epochs', config.synthetic.every_epochs >= 1, 'at least 1'),
    *(
      (f'classifier.{name}', config.classifier[name] >= 1, 'at least 1')
      for name in ('steps', 'passes', 'batch_size', 'width', 'eval_every_steps')
    ),
    ('long_tail.imbalance', config.long_tail.imbalance >= 1, 'at least 1; 1 leaves it out'),
    ('long_tail.generator_steps', config.long_tail.generator_steps >= 1, 'at least 1'),
  ):
    if not valid:
      raise ConfigError(field, _field(config, field), allowed)
  for field in ('few_augment', 'classifier.augment'):
    try:
      augment.policy(_field(config, field))
    except ArgumentError as error:
      raise ConfigError(field, error.value, error.allowed) from error
  for field, means in (('means', config.synthetic.means), ('mixed_means', (config.synthetic.mixed_means,))):
    try:
      made = [tuple(sorted(arms.split_means(each))) for each in means]
    except ArgumentError as error:
      raise ConfigError(f'synthetic.{field}', error.value, error.allowed, why=error.why) from error
    if made and not _distinct(made):
      raise ConfigError(f'synthetic.{field}', means, 'different means')


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


def _generator_config(config: ConfigDict, steps: int, fields: dict[str, Any]) -> ConfigDict:
  made = ConfigDict(config.generator.to_dict())
  with made.unlocked():
    made.num_steps = int(steps)
    made.update_from_flattened_dict(fields)
    if any(fields.values()):
      made.augment = config.few_augment  # few images are learnt by heart without it
    for optimizer in made.optimizers.values():
      if isinstance(optimizer.learning_rate, ConfigDict):  # a schedule
        optimizer.learning_rate.kimg = int(1.2 * steps) * made.batch_size / 1000
  return made


def _distinct(values) -> bool:
  return 0 < len(values) == len(set(values))


def _field(config: ConfigDict, path: str) -> Any:
  return functools.reduce(lambda node, name: node[name], path.split('.'), config)
