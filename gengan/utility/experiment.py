"""The course of a comparison: trains a generator a regime, and a classifier an arm and seed; goes on after a stop."""

import functools
import json
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from gengan import data, runs, train
from gengan.config.fields import MISSING, flatten
from gengan.data import images, mixing, sheets
from gengan.evaluate.images import real_images
from gengan.generate import guard, recycling
from gengan.host import files
from gengan.metrics import copying_guard
from gengan.networks import classifier
from gengan.runs import finished
from gengan.utility import arms, console, pace, plan, records, report, source

SHEET = 64  # generated images of a regime that a person is shown
LEAST_LOOKS = 5  # at the validation images while a classifier trains, also where its steps are few


class Unfinished(ValueError):
  """Not every arm could be measured; `records` are of those that were."""

  def __init__(self, message: str, records: Sequence[dict[str, Any]] = (), *, stopped: bool = False):
    super().__init__(message)
    self.records = list(records)
    self.stopped = stopped  # by a signal: the same command continues


def run(config: ConfigDict, workdir: pathlib.Path) -> list[dict[str, Any]]:
  """Trains what is missing and returns all records; `workdir` keeps them, the config and the generators' runs.

  Raises:
    ValueError, FileNotFoundError: the config or the data of a regime cannot work, or the folder holds a comparison with
      other settings.
    Unfinished: a signal came, or the filters of an arm dropped every image.
  """
  planned = plan.regimes(config)
  _require_same(config, workdir / 'config.json')
  for regime in planned:  # what is wrong with any of them is told before the first is trained
    plan.check_regime(regime, workdir / 'generators' / regime.name)
  files.write_json(workdir / 'config.json', config.to_dict())
  found = _taken_over(workdir / records.FILE, planned)
  done = {(r['regime'], r['arm'], r['seed']) for r in found}
  wanted = [(regime, plan.wanted(regime, config.seeds)) for regime in planned]
  left = [(regime, [each for each in every if (regime.name, *each) not in done]) for regime, every in wanted]
  left = [(regime, missing) for regime, missing in left if missing]
  watch = _begin(workdir, left, sum(len(every) for _, every in wanted))
  for regime, missing in left:
    try:
      for record in _run_regime(regime, missing, config, workdir, watch):
        records.append(workdir / records.FILE, record)
        found.append(record)
        which = f'{regime.name}, {record["arm"]}, seed {record["seed"]}'
        print(f'{watch.measured()}: {which}: test accuracy {record["accuracy"]:.4f}', flush=True)
    except Unfinished as error:
      raise Unfinished(str(error), found, stopped=error.stopped) from error
    except KeyboardInterrupt:
      raise Unfinished(f'stopped in {regime.name}; the same command continues', found, stopped=True) from None
  return found


def _taken_over(path: pathlib.Path, planned: Sequence[plan.Regime]) -> list[dict[str, Any]]:
  """The records that are there, of finished generators; how many is told."""
  steps = {regime.name: regime.config.num_steps for regime in planned}
  there = records.read(path)
  found = [r for r in there if r['generator_step'] == steps.get(r['regime'])]
  if found:
    print(f'{len(found)} classifiers are taken over from {path}')
  if others := len(there) - len(found):
    print(f'{others} records in {path} are of generators with another number of steps: they are measured anew')
  return found


def _begin(workdir: pathlib.Path, left: Sequence[tuple[plan.Regime, Sequence]], total: int) -> pace.Pace:
  """Tells what there is to do; `left` are the regimes with classifiers to train, `total` those of the comparison."""
  steps = {}
  for regime, _ in left:
    there = max(finished.steps(workdir / 'generators' / regime.name / 'checkpoints'), default=0)
    steps[regime.name] = max(0, regime.config.num_steps - there)
  missing = sum(len(each) for _, each in left)
  todo = ', '.join(f'{name} ({count:,} steps)' for name, count in steps.items() if count) or 'none'
  print(f'{missing} of {total} classifiers to train; generators to train: {todo}', flush=True)
  return pace.Pace(total, total - missing, steps)


def better_of_two(fit: Callable[[bool], classifier.Classifier]) -> classifier.Classifier:
  """Of a classifier with augmentation, `fit(True)`, and one without, the better one on validation images."""
  return max((fit(True), fit(False)), key=lambda trained: trained.validation_accuracy)


