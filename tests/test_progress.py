"""Metrics one step late: written at the interval, checked at every step."""

import jax.numpy as jnp
import pytest

from gengan.progress import Diverged, Progress


class Recorder:
  def __init__(self):
    self.written = []

  def write_scalars(self, step, scalars):
    self.written.append((step, scalars))


@pytest.fixture
def progress():
  recorder = Recorder()
  made = Progress(recorder, every_steps=2, num_steps=5, last_good=lambda: 'that of step 0 is good')
  made.written = recorder.written
  return made


def test_a_step_is_written_when_the_next_has_started(progress):
  progress.push(2, {'d_loss': jnp.float32(1.5)})
  assert progress.written == []
  progress.push(3, {'d_loss': jnp.float32(2.5)})
  assert progress.written == [(2, {'d_loss': 1.5})]


def test_the_interval_and_the_last_step_are_written(progress):
  for step in range(1, 6):
    progress.push(step, {'d_loss': jnp.float32(step)})
  progress.flush()
  progress.flush()
  assert progress.written == [(2, {'d_loss': 2.0}), (4, {'d_loss': 4.0}), (5, {'d_loss': 5.0})]


@pytest.mark.parametrize('bad', ['nan', 'inf', '-inf'])
def test_a_step_between_two_intervals_is_checked_too(progress, bad):
  progress.push(1, {'g_loss': jnp.float32(bad)})
  with pytest.raises(Diverged, match=rf'g_loss is {bad} at step 1; that of step 0 is good'):
    progress.flush()


def test_recent_values_are_handed_out_once(progress):
  for step in (1, 2, 3):
    progress.push(step, {'d_accuracy_real': jnp.float32(step / 4)})
  assert progress.take_recent('d_accuracy_real') == [0.25, 0.5]
  progress.flush()
  assert progress.take_recent('d_accuracy_real') == [0.75]
  assert progress.take_recent('elbo') == []
