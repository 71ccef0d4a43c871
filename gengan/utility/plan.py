"""What a comparison is to measure: its regimes and arms, checked before anything is trained."""

import functools
import math
import pathlib
import re
from typing import Any, NamedTuple

import numpy as np
from ml_collections import ConfigDict

from gengan import augment, train
from gengan.utility import arms, source

LONG_TAIL = 'long_tail'


class Regime(NamedTuple):
  """How much real data there is.

  Attributes:
    name: 'N_per_class', 'all' or 'long_tail'.
    config: of the generator's run, whose `config.data` says which real images there are.
    arms: that are compared.
  """

  name: str
  config: ConfigDict
  arms: tuple[str, ...]


def regimes(config: ConfigDict) -> list[Regime]:
  """The regimes of a comparison.

  Raises:
    ValueError: a field of the config that cannot work; names it.
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
  """Raises a ValueError that names the field that cannot work."""
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
      raise ValueError(f'config.{field} is {_field(config, field)}; it must be {allowed}')
  for field in ('few_augment', 'classifier.augment'):
    try:
      augment.make(_field(config, field))
    except ValueError as error:
      raise ValueError(str(error).replace('config.augment', f'config.{field}')) from None
  for field, means in (('means', config.synthetic.means), ('mixed_means', (config.synthetic.mixed_means,))):
    try:
      made = [tuple(sorted(arms.split_means(each))) for each in means]
    except ValueError as error:
      raise ValueError(f'config.synthetic.{field}: {error}') from None
    if made and not _distinct(made):
      raise ValueError(f'config.synthetic.{field} is {means}; it must not name the same means twice')


def wanted(regime: Regime, seeds: int) -> list[tuple[str, int]]:
  """The (arm, seed) of every classifier of a regime, in the order in which they are trained."""
  return [(arm, seed) for seed in range(seeds) for arm in regime.arms]


def check_regime(regime: Regime, folder: pathlib.Path) -> None:
  """Raises a ValueError or FileNotFoundError, in terms of the comparison's config, where a regime cannot work."""
  try:
    dataset = train.prepare(regime.config, folder).dataset
  except (ValueError, FileNotFoundError) as error:
    text = re.sub(r'(?<![\w/.])config\.(?!json\b)', 'config.generator.', str(error))
    kind = FileNotFoundError if isinstance(error, FileNotFoundError) else ValueError
    raise kind(f'{regime.name}: {text}') from error
  count = lambda split: np.bincount(split.labels, minlength=dataset.num_classes)
  counts, wanted = count(dataset.train), regime.config.data.examples_per_class
  if counts.min() < wanted:
    raise ValueError(
      f'config.regimes has {wanted}, but there are {counts.min()} training images of the class '
      f'{dataset.class_names[counts.argmin()]!r} in {regime.config.data.source}; 0 takes all'
    )
  for split in (dataset.train, dataset.test):
    found = count(split)
    if len(split) and not found.all():
      raise ValueError(
        f'{regime.name}: there is no {split.name} image of the class {dataset.class_names[found.argmin()]!r} in '
        f'{regime.config.data.source}; a comparison needs some of every class'
      )
  for split, use in (('validation', 'stop the classifiers early'), ('test', 'measure them')):
    if not len(getattr(dataset, split)):
      raise ValueError(
        f'config.generator.data.{split}_fraction is {regime.config.data[f"{split}_fraction"]}, and '
        f'{regime.config.data.source} then has no {split} images; it takes some to {use}'
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
