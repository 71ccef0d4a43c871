"""The loop: draw -> save -> evaluate -> next batch -> step -> log the previous step's metrics."""

import contextlib
import errno
import functools
import logging
import os
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import jax
from ml_collections import ConfigDict

from gengan import core, runs, sharding
from gengan.config.fields import flatten
from gengan.host import errors, files
from gengan.host.interrupts import Interrupts, Stopped
from gengan.train import examination, reference, starting, summary
from gengan.train.compiling import FirstCalls
from gengan.train.preparation import Training, prepare
from gengan.train.profile import Profile
from gengan.train.progress import Progress
from gengan.train.snapshots import Snapshots
from gengan.train.writers import MetricWriter, create

log = logging.getLogger(__name__)


class Refused(ValueError):
  """The run's folder does not allow it to begin or to continue; nothing has been changed."""


class Unwritable(OSError):
  """The disk or the folder fails a run that has begun; names the file, the reason and the last good checkpoint."""


def run(
  config: ConfigDict,
  workdir: str | os.PathLike,
  *,
  writers: Sequence[Any] = (),
  console: Any = None,
  profile_steps: int = 0,
) -> core.State:
  """Trains what the config says, in a folder; continues the run that is found there. Returns the final state.

  Args:
    config: as `configs/dcgan.py` makes one.
    workdir: folder of the run.
    writers: told all that the run reports, and closed at its end: `gengan.train.writers.MetricWriter`, or one of clu's.
    console: such a writer in place of the progress on standard output; `MetricWriter()` is silent.
    profile_steps: steps to trace into `<workdir>/profile`; 0: none.

  Raises:
    ConfigError, ValueError, OSError: as `prepare`.
    Refused, Diverged, Unwritable: as `fit`.

  >>> from gengan.config import defaults
  >>> config = defaults.vae('digits')
  >>> config.num_steps, config.model.architecture = 1, 'mlp'
  >>> state = run(config, 'runs/tiny')
  step 0  training:...
  >>> int(state.step)
  1
  """
  return fit(prepare(config, workdir), writers=writers, console=console, profile_steps=profile_steps)


def fit(
  training: Training,
  *,
  writers: Sequence[Any] = (),
  console: Any = None,
  profile_steps: int = 0,
  interrupts: Interrupts | None = None,
) -> core.State:
  """Runs the loop to the end, or to the first signal; what it leaves in the folder is a whole run either way.

  `training` is as `prepare` made it, `interrupts` says afterwards whether a signal ended it; the rest is as for `run`.

  Raises:
    Diverged: a metric, the state or a sample is not finite; names the step, which it is and the last good checkpoint.
    Refused: before the first step: another process trains in the folder, or its checkpoints are damaged.
    Unwritable: a full disk, a folder that has gone, a checkpoint that cannot be read back.
  """
  config, workdir, iterator = training.config, training.workdir, training.iterator
  init_key, train_key, eval_key, sample_key = jax.random.split(jax.random.key(config.seed), 4)
  with contextlib.ExitStack() as stack:
    interrupts = stack.enter_context(interrupts or Interrupts())
    checkpointer = _enter(training, stack)
    stack.enter_context(_failing(checkpointer))
    state, begun, examined = _found(training, checkpointer)
    step = begun
    profile = stack.enter_context(Profile(workdir / 'profile', start=step, end=config.num_steps, num=profile_steps))
    size = {'num_steps': config.num_steps, 'batch_size': config.batch_size}
    writer = stack.enter_context(create(workdir, **size, resume_step=step, console=console, more=writers))
    snapshots = _introduce(training, step, sample_key, writer)
    first_calls = FirstCalls(lambda name, text: writer.write_texts(step, {name: text}))
    if state is None:
      state = first_calls.watch('initial weights', _fresh)(training, init_key, writer)
    last_good = functools.partial(_last_good, checkpointer)
    progress = Progress(writer, every_steps=config.log_every_steps, num_steps=config.num_steps, last_good=last_good)
    look = {'progress': progress, 'snapshots': snapshots, 'key': eval_key, 'heed': interrupts.heed}
    examine = first_calls.watch('samples', examination.make(training, writer=writer, **look))
    train_step = first_calls.watch('train step', _compile(training), last=True)

    stop = interrupts.should_stop(step)  # while the weights or a classifier were made
    while True:
      due = examination.due(config, step, stop=stop) if step != examined else set()
      if due:
        _require_folder(workdir)
        progress.require_finite(step, state)  # what is not finite is neither looked at nor saved
        save = functools.partial(checkpointer.save, step, state, data=iterator.get_state(), config=config.to_dict())
        if not _examined(examine, checkpointer, step, state, due, save):
          stop = interrupts.should_stop(step)
      profile.between(step, state)
      if stop or step >= config.num_steps:
        break
      batch = next(iterator)
      state, metrics = train_step(state, batch, train_key)
      step += 1
      progress.push(step, metrics)
      stop = interrupts.should_stop(step)

    checkpointer.wait()
    writer.flush()
    redraw = step > begun or not snapshots.finished()
    writer.write_texts(step, _ending(training, step, state, snapshots if redraw else None, stop=stop))
  return state


