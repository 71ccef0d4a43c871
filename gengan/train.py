"""The loop: evaluate -> save -> next batch -> step -> log the previous step's metrics."""

import contextlib
import os
import pathlib
from typing import NamedTuple

import jax
from ml_collections import ConfigDict

from gengan import checkpoint as checkpoints
from gengan import config as configs
from gengan import core, data, evaluation, runs, sharding, writers
from gengan.evaluators import collapse
from gengan.evaluators.averages import average
from gengan.interrupts import Interrupts
from gengan.progress import Progress
from gengan.snapshots import Snapshots


class Training(NamedTuple):
  """Everything a run needs, checked and ready: what `prepare` finds out and `fit` uses."""

  config: ConfigDict
  workdir: pathlib.Path
  dataset: data.Dataset
  algorithm: core.Algorithm
  mesh: jax.sharding.Mesh
  abstract_state: core.State  # shapes and layout
  iterator: data.TrainIterator


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
  evaluation.check(config, dataset)
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
    Diverged: a metric is not finite; names the step, the metric and the last good checkpoint.
  """
  config, workdir, dataset, algorithm, mesh, abstract_state, iterator = training
  init_key, train_key, eval_key, sample_key = jax.random.split(jax.random.key(config.seed), 4)
  runs.create(workdir, config, dataset)
  with contextlib.ExitStack() as stack:
    interrupts = stack.enter_context(Interrupts())
    checkpointer = stack.enter_context(runs.open_checkpoints(workdir, config))
    if checkpointer.steps():
      restored = checkpointer.restore(abstract_state)
      state, start = restored.state, restored.step
      iterator.set_state(restored.data)
    else:
      state, start = sharding.init(algorithm, init_key, runs.example_batch(config, config.batch_size), mesh), 0
    writer = stack.enter_context(
      writers.create(
        workdir,
        num_steps=config.num_steps,
        batch_size=config.batch_size,
        resume_step=start,
        process_index=jax.process_index(),
      )
    )
    if start:
      writer.write_texts(start, {'resume': f'continuing the run in {workdir} at step {start} of {config.num_steps}'})

    train_step = sharding.compile_step(
      algorithm.train_step,
      mesh=mesh,
      state_sharding=jax.tree.map(lambda leaf: leaf.sharding, abstract_state),
      mode=config.mesh.mode,
    )
    evaluate = _evaluation(training, eval_key)
    evaluator = evaluation.of_config(config, dataset, mesh)
    progress = Progress(
      writer,
      every_steps=config.log_every_steps,
      num_steps=config.num_steps,
      last_good=lambda: _last_good(checkpointer),
    )
    snapshots = Snapshots(
      workdir / 'samples',
      algorithm,
      runs.reference_batch(dataset, config),
      key=sample_key,
      sharding=sharding.replicated(mesh),
    )

    step, stop = start, False
    while True:
      due = lambda every: step % every == 0 or step == config.num_steps or stop  # noqa: B023
      scores = {}
      if step > start or step == 0:  # at the checkpoint that a run continues from, all this has been done
        if step and due(config.eval_every_steps):
          progress.flush()
          scores, warnings = evaluate(state, snapshots, progress)
          for warning in warnings:
            writer.write_texts(step, {'warning': warning})
        if evaluator and step and due(config.evaluators.every_steps):
          progress.flush()
          scores |= {f'validation/{name}': value for name, value in evaluator(state, algorithm).items()}
        if scores:
          writer.write_scalars(step, scores)
        if due(config.sample_every_steps):
          writer.write_images(step, snapshots.write(step, state))
        if step and due(config.checkpoint.every_steps):
          progress.flush()  # a state that is not finite is never saved
          checkpointer.save(step, state, data=iterator.get_state(), config=config.to_dict(), metrics=scores)
      if step >= config.num_steps or stop:
        break
      batch = next(iterator)
      state, metrics = train_step(state, batch, train_key)
      step += 1
      progress.push(step, metrics)
      stop = interrupts.should_stop(step)

    checkpointer.wait()
    writer.flush()
    if step < config.num_steps:
      text = f'saved at step {step} of {config.num_steps}; the same command continues from there'
      writer.write_texts(step, {'stopped': text})
    else:
      files = snapshots.finish(state, workdir / 'metrics.jsonl')
      writer.write_texts(step, {'done': runs.summary(workdir, files)})
  return state


def _evaluation(training: Training, key: jax.Array):
  """A function that scores a state on the validation split: (state, snapshots, progress) -> (metrics, warnings)."""
  config, _, dataset, algorithm, mesh, *_ = training
  eval_step = jax.jit(algorithm.eval_step, out_shardings=sharding.replicated(mesh))

  def evaluate(state: core.State, snapshots: Snapshots, progress: Progress) -> tuple[dict[str, float], list[str]]:
    scores = {}
    if len(dataset.validation):
      batches = (
        (sharding.shard_batch(batch, mesh, whole=True), mask)
        for batch, mask in data.eval_batches(dataset.validation, config.data, batch_size=config.batch_size)
      )
      scores = {f'validation/{k}': v for k, v in average(eval_step, state, batches, key).items()}
    report = collapse.check(
      snapshots.samples(state),
      snapshots.real['image'],
      d_accuracy_real=progress.take_recent('d_accuracy_real'),
      d_accuracy_fake=progress.take_recent('d_accuracy_fake'),
    )
    return scores | report.metrics, report.warnings

  return evaluate


def _last_good(checkpointer: checkpoints.Checkpointer) -> str:
  checkpointer.wait()
  steps = checkpointer.steps()
  return f'the last good checkpoint is that of step {steps[-1]}' if steps else 'there is no checkpoint yet'