def _run_regime(
  regime: plan.Regime, left: Sequence[tuple[str, int]], config: ConfigDict, workdir: pathlib.Path, watch: pace.Pace
) -> Iterator[dict[str, Any]]:
  """Trains the regime's generator, then the classifiers that are left; yields the record of each."""
  folder = workdir / 'generators' / regime.name
  _train_generator(regime, folder)
  opened = runs.load(folder, trust=regime.config.model.name)  # which was trained here
  dataset = data.load(regime.config.data)
  real, validation, test = (
    real_images(split, regime.config) for split in (dataset.train, dataset.validation, dataset.test)
  )
  fit = functools.partial(
    _fit, num_classes=dataset.num_classes, validation=validation, config=config, flip=regime.config.data.flip
  )

  @functools.cache
  def of_real(augmented: bool, seed: int) -> classifier.Classifier:
    """Trained on the real images alone, with all steps: some arms are that, and so is the judge of generated images."""
    return fit(arms.Arm(mixing.shuffled(*real, seed=seed), augmented=augmented), seed=seed)

  judge = functools.cache(lambda: better_of_two(lambda augmented: of_real(augmented, 0)))
  generated = source.make(opened, judge, config.synthetic)
  samples = guard.samples(generated.draw, range(dataset.num_classes))
  _save_samples(samples, dataset, workdir / report.SAMPLES / f'{regime.name}.png')
  copying = copying_guard.report(*guard.training_features(regime.config.data, folder), copying_guard.pooled(samples))
  by_class = lambda labels: np.bincount(labels, minlength=dataset.num_classes).tolist()
  shared = {
    'real_by_class': by_class(real[1]),
    'num_validation': len(validation[1]),
    'test_by_class': by_class(test[1]),
    'class_names': list(dataset.class_names),
    'generator_step': opened.step,
    'copies': copying.to_json(),
  }
  watch.generator_there(regime.name)
  for name, seed in left:
    num_real = 0 if name.startswith('synthetic') else len(real[1])
    try:
      made = _arm(name, regime, real, generated, dataset.num_classes, config, seed)
      if made.real_alone and _steps(made.passes, num_real, config) == config.classifier.steps:
        trained = of_real(made.augmented, seed)
      else:
        trained = fit(made, seed=seed, num_real=num_real)
    except recycling.NothingLeft as error:
      raise Unfinished(
        f'{regime.name}, {name}: {error}; lower config.synthetic.min_agreement, in another '
        '--workdir, to which generators/ may be copied'
      ) from error
    yield {
      'regime': regime.name,
      'arm': name,
      'seed': seed,
      **_scores(trained, test, dataset.num_classes),
      'num_real': num_real,
      'num_generated': made.num_generated,
      'generator_saw': len(real[1]) if made.num_generated else 0,
      **shared,
    }


def _save_samples(samples: np.ndarray, dataset: data.Dataset, path: pathlib.Path) -> None:
  """A sheet of the first images, whose classes take turns."""
  few = samples[:SHEET]
  images.save_png(path, sheets.by_class(few, np.arange(len(few)) % dataset.num_classes, dataset.class_names))


def _train_generator(regime: plan.Regime, folder: pathlib.Path) -> None:
  last = regime.config.num_steps
  shown = console.GeneratorConsole(regime.name, folder, num_steps=last)
  step = int(train.run(regime.config, folder, console=shown).step)
  if step < last:  # a signal came; nothing must be measured with half a generator
    text = f'stopped: {regime.name} has its generator at step {step} of {last}; the same command continues'
    raise Unfinished(text, stopped=True)
  if step > last:
    raise ValueError(f'{folder} was trained for {step} steps by another command, not for {last}; delete it')


def _scores(trained: classifier.Classifier, test: mixing.Examples, num_classes: int) -> dict[str, Any]:
  """How a classifier does on the test images, and how it was chosen."""
  right = trained(test[0])[0].argmax(axis=1) == test[1]
  return {
    'accuracy': float(right.mean()),
    'by_class': [float(right[test[1] == label].mean()) for label in range(num_classes)],
    'validation_accuracy': trained.validation_accuracy,
    'step': trained.step,
  }


def _arm(name, regime, real, generated, num_classes, config, seed) -> arms.Arm:
  if regime.name == plan.LONG_TAIL:
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


def _steps(passes: int, num_real: int, config: ConfigDict) -> int:
  """Train steps of an arm with at most so many passes over the real images; 0: no limit."""
  steps = config.classifier.steps
  return min(steps, max(1, passes * num_real // config.classifier.batch_size)) if passes else steps


def _fit(arm: arms.Arm, *, seed, num_classes, validation, config, flip, num_real=0) -> classifier.Classifier:
  steps = _steps(arm.passes, num_real, config)
  return classifier.train(
    mixing.batches(arm.stream, batch_size=config.classifier.batch_size),
    num_classes=num_classes,
    steps=steps,
    validation=validation,
    seed=seed,
    policy=config.classifier.augment if arm.augmented else '',
    flip=flip and arm.augmented,
    width=config.classifier.width,
    eval_every_steps=min(config.classifier.eval_every_steps, max(1, steps // LEAST_LOOKS)),
    class_weights=arm.class_weights,
  )


def _require_same(config: ConfigDict, path: pathlib.Path) -> None:
  """Refuses a folder with a comparison under other settings; more seeds may be added."""
  if path.exists():
    kept, wanted = flatten(files.read_json(path)), flatten(json.loads(json.dumps(config.to_dict())))
    changed = [
      f'config.{field} is {kept.get(field, MISSING)!r} there and {wanted.get(field, MISSING)!r} here'
      for field in sorted(kept.keys() | wanted.keys())
      if kept.get(field, MISSING) != wanted.get(field, MISSING) and field != 'seeds'
    ]
    if changed:
      raise ValueError(
        f'{path.parent} holds a comparison with other settings: {"; ".join(changed)}. Choose another --workdir'
      )
