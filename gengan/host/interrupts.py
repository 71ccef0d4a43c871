"""Being asked to stop: signals become a flag that the loop reads between two steps."""

import os
import signal
import threading

import jax
from jax.experimental import multihost_utils


class Stopped(BaseException):
  """Work between two steps is given up, for the run was asked to stop; no `except Exception` takes it for a fault."""


class Interrupts:
  """While it is entered, SIGTERM and SIGINT only set `requested`; a second SIGINT quits at once.

  Afterwards `exit_code` is that of a shell: 130 or 143 where the loop has stopped for SIGINT or SIGTERM, else 0.

  With `jax.distributed` all processes have to stop at the same step. There JAX listens for SIGTERM and agrees on the
  step with the other processes; SIGINT is passed on as SIGTERM. Outside the main thread, where Python allows no signal
  handlers, entering does nothing.
  """

  def __init__(self):
    self.requested = False  # of this process
    self.exit_code = 0
    self._number = signal.SIGTERM  # which other processes may have had
    self._previous = {}

  def __enter__(self):
    if threading.current_thread() is threading.main_thread():
      # With jax.distributed, a handler of ours would take SIGTERM away from JAX.
      numbers = [signal.SIGINT] if jax.distributed.is_initialized() else [signal.SIGINT, signal.SIGTERM]
      self._previous = {number: signal.signal(number, self._handle) for number in numbers}
    return self

  def __exit__(self, *exception):
    for number, handler in self._previous.items():
      signal.signal(number, handler)
    self._previous = {}

  def should_stop(self, step: int) -> bool:
    """Whether to stop now that `step` steps are done, the same in every process. Each must ask after every step."""
    stop = self.requested
    if jax.distributed.is_initialized():
      stop = multihost_utils.reached_preemption_sync_point(step)
    if stop:
      self.exit_code = 128 + self._number
    return stop

  def heed(self) -> None:
    """Raises Stopped once a signal has come; never with `jax.distributed`, where all processes must go on alike."""
    if self.requested and not jax.distributed.is_initialized():
      raise Stopped

  def _handle(self, number, frame):
    if not self.requested:  # `print` may be at work already
      os.write(2, b'\nasked to stop: after this step, once the run is saved; a second Ctrl-C quits at once\n')
    self.requested, self._number = True, number
    if number == signal.SIGINT:
      signal.signal(signal.SIGINT, signal.SIG_DFL)
      if jax.distributed.is_initialized():
        os.kill(os.getpid(), signal.SIGTERM)
