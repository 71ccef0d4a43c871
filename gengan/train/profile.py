"""A trace of a few train steps, for TensorBoard's profiler or Perfetto."""

import pathlib

import jax

from gengan.core import ArgumentError, PyTree

WARM = 3  # steps before: the first compiles, the next ones lay out memory


class Profile:
  """Traces some steps of a loop into a folder; leaving ends a trace that is still going.

  A run that ends sooner is traced to its end, and the steps before are fewer where it would otherwise be too short.
  """

  def __init__(self, folder: pathlib.Path, *, start: int, end: int, num: int):
    """Args:
    folder: of the trace.
    start: steps done before the loop.
    end: steps done after it.
    num: steps to trace; 0: none.

    Raises:
      ArgumentError: num below 0.
    """
    if num < 0:
      raise ArgumentError('profile_steps', num, 'at least 0')
    self._folder, self._going = folder, False
    self._first = start + min(WARM, max(0, end - start - num))
    self._last = min(self._first + num, end)

  def __enter__(self):
    return self

  def __exit__(self, *_):
    self._stop()

  def between(self, step: int, state: PyTree) -> None:
    """Starts or stops the trace if it is time; called between every two steps.

    Args:
      step: steps done.
      state: after them, for devices are waited for.
    """
    if self._first == self._last or step not in (self._first, self._last):
      return
    jax.block_until_ready(state)
    if step == self._first:
      jax.profiler.start_trace(self._folder)
      self._going = True
    else:
      self._stop()

  def _stop(self) -> None:
    if self._going:
      jax.profiler.stop_trace()
      self._going = False
