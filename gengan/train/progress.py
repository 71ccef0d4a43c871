"""The metrics of every step: fetched, checked and handed to the writers. NaN or infinity ends the run.

A step's metrics are fetched once the next step has started, so that the host never waits for the devices.
"""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp

from gengan import core
from gengan.train.writers import MetricWriter, as_floats

REMEMBERED = ('d_accuracy_real', 'd_accuracy_fake')  # at every step, until they are asked for: a run has many steps


class Diverged(FloatingPointError):
  """A metric, a part of the state or a sample is NaN or infinite."""


class Progress:
  """Holds the metrics of the newest step, still on the device, until the next step has started.

  Every step is checked; every `every_steps` and that of `num_steps`, the last, are written. `last_good` says which
  checkpoint is the newest, for the message of `Diverged`.
  """

  def __init__(self, writer: MetricWriter, *, every_steps: int, num_steps: int, last_good: Callable[[], str]):
    self._writer, self._every_steps, self._num_steps, self._last_good = writer, every_steps, num_steps, last_good
    self._pending: tuple[int, core.Metrics] | None = None
    self._recent = {name: [] for name in REMEMBERED}

  def push(self, step: int, metrics: core.Metrics) -> None:
    """Takes the metrics of `step`, which has just started, and flushes those of the step before."""
    self.flush()
    self._pending = step, metrics

  def flush(self) -> None:
    """Fetches and checks the metrics that are held, and writes them where it is time.

    Raises:
      Diverged: a metric is NaN or infinite; names the metric, the step and the last good checkpoint.
    """
    if self._pending is None:
      return
    (step, metrics), self._pending = self._pending, None
    scalars = as_floats(metrics)
    for name, value in scalars.items():
      if not math.isfinite(value):
        raise Diverged(f'{name} is {value} at step {step}; {self._last_good()}')
      if name in self._recent:
        self._recent[name].append(value)
    if step % self._every_steps == 0 or step == self._num_steps:
      self._writer.write_scalars(step, scalars)

  def require_finite(self, step: int, tree: core.PyTree) -> None:
    """Flushes, and then checks every float of the state after `step` steps, or of what was drawn from it by name.

    This is needed beside the metrics: those of a step are computed before its update, from the parameters before.

    Raises:
      Diverged: there is NaN or infinity; names the parts that hold it, the step and the last good checkpoint.
    """
    self.flush()
    bad = [part for part, finite in jax.device_get(_finite_parts(tree)).items() if not finite]
    if bad:
      raise Diverged(f'NaN or infinity in {", ".join(bad)} after step {step}; {self._last_good()}')

  def take_recent(self, name: str) -> list[float]:
    """The values of one of `REMEMBERED` at every step since this was last asked."""
    found, self._recent[name] = self._recent[name], []
    return found


@jax.jit
def _finite_parts(tree: core.PyTree) -> dict[str, jax.Array]:
  """Whether all floats are finite, by the two outermost names of their places: 'params/generator'."""
  parts = {}
  for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
    if jnp.issubdtype(leaf.dtype, jnp.inexact):
      part = jax.tree_util.keystr(path[:2], simple=True, separator='/')
      # 0 x is 0, or NaN where x is NaN or infinite: one sum, which compiles in half the time of `isfinite(x).all()`.
      parts[part] = parts.get(part, True) & jnp.isfinite(jnp.sum(0 * leaf))
  return parts
