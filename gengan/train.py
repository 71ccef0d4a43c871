"""The loop: evaluate -> save -> next batch -> step -> log the previous step's metrics."""

import contextlib
import math
import os
import pathlib
from typing import Any, NamedTuple

import jax
from ml_collections import ConfigDict

from gengan import checkpoint as checkpoints
from gengan import config as configs
from gengan import core, data, monitor, runs, sharding, writers
from gengan.evaluators.averages import average
from gengan.interrupts import Interrupts
from gengan.snapshots import Snapshots


class Training(NamedTuple):
  """Everything a run needs, checked and ready: what `prepare` finds out and `fit` uses."""

  config: ConfigDict
  workdir: pathlib.Path
  dataset: Any
  algorithm: core.Algorithm
  mesh: jax.sharding.Mesh
  abstract_state: core.State  # shapes and layout
  iterator: Any


class Diverged(FloatingPointError):
  """A metric is not finite."""


def run(config: ConfigDict, workdir: str | os.PathLike) -> core.State:
  """Trains what the config says, in a folder; continues the run that is found there. Returns the final state."""
  return fit(prepare(config, workdir))


def prepare(config: ConfigDict, workdir: str | os.PathLike) -> Training:
  """Finds everything that is wrong with a config, its data or its folder, before anything compiles.

  Raises:
    ValueError, FileNotFoundError: one line that names the field and what would be right.
  """
  config, workdir = ConfigDict(config.to_dict()), pathlib.Path(workdir)
  configs.check(config)
  sharding.initialize(config.mesh.distributed)
  mesh = sharding.make_mesh(data=config.mesh.data, fsdp=config.mesh.fsdp)
  sharding.check_batch_size(config.batch_size, mesh)
  dataset = data.load(config.data)
  if 'num_classes' in config.model and not config.model.num_classes:
    config.model.num_classes = dataset.num_classes
  if (workdir / 'config.json').exists():
    configs.require_same_run(config, workdir)
  algorithm = configs.make_algorithm(config, axis_name='data' if config.mesh.mode == 'pmap' else None)
  abstract_state = sharding.abstract_state(algorithm, runs.example_batch(config, config.batch_size), mesh)
  iterator = data.train_iterator(
    dataset.train,
    config.data,
    batch_size=config.batch_size,
    seed=config.seed,
    process_index=jax.process_index(),
    process_count=jax.process_count(),
  )
  return Training(config, workdir, dataset, algorithm, mesh, abstract_state, iterator)


def fit(training: Training) -> core.State:
  """Runs the loop to the end, or to the first signal; what it leaves in the folder is a whole run either way.

  Raises:
    Diverged: names the step, the metric and the last good checkpoint.
  """
  config, workdir, dataset, algorithm, mesh, abstract_state, iterator = training
  init_key, train_key, eval_key, sample_key = jax.random.split(jax.random.key(config.seed), 4)
  workdir.mkdir(parents=True, exist_ok=True)
  configs.save(config, workdir)
  configs.write_json(workdir / 'dataset.json', {**dataset.statistics, 'class_names': list(dataset.class_names)})

  with contextlib.ExitStack() as stack:
    interrupts = stack.enter_context(Interrupts())
    checkpointer = stack.enter_context(
      checkpoints.Checkpointer(workdir / 'checkpoints', **runs.checkpoint_options(config))
    )
    if checkpointer.steps():
      restored = checkpointer.restore(abstract_state)
      state, resumed_at = restored.state, restored.step
      iterator.set_state(restored.data)
    else:
      state, resumed_at = sharding.init(algorithm, init_key, runs.example_batch(config, config.batch_size), mesh), None
    step = resumed_at or 0
    writer = stack.enter_context(
      writers.create(
        workdir,
        num_steps=config.num_steps,
        batch_size=config.batch_size,
        resume_step=step,
        process_index=jax.process_index(),
      )
    )
    if resumed_at is not None:
      writer.write_texts(step, {'resume': f'continuing the run in {workdir}'})

    train_step = sharding.compile_step(
      algorithm.train_step,
      mesh=mesh,
      state_sharding=jax.tree.map(lambda leaf: leaf.sharding, abstract_state),
      mode=config.mesh.mode,
    )
    eval_step = jax.jit(algorithm.eval_step, out_shardings=sharding.replicated(mesh))
    held_out = lambda: (
      (sharding.shard_batch(batch, mesh), mask)
      for batch, mask in data.eval_batches(dataset.validation, config.data, batch_size=config.batch_size)
    )
    snapshots = Snapshots(
      workdir / 'samples',
      algorithm,
      key=sample_key,
      num_classes=dataset.num_classes,
      real=monitor.reference_batch(dataset.validation, config.data),
      sharding=sharding.replicated(mesh),
    )
    pending = None  # metrics of the last step, still on the device

    while True:
      due = lambda every: step % every == 0 or step == config.num_steps or interrupts.requested  # noqa: B023
      fresh = step != resumed_at  # what was done before the checkpoint was written is not done again
      scores = {}
      if fresh and step and due(config.eval_every_steps):
        pending = _log(writer, pending, config, checkpointer)
        scores = {f'validation/{k}': v for k, v in average(eval_step, state, held_out(), eval_key).items()}
        collapse, warnings = monitor.check(snapshots.samples(state), snapshots.real, scores, algorithm)
        scores |= collapse
        writer.write_scalars(step, scores)
        for warning in warnings:
          writer.write_texts(step, {'warning': warning})
      if fresh and due(config.sample_every_steps):
        writer.write_images(step, snapshots.write(step, state))
      if fresh and step and due(config.checkpoint.every_steps):
        pending = _log(writer, pending, config, checkpointer)  # a state with NaN is never saved
        checkpointer.save(step, state, data=iterator.get_state(), config=config.to_dict(), metrics=scores)
      if step >= config.num_steps or interrupts.requested:
        break
      batch = next(iterator)
      state, metrics = train_step(state, batch, train_key)
      _log(writer, pending, config, checkpointer)
      step, pending = step + 1, (step + 1, metrics)

    checkpointer.wait()
    writer.flush()
    _summarize(writer, training, step, state, snapshots, interrupts.requested)
  return state


def _log(writer, pending, config: ConfigDict, checkpointer) -> None:
  """Fetches the metrics of an earlier step, stops the run if one is not finite, and writes them when they are due."""
  if pending is None:
    return
  step, metrics = pending
  scalars = writers.as_floats(metrics)
  for name, value in scalars.items():
    if not math.isfinite(value):
      saved = checkpointer.steps()
      good = f'the last good checkpoint is that of step {max(saved)}' if saved else 'there is no checkpoint yet'
      raise Diverged(f'{name} is {value} at step {step}; {good}')
  if step % config.log_every_steps == 0 or step == config.num_steps:
    writer.write_scalars(step, scalars)


def _summarize(writer, training: Training, step: int, state: core.State, snapshots: Snapshots, stopped: bool) -> None:
  """The last words of a run: how far it came and which files it left."""
  workdir, total = training.workdir, training.config.num_steps
  if stopped:
    writer.write_texts(step, {'stopped': f'saved at step {step} of {total}; the same command continues from there'})
    return
  pictures = [str(path) for path in snapshots.finish(state, workdir)]
  lines = [f'{step} of {total} steps', f'pictures: {snapshots.folder}/', *pictures]
  lines += [f'metrics: {workdir}/metrics.jsonl, {workdir}/tensorboard/', f'checkpoints: {workdir}/checkpoints/']
  writer.write_texts(step, {'done': '\n  '.join(lines)})
