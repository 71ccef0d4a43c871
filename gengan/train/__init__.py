"""The loop: evaluate -> save -> next batch -> step -> log the previous step's metrics."""

import contextlib
import os
import pathlib
from typing import NamedTuple

import jax
from ml_collections import ConfigDict

from gengan import config as configs
from gengan import core, data, runs, sharding
from gengan.evaluate import in_training
from gengan.host.interrupts import Interrupts
from gengan.runs import checkpoint as checkpoints
from gengan.train import examination, writers
from gengan.train.progress import Progress
from gengan.train.snapshots import Snapshots


class Refused(ValueError):
  """The run's folder does not allow it to begin or to continue; nothing has been changed."""


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
    ValueError, OSError: one line that names the field and what would be right.
  """
  config, workdir = ConfigDict(config.to_dict()), pathlib.Path(workdir)
  configs.check(config)
  sharding.initialize(config.mesh.distributed)
  mesh = sharding.make_mesh(data=config.mesh.data, fsdp=config.mesh.fsdp)
  sharding.check_mode(config.mesh.mode, mesh)
  sharding.check_batch_size(config.batch_size, mesh)
  dataset = data.load(config.data)
  configs.set_classes(config, dataset.num_classes, labelled=dataset.statistics['labelled'])
  runs.require_same(workdir, config, dataset)
  axis_name, batch = 'data' if config.mesh.mode == 'pmap' else None, runs.example_batch(config, config.batch_size)
  algorithm = configs.make_algorithm(config, axis_name=axis_name)
  in_training.check(config, dataset, algorithm)
  abstract_state = sharding.abstract_state(algorithm, batch, mesh)
  core.check_steps(algorithm, abstract_state, batch, axis_name=axis_name, devices=mesh.size)
  examination.check(config, algorithm, abstract_state, batch)
  iterator = data.train_iterator(
    dataset.train,
    config.data,
    batch_size=config.batch_size,
    seed=config.seed,
    process_index=jax.process_index(),
    process_count=jax.process_count(),
  )
  if jax.process_index() == 0:
    configs.require_writable(workdir, flag='--workdir')
  return Training(config, workdir, dataset, algorithm, mesh, abstract_state, iterator)


def fit(training: Training) -> core.State:
  """Runs the loop to the end, or to the first signal; what it leaves in the folder is a whole run either way.

  Raises:
    Diverged: a metric, the state or a sample is not finite; names the step, which it is and the last good checkpoint.
    Refused: before the first step: another process trains in the folder, or its checkpoints are damaged.
  """
  config, workdir, dataset, algorithm, mesh, abstract_state, iterator = training
  init_key, train_key, eval_key, sample_key = jax.random.split(jax.random.key(config.seed), 4)
  with contextlib.ExitStack() as stack:
    try:
      stack.enter_context(runs.claimed(workdir))
      runs.create(workdir, config, dataset)
      interrupts = stack.enter_context(Interrupts())
      checkpointer = stack.enter_context(runs.open_checkpoints(workdir, config))
      restored = checkpointer.restore(abstract_state) if checkpointer.steps() else None
    except (ValueError, OSError) as error:
      raise Refused(str(error)) from error
    state, start, examined = _begin(training, restored, init_key)
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
    if not start:
      snapshots.clear()
    examine = examination.make(
      config, dataset, algorithm, mesh, writer=writer, progress=progress, snapshots=snapshots, key=eval_key
    )

    step, stop = start, False
    while True:
      due = examination.due(config, step, stop=stop) if step != examined else set()
      if due:
        progress.require_finite(step, state)  # what is not finite is neither looked at nor saved
      scores = examine(step, state, due)
      if 'save' in due:
        checkpointer.save(step, state, data=iterator.get_state(), config=config.to_dict(), metrics=scores)
      if stop or step >= config.num_steps:
        break
      batch = next(iterator)
      state, metrics = train_step(state, batch, train_key)
      step += 1
      progress.push(step, metrics)
      stop = interrupts.should_stop(step)

    checkpointer.wait()
    writer.flush()
    if stop:
      text = f'saved at step {step} of {config.num_steps}; the same command continues from there'
      writer.write_texts(step, {'stopped': text})
    else:
      files = snapshots.finish(state, workdir / 'metrics.jsonl')
      writer.write_texts(step, {'done': runs.summary(workdir, files)})
  return state


def _begin(training: Training, restored: checkpoints.Restored | None, key: jax.Array) -> tuple[core.State, int, int]:
  """The state to train on from, its step, and that step again if everything due at it has been done, else -1."""
  config, _, _, algorithm, mesh, _, iterator = training
  if restored is None:
    return sharding.init(algorithm, key, runs.example_batch(config, config.batch_size), mesh), 0, -1
  iterator.set_state(restored.data)
  # Without metrics, it was saved for a signal, before anything else, or only pictures were due: they come out the same.
  return restored.state, restored.step, restored.step if restored.metrics else -1


def _last_good(checkpointer: checkpoints.Checkpointer) -> str:
  checkpointer.wait()
  steps = checkpointer.steps()
  return f'the last good checkpoint is that of step {steps[-1]}' if steps else 'there is no checkpoint yet'