def _examined(examine: Callable, checkpointer: runs.Checkpointer, step: int, state, due: set[str], save) -> bool:
  """Does what is due at a step; False where a signal ended it: then it is saved, and done when the run goes on."""
  try:
    scores = examine(step, state, due, save)
  except Stopped:
    save()
    return False
  if 'save' in due and scores:
    checkpointer.score(scores)
  return True


def _enter(training: Training, stack: contextlib.ExitStack) -> runs.Checkpointer:
  """Takes the run's folder for this process, and writes into it what is known before the first step."""
  with _refusing():
    stack.enter_context(runs.claimed(training.workdir))
    runs.create(training.workdir, training.config, training.dataset)
    return stack.enter_context(runs.open_checkpoints(training.workdir, training.config))


def _found(training: Training, checkpointer: runs.Checkpointer) -> tuple[core.State | None, int, int]:
  """The state of the newest checkpoint, its step, and that step again if everything due at it has been done, else -1.

  Without a checkpoint: no state, 0 and -1.
  """
  if not runs.has_checkpoints(training.workdir):
    metrics = training.workdir / 'metrics.jsonl'
    if metrics.exists() and metrics.stat().st_size and not jax.process_index():
      log.warning('%s has no checkpoint: its metrics and pictures are made anew, from step 0', training.workdir)
    return None, 0, -1
  with _refusing():
    found = checkpointer.restore(training.setup.abstract_state)
    training.iterator.set_state(found.data)
  # One without metrics was saved for a signal, before all else, or had only pictures due, which come out the same.
  return found.state, found.step, found.step if found.metrics else -1


def _introduce(training: Training, step: int, key: jax.Array, writer: MetricWriter) -> Snapshots:
  """Tells what the run is, shows the real images, and gives what draws its pictures."""
  writer.write_hparams(flatten(training.config.to_dict()))
  seen = reference.choose(training.dataset, training.config)
  writer.write_texts(step, summary.beginning(training, seen, step=step))
  snapshots = Snapshots.of(training, seen, key=key)
  writer.write_images(step, snapshots.begin(fresh=not step))
  return snapshots


def _ending(training: Training, step: int, state: core.State, snapshots: Snapshots | None, *, stop: bool) -> dict:
  """What to do next; after the last step, with the pictures of the whole run, which are drawn here."""
  if stop:
    return {'stopped': f'saved at step {step} of {training.config.num_steps}; the same command continues from there'}
  made = snapshots.finish(state, training.workdir / 'metrics.jsonl') if snapshots else {}
  return summary.ending(training, made)


def _compile(training: Training) -> Callable:
  """The train step, compiled when it is first called."""
  setup = training.setup
  layout = jax.tree.map(lambda leaf: leaf.sharding, setup.abstract_state)
  step, mode = setup.algorithm.train_step, training.config.mesh.mode
  return sharding.compile_step(step, mesh=setup.mesh, state_sharding=layout, mode=mode)


def _fresh(training: Training, key: jax.Array, writer: MetricWriter) -> core.State:
  """Initial weights, with another run's where the config names one, which is told."""
  state = sharding.init(training.setup.algorithm, key, training.setup.batch, training.setup.mesh)
  if training.inherited is None:
    return state
  with _refusing():
    state = starting.take(training.inherited, state)
    if jax.process_index() == 0:
      starting.record(training.inherited, training.workdir)
  writer.write_texts(0, {'init_from': str(training.inherited)})
  return state


@contextlib.contextmanager
def _refusing():
  """What is wrong with a folder, as one kind of error."""
  try:
    yield
  except OSError as error:
    raise Refused(files.trouble(error)) from error
  except ValueError as error:
    raise Refused(str(error)) from error


@contextlib.contextmanager
def _failing(checkpointer: runs.Checkpointer):
  """What fails the disk or the folder while the run goes on, as one kind of error."""
  try:
    yield
  except OSError as error:
    raise Unwritable(f'{errors.reason(error)}; {_last_good(checkpointer)}') from error


def _require_folder(workdir: pathlib.Path) -> None:
  """A folder that was deleted or moved away would be made anew, without what says which run it is."""
  if not (workdir / 'config.json').exists():
    raise FileNotFoundError(errno.ENOENT, 'the folder of the run has gone', os.fspath(workdir))


def _last_good(checkpointer: runs.Checkpointer) -> str:
  with contextlib.suppress(runs.NotSavedError):  # that is not it
    checkpointer.wait()
  steps = checkpointer.steps()
  return f'the last good checkpoint is that of step {steps[-1]}' if steps else 'there is no checkpoint yet'
