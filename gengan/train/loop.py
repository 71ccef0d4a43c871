"""The loop: draw -> save -> evaluate -> next batch -> step -> log the previous step's metrics."""

import contextlib
import errno
import functools
import os
import pathlib
from collections.abc import Sequence
from typing import Any

import jax
from ml_collections import ConfigDict

from gengan import core, runs, sharding
from gengan.config.fields import flatten
from gengan.host import errors
from gengan.host.interrupts import Interrupts
from gengan.train import examination, starting
from gengan.train.preparation import Training, prepare
from gengan.train.profile import Profile
from gengan.train.progress import Progress
from gengan.train.snapshots import Snapshots, reference_batch
from gengan.train.writers import create


class Refused(ValueError):
  """The run's folder does not allow it to begin or to continue; nothing has been changed."""


class Unwritable(OSError):
  """The disk or the folder fails a run that has begun; names the file, the reason and the last good checkpoint."""


def run(
  config: ConfigDict, workdir: str | os.PathLike, *, writers: Sequence[Any] = (), profile_steps: int = 0
) -> core.State:
  """Trains what the config says, in a folder; continues the run that is found there. Returns the final state.

  Args:
    config: as `configs/dcgan.py` makes one.
    workdir: folder of the run.
    writers: told all that the run reports, and closed at its end: `gengan.train.writers.MetricWriter`, or one of clu's.
    profile_steps: steps to trace into `<workdir>/profile`; 0: none.

  Raises:
    ConfigError, ValueError, OSError: as `prepare`.
    Refused, Diverged, Unwritable: as `fit`.

  >>> from gengan.config import defaults
  >>> config = defaults.vae('digits')
  >>> config.num_steps, config.model.architecture = 1, 'mlp'
  >>> state = run(config, 'runs/tiny')
  step 1/1 ...
  >>> int(state.step)
  1
  """
  return fit(prepare(config, workdir), writers=writers, profile_steps=profile_steps)


def fit(
  training: Training, *, writers: Sequence[Any] = (), profile_steps: int = 0, interrupts: Interrupts | None = None
) -> core.State:
  """Runs the loop to the end, or to the first signal; what it leaves in the folder is a whole run either way.

  `training` is as `prepare` made it, `interrupts` says afterwards whether a signal ended it; the rest is as for `run`.

  Raises:
    Diverged: a metric, the state or a sample is not finite; names the step, which it is and the last good checkpoint.
    Refused: before the first step: another process trains in the folder, or its checkpoints are damaged.
    Unwritable: a full disk, a folder that has gone, a checkpoint that cannot be read back.
  """
  config, workdir, iterator, setup = training.config, training.workdir, training.iterator, training.setup
  init_key, train_key, eval_key, sample_key = jax.random.split(jax.random.key(config.seed), 4)
  with contextlib.ExitStack() as stack:
    interrupts = stack.enter_context(interrupts or Interrupts())
    checkpointer = _enter(training, stack)
    stack.enter_context(_failing(checkpointer))
    state, step, examined, told = _begin(training, checkpointer, init_key)
    profile = stack.enter_context(Profile(workdir / 'profile', start=step, end=config.num_steps, num=profile_steps))
    writer = create(workdir, num_steps=config.num_steps, batch_size=config.batch_size, resume_step=step, more=writers)
    stack.enter_context(writer)
    writer.write_hparams(flatten(config.to_dict()))
    writer.write_texts(step, told)
    last_good = functools.partial(_last_good, checkpointer)
    progress = Progress(writer, every_steps=config.log_every_steps, num_steps=config.num_steps, last_good=last_good)
    snapshots = _make_snapshots(training, step, sample_key)
    examine = examination.make(training, writer=writer, progress=progress, snapshots=snapshots, key=eval_key)
    layout = jax.tree.map(lambda leaf: leaf.sharding, setup.abstract_state)
    train_step = sharding.compile_step(
      setup.algorithm.train_step, mesh=setup.mesh, state_sharding=layout, mode=config.mesh.mode
    )

    stop = False
    while True:
      due = examination.due(config, step, stop=stop) if step != examined else set()
      if due:
        _require_folder(workdir)
        progress.require_finite(step, state)  # what is not finite is neither looked at nor saved
      save = functools.partial(checkpointer.save, step, state, data=iterator.get_state(), config=config.to_dict())
      scores = examine(step, state, due, save)
      if 'save' in due and scores:
        checkpointer.score(scores)
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
    if stop:
      text = {'stopped': f'saved at step {step} of {config.num_steps}; the same command continues from there'}
    else:
      pictures = [workdir / 'samples', *snapshots.finish(state, workdir / 'metrics.jsonl')]
      others = [workdir / name for name in ('metrics.jsonl', 'tensorboard', 'checkpoints')]
      text = {'done': ''.join(f'\n  {path}' for path in (*pictures, *others))}
    writer.write_texts(step, text)
  return state


def _enter(training: Training, stack: contextlib.ExitStack) -> runs.Checkpointer:
  """Takes the run's folder for this process, and writes into it what is known before the first step."""
  with _refusing():
    stack.enter_context(runs.claimed(training.workdir))
    runs.create(training.workdir, training.config, training.dataset)
    return stack.enter_context(runs.open_checkpoints(training.workdir, training.config))


def _begin(
  training: Training, checkpointer: runs.Checkpointer, key: jax.Array
) -> tuple[core.State, int, int, dict[str, str]]:
  """The newest checkpoint, or a fresh state, with another run's weights where the config names one.

  Returns:
    The state; its step; that step again if everything due at it has been done, else -1; and what to tell a person.
  """
  config, workdir, setup = training.config, training.workdir, training.setup
  if runs.has_checkpoints(workdir):
    with _refusing():
      found = checkpointer.restore(setup.abstract_state)
    training.iterator.set_state(found.data)
    told = {'resume': f'continuing the run in {workdir} at step {found.step} of {config.num_steps}'}
    # One without metrics was saved for a signal, before all else, or had only pictures due, which come out the same.
    return found.state, found.step, found.step if found.metrics else -1, told
  state = sharding.init(setup.algorithm, key, setup.batch, setup.mesh)
  if training.inherited is None:
    return state, 0, -1, {}
  with _refusing():
    state = starting.take(training.inherited, state)
    if jax.process_index() == 0:
      starting.record(training.inherited, workdir)
  return state, 0, -1, {'init_from': str(training.inherited)}


@contextlib.contextmanager
def _refusing():
  """What is wrong with a folder, as one kind of error."""
  try:
    yield
  except (ValueError, OSError) as error:
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


def _make_snapshots(training: Training, step: int, key: jax.Array) -> Snapshots:
  """What draws the pictures; those of an attempt that was never saved are taken away."""
  made, real = training.setup, reference_batch(training.dataset, training.config)
  layout = sharding.replicated(made.mesh)
  snapshots = Snapshots(training.workdir / 'samples', made.algorithm, real, key=key, sharding=layout)
  if not step:
    snapshots.clear()
  return snapshots


def _last_good(checkpointer: runs.Checkpointer) -> str:
  with contextlib.suppress(runs.NotSavedError):  # that is not it
    checkpointer.wait()
  steps = checkpointer.steps()
  return f'the last good checkpoint is that of step {steps[-1]}' if steps else 'there is no checkpoint yet'
