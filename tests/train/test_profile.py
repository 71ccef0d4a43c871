"""A trace covers the steps that were asked for, and is there when a run ends sooner."""

import jax
import jax.numpy as jnp
import pytest

from gengan.train.profile import Profile


@pytest.mark.parametrize(
  ('start', 'end', 'num', 'traced'),
  [(0, 100, 2, [3, 4]), (50, 100, 1, [53]), (0, 4, 2, [2, 3]), (0, 3, 8, [0, 1, 2]), (0, 9, 0, []), (9, 9, 2, [])],
)
def test_the_steps_of_a_trace(start, end, num, traced, monkeypatch, tmp_path):
  going, found = [], []
  monkeypatch.setattr(jax.profiler, 'start_trace', lambda folder: going.append(folder))
  monkeypatch.setattr(jax.profiler, 'stop_trace', going.clear)
  with Profile(tmp_path, start=start, end=end, num=num) as profile:
    for step in range(start, end + 1):
      profile.between(step, jnp.zeros(()))
      if step < end and going:
        found.append(step)
    assert not going
  assert found == traced


def test_a_trace_is_written_even_if_the_run_stops(tmp_path):
  with pytest.raises(KeyboardInterrupt), Profile(tmp_path, start=0, end=9, num=9) as profile:
    profile.between(0, jnp.zeros(()))
    jax.block_until_ready(jnp.ones(8) + 1)
    raise KeyboardInterrupt
  assert list(tmp_path.rglob('*.xplane.pb'))


def test_an_impossible_number_is_named(tmp_path):
  with pytest.raises(ValueError, match='profile_steps is -1; it must be at least 0'):
    Profile(tmp_path, start=0, end=9, num=-1)
