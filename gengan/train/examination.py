"""What is done with the state between two steps: it is scored on the validation split, measured and drawn."""

import contextlib
import time
from collections.abc import Callable
from typing import Any

import jax
from ml_collections import ConfigDict

from gengan import core, data, sharding
from gengan.evaluate import in_training
from gengan.host.interrupts import Stopped
from gengan.metrics import collapse
from gengan.metrics.averages import average
from gengan.train.preparation import Training
from gengan.train.progress import REMEMBERED, Progress
from gengan.train.snapshots import Snapshots
from gengan.train.writers import MetricWriter


def due(config: ConfigDict, step: int, *, stop: bool) -> set[str]:
  """What to do with the state of a step: some of 'validate', 'evaluate', 'draw' and 'save'.

  Once the run was asked to stop, it is only saved: whoever asks may soon kill.
  """
  if stop:
    return {'save'}
  every = {
    'validate': config.eval_every_steps,
    'evaluate': config.evaluators.every_steps,
    'draw': config.sample_every_steps,
    'save': config.checkpoint.every_steps,
  }
  found = {task for task, steps in every.items() if step % steps == 0 or step == config.num_steps}
  return found if step else found & {'draw'}


def make(
  training: Training,
  *,
  writer: MetricWriter,
  progress: Progress,
  snapshots: Snapshots,
  key: jax.Array,
  heed: Callable[[], None],
) -> Callable[[int, core.State, set[str], Callable[[], Any]], dict[str, float]]:
  """A function `(step, state, due, save) -> scores` that does what is due, and writes what it finds.

  It saves by `save()`: what is not finite is not saved, and whatever takes time or may fail comes afterwards.

  Scores are of the validation split; `eval_step` draws with the same `key` at every step. `progress` knows the
  discriminator's recent accuracies, and raises Diverged where a sample is not finite. `heed` raises Stopped once the
  run was asked to stop, which ends a measurement, and leaves the function without an evaluator at the start.
  """
  config, dataset, algorithm, mesh = training.config, training.dataset, training.setup.algorithm, training.setup.mesh
  eval_step = jax.jit(algorithm.eval_step, out_shardings=sharding.replicated(mesh))
  evaluators = []
  with contextlib.suppress(Stopped):  # nothing will be measured
    evaluators = in_training.of_config(config, dataset, algorithm, mesh, heed)
  measure = _telling_once(lambda state: in_training.measure(evaluators, state, algorithm), config, writer)
  warned = set()  # what is not measured for a reason that stays, and what drifts, is said once
  history = {}  # of the collapse monitor

  def validate(state: core.State) -> dict[str, float]:
    batches = (
      (sharding.shard_batch(batch, mesh, whole=True), mask)
      for batch, mask in data.eval_batches(dataset.validation, config.data, batch_size=config.batch_size)
    )
    return average(eval_step, state, batches, key) if len(dataset.validation) else {}

  def examine(step: int, state: core.State, due: set[str], save: Callable[[], Any]) -> dict[str, float]:
    drawn, scores = {}, {}
    if due - {'save'}:
      drawn = snapshots.draw(state)
      progress.require_finite(step, drawn)
    if 'save' in due:
      save()
    if 'validate' in due:
      scores |= {f'validation/{name}': value for name, value in validate(state).items()}
      accuracies = {name: progress.take_recent(name) for name in REMEMBERED}
      real = snapshots.real['image']
      report = collapse.check(drawn['samples'][: len(real)], real, **accuracies)
      scores |= report.metrics
      for warning in [*report.warnings, *_drifts(history, step, report.metrics, config, warned)]:
        writer.write_texts(step, {'warning': warning})
    if evaluators and 'evaluate' in due:
      measured, lines = measure(step, state)
      scores |= measured
      for line in sorted(set(lines) - warned):
        writer.write_texts(step, {'warning': line})
      warned.update(lines)
    if scores:
      writer.write_scalars(step, scores)
    if 'draw' in due:
      writer.write_images(step, snapshots.write(step, drawn))
    return scores

  return examine


def _telling_once(measure: Callable[..., Any], config: ConfigDict, writer: MetricWriter) -> Callable[..., Any]:
  """A function `(step, state)` that measures; the first time it tells of it, which may be minutes, and of the time."""
  told = False

  def tell(step: int, **texts: str) -> None:
    if not told:
      writer.write_texts(step, texts)

  def call(step: int, state: core.State) -> Any:
    nonlocal told
    tell(step, measuring=f'{config.evaluators.metrics}; again every {config.evaluators.every_steps:,} steps')
    start = time.monotonic()
    found = measure(state)
    tell(step, measured=f'in {time.monotonic() - start:.1f} s')
    told = True
    return found

  return call


def _drifts(
  history: dict[int, dict[str, float]], step: int, metrics: dict[str, float], config: ConfigDict, warned: set[str]
) -> list[str]:
  """Adds the metrics to the history; a line for every drift that has not been warned of, and where to go back to."""
  if not metrics:
    return []
  history[step] = metrics
  found = {name: text for name, text in collapse.drift(history) if name not in warned}
  warned.update(found)
  if config.checkpoint.best_metric:
    where = f'the best checkpoint by {config.checkpoint.best_metric} is kept: --checkpoint=best'
  else:
    where = 'another run with --config.checkpoint.best_metric=tone_distance keeps its best checkpoint'
  return [f'{text}; {where}' for text in found.values()]
