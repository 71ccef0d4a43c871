"""The metrics of a training run, fetched one step late so that the host never waits for the step that is running."""

import collections
import math
from collections.abc import Callable

from gengan import core, writers


class Diverged(FloatingPointError):
  """A metric is not finite."""


class Progress:
  """Holds the metrics of the newest step on the device until the next step has been started."""

  def __init__(self, writer: writers.MetricWriter, *, every_steps: int, num_steps: int, last_good: Callable[[], str]):
    """Args:
    writer: where the metrics go.
    every_steps: how often they are written; every step is checked.
    num_steps: the last step is always written.
    last_good: says which checkpoint is the newest, for the message of `Diverged`.
    """
    self._writer, self._every_steps, self._num_steps, self._last_good = writer, every_steps, num_steps, last_good
    self._pending: tuple[int, core.Metrics] | None = None
    self._recent = collections.defaultdict(list)

  def push(self, step: int, metrics: core.Metrics) -> None:
    """Takes the metrics of `step`, just started, and deals with those of the step before."""
    self.flush()
    self._pending = step, metrics

  def flush(self) -> None:
    """Fetches, checks and writes what is pending.

    Raises:
      Diverged: a metric is NaN or infinite; names the metric, the step and the last good checkpoint.
    """
    if self._pending is None:
      return
    (step, metrics), self._pending = self._pending, None
    scalars = writers.as_floats(metrics)
    for name, value in scalars.items():
      if not math.isfinite(value):
        raise Diverged(f'{name} is {value} at step {step}; {self._last_good()}')
      self._recent[name].append(value)
    if step % self._every_steps == 0 or step == self._num_steps:
      self._writer.write_scalars(step, scalars)

  def take_recent(self, name: str) -> list[float]:
    """The values of a metric at every step since this was last asked."""
    return self._recent.pop(name, [])
