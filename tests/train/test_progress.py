"""Metrics one step late: written at the interval, checked at every step."""

import tracemalloc

import jax.numpy as jnp
import pytest

from gengan import core
from gengan.train.progress import Diverged, Progress


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
  assert progress.take_recent('d_accuracy_fake') == []


def test_every_float_of_a_tree_is_checked_and_its_part_is_named(progress):
  state = core.State(
    step=jnp.int32(3),
    params={'generator': {'kernel': jnp.ones(3)}, 'discriminator': {'kernel': jnp.ones(2)}},
    opt_state={'generator': (None, {'mu': jnp.zeros((0, 3)), 'count': jnp.int32(1)})},
    model_state={},
    ema_params={'generator': {'params': jnp.ones(3, jnp.bfloat16)}},
    extra=jnp.float32(0),
  )
  progress.require_finite(3, state)
  bad = state.replace(params=state.params | {'discriminator': {'kernel': jnp.array([1, jnp.inf])}}, extra=jnp.nan)
  with pytest.raises(Diverged, match=r'^NaN or infinity in extra, params/discriminator after step 3; that of step 0'):
    progress.require_finite(3, bad)


def test_a_bad_metric_is_told_before_the_state_that_it_led_to(progress):
  progress.push(2, {'d_loss': jnp.float32('nan')})
  with pytest.raises(Diverged, match='d_loss is nan at step 2'):
    progress.require_finite(2, {'samples': jnp.full(2, jnp.nan)})


def test_what_nobody_asks_for_is_not_kept():
  progress = Progress(Recorder(), every_steps=10**9, num_steps=10**9, last_good=str)

  def used_after(steps):
    for step in steps:
      progress.push(step, {f'metric_{i}': step + i / 7 for i in range(10)})
    return tracemalloc.get_traced_memory()[0]

  tracemalloc.start()
  try:
    before = used_after(range(500))
    assert used_after(range(500, 3000)) - before < 2**15  # bytes
  finally:
    tracemalloc.stop()
