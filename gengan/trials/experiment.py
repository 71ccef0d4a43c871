"""Runs a comparison: a generator a regime, a classifier an arm and seed; goes on where it was stopped."""

import functools
import json
import os
import pathlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from ml_collections import ConfigDict

from gengan import config as configs
from gengan import data, evaluation, mixing, runs, train
from gengan.evaluators import classifier, copying_guard
from gengan.generation import guard, stream
from gengan.trials import arms, source

RESULTS = 'results.jsonl'
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
    ('regimes', config.regimes and min(config.regimes) >= 0, 'images a class, 0 for all'),
    ('generator_steps', len(config.generator_steps) == len(config.regimes), 'one number a regime'),
    ('ratios', all(ratio > 0 for ratio in config.ratios), 'positive numbers'),
    ('seeds', 1 <= config.seeds <= source.MAX_SEEDS, f'from 1 to {source.MAX_SEEDS}; 3 or more tell something'),
    ('generator.model.conditional', config.generator.model.conditional, 'True: the images need labels'),
    ('synthetic.num', config.synthetic.num >= 1, 'at least 1'),
    ('synthetic.min_agreement', 0 < config.synthetic.min_agreement < 1, 'between 0 and 1'),
    ('synthetic.scale', config.synthetic.scale > 0, 'above 0'),
    ('synthetic.every_epochs', config.synthetic.every_epochs >= 1, 'at least 1'),
    ('classifier.steps', config.classifier.steps >= 1, 'at least 1'),
    ('classifier.passes', config.classifier.passes >= 1, 'at least 1'),
    ('long_tail.imbalance', config.long_tail.imbalance >= 1, 'at least 1; 1 leaves it out'),
  ):
    if not valid:
      raise ValueError(f'config.{field} is {_field(config, field)}; it must be {allowed}')
  for field, means in (('means', config.synthetic.means), ('mixed_means', (config.synthetic.mixed_means,))):
    for each in means:
      try:
        arms.split_means(each)
      except ValueError as error:
        raise ValueError(f'config.synthetic.{field}: {error}') from None


def run(config: ConfigDict, workdir: pathlib.Path) -> list[dict[str, Any]]:
  """Trains what is missing and returns all records.

  Args:
    config: see `configs/utility`.
    workdir: keeps `config.json`, `results.jsonl` and the generators' runs.

  Raises:
    ValueError, FileNotFoundError: the config or the data of a regime cannot work, or the folder holds a comparison with
      other settings.
  """
  planned = regimes(config)
  _require_same(config, workdir / 'config.json')
  for regime in planned:  # what is wrong with any of them is told before the first is trained
    train.prepare(regime.config, workdir / 'generators' / regime.name)
  workdir.mkdir(parents=True, exist_ok=True)
  configs.write_json(workdir / 'config.json', config.to_dict())
  records = read(workdir / RESULTS)
  done = {(r['regime'], r['arm'], r['seed']) for r in records}
  for regime in planned:
    wanted = [(arm, seed) for seed in range(config.seeds) for arm in regime.arms]
    if left := [each for each in wanted if (regime.name, *each) not in done]:
      for record in _run_regime(regime, left, config, workdir / 'generators' / regime.name):
        _append(workdir / RESULTS, record)
        records.append(record)
        print(f'{record["regime"]}  {record["arm"]}  seed {record["seed"]}  test accuracy {record["accuracy"]:.4f}')
  return records


def read(path: pathlib.Path) -> list[dict[str, Any]]:
  """The whole lines of a record; one that a kill cut short is left out."""
  if not path.exists():
    return []
  lines = path.read_text().split('\n')
  return [json.loads(line) for line in lines[:-1]]


