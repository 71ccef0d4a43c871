"""A trace of a few train steps, for TensorBoard's profiler or Perfetto."""

import pathlib

import jax

from gengan.core import ArgumentError, PyTree

WARM = 3  # steps before: the first compiles, the next ones lay out memory


class Profile:
  """Traces `num` steps of a loop from step `start` to step `end` into a folder; leaving ends a trace still going.

  A run that ends sooner is traced to its end, and the steps before are fewer where it would otherwise be too short.
  A `num` of 0 traces none, below raises ArgumentError.
  """

  def __init__(self, folder: pathlib.Path, *, start: int, end: int, num: int):
    if num < 0:
      raise ArgumentError('profile_steps', num, 'at least 0')
    first = start + min(WARM, max(0, end - start - num))
    self._folder, self._going, self._steps = folder, False, (first, min(first + num, end))

  def between(self, step: int, state: PyTree) -> None:
    """Starts or stops the trace if it is time; called between every two steps with the state, which is waited for."""
    first, last = self._steps
    if first < last and step in self._steps:
      jax.block_until_ready(state)
      if step == last:
        self._stop()
      else:
        jax.profiler.start_trace(self._folder)
        self._going = True

  def _stop(self, *_) -> None:
    if self._going:
      jax.profiler.stop_trace()
      self._going = False

  def __enter__(self):
    return self

  __exit__ = _stop