def _run_regime(regime: Regime, left, config: ConfigDict, folder: pathlib.Path) -> Iterator[dict[str, Any]]:
  train.run(regime.config, folder)
  opened = runs.load(folder)
  dataset = data.load(regime.config.data)
  real, test = (evaluation.real_images(split, regime.config) for split in (dataset.train, dataset.test))
  validation = evaluation.real_images(dataset.validation, regime.config)
  counts = np.bincount(real[1], minlength=dataset.num_classes).tolist()
  fit = functools.partial(
    _fit, num_classes=dataset.num_classes, validation=validation, config=config, flip=regime.config.data.flip
  )
  judge = functools.cache(lambda: fit(arms.Arm(mixing.shuffled(*real, seed=0)), seed=0))
  generated = source.make(opened, judge, config.synthetic)
  copying = _copying(regime, generated.draw, dataset.num_classes, folder)
  for name, seed in left:
    made = _arm(name, regime, real, generated, dataset.num_classes, config, seed)
    num_real = 0 if name.startswith('synthetic') else len(real[1])
    trained = fit(made, seed=seed, num_real=num_real)
    right = trained(test[0])[0].argmax(axis=1) == test[1]
    yield {
      'regime': regime.name,
      'arm': name,
      'seed': seed,
      'accuracy': float(right.mean()),
      'by_class': [float(right[test[1] == label].mean()) for label in range(dataset.num_classes)],
      'validation_accuracy': trained.validation_accuracy,
      'step': trained.step,
      'num_real': num_real,
      'num_generated': made.num_generated,
      'generator_saw': len(real[1]) if made.num_generated else 0,
      'real_by_class': counts,
      'num_validation': len(validation[1]),
      'test_by_class': np.bincount(test[1], minlength=dataset.num_classes).tolist(),
      'class_names': list(dataset.class_names),
      'generator_step': opened.step,
      'copies': copying,
    }


def _arm(name, regime, real, generated, num_classes, config, seed) -> arms.Arm:
  if regime.name == LONG_TAIL:
    return arms.make_long_tailed(name, real, generated.of_labels, num_classes=num_classes, seed=seed)
  return arms.make_balanced(
    name,
    real,
    generated.stream,
    num_synthetic=config.synthetic.num,
    mixed_means=config.synthetic.mixed_means,
    passes=config.classifier.passes,
    seed=seed,
  )


def _fit(arm: arms.Arm, *, seed, num_classes, validation, config, flip, num_real=0) -> classifier.Classifier:
  steps, batch_size = config.classifier.steps, config.classifier.batch_size
  if arm.passes:
    steps = min(steps, max(1, arm.passes * num_real // batch_size))
  return classifier.train(
    mixing.batches(arm.stream, batch_size=batch_size),
    num_classes=num_classes,
    steps=steps,
    validation=validation if len(validation[1]) else None,
    seed=seed,
    policy=config.classifier.augment if arm.augmented else '',
    flip=flip and arm.augmented,
    width=config.classifier.width,
    eval_every_steps=config.classifier.eval_every_steps,
    class_weights=arm.class_weights,
  )


def _copying(regime: Regime, draw: stream.Draw, num_classes: int, folder: pathlib.Path) -> dict[str, Any]:
  """The copying guard's finding about this generator."""
  slots = np.arange(guard.SAMPLES)
  samples = stream.fill(draw, slots, stream.labels_of(slots, range(num_classes))).images
  training, held_out = guard.training_features(regime.config.data, folder)
  return copying_guard.report(training, held_out, copying_guard.pooled(samples)).to_json()


def _generator_config(config: ConfigDict, steps: int, fields: dict[str, Any]) -> ConfigDict:
  made = ConfigDict(config.generator.to_dict())
  with made.unlocked():
    made.num_steps = int(steps)
    made.update_from_flattened_dict(fields)
    if any(fields.values()):
      made.augment = config.few_augment  # few images are learnt by heart without it
    for optimizer in made.optimizers.values():
      if optimizer.decay_steps:
        optimizer.decay_steps = int(1.2 * steps)
  return made


def _require_same(config: ConfigDict, path: pathlib.Path) -> None:
  if path.exists():
    wanted = json.loads(json.dumps(config.to_dict()))
    kept = json.loads(path.read_text())
    changed = [name for name in sorted(kept.keys() | wanted.keys()) if kept.get(name) != wanted.get(name)]
    if changed := [name for name in changed if name != 'seeds']:
      raise ValueError(f'{path.parent} holds a comparison with other {", ".join(changed)}. Choose another --workdir')


def _append(path: pathlib.Path, record: dict[str, Any]) -> None:
  """Adds a line in one piece; a line that a kill cut short is dropped first."""
  if path.exists() and not (text := path.read_bytes()).endswith(b'\n'):
    with open(path, 'r+b') as file:
      file.truncate(text.rfind(b'\n') + 1)
  with open(path, 'ab') as file:
    file.write(json.dumps(record).encode() + b'\n')
    file.flush()
    os.fsync(file.fileno())


def _field(config: ConfigDict, path: str) -> Any:
  return functools.reduce(lambda node, name: node[name], path.split('.'), config)
