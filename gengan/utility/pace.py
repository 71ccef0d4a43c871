"""The pace of a comparison: how many of its classifiers are measured, and how long the others may take."""

import datetime
import time
from collections.abc import Callable, Mapping


class Pace:
  """Measures how long generators and classifiers take while they are trained, one after the other."""

  def __init__(self, total: int, done: int, steps: Mapping[str, int], *, clock: Callable[[], float] = time.monotonic):
    """Begins with `done` of `total` classifiers, and the steps that are left of the generators by regime."""
    self._total, self._done, self._steps, self._clock = total, done, dict(steps), clock
    self._generators, self._classifiers = (0.0, 0), (0.0, 0)  # seconds, and steps or classifiers that they took
    self._since = clock()

  def generator_there(self, regime: str) -> None:
    """The generator of a regime is finished."""
    seconds, steps = self._lap(), self._steps.pop(regime)
    if steps:
      self._generators = self._generators[0] + seconds, self._generators[1] + steps

  def measured(self) -> str:
    """One more classifier is measured: '5 of 74, about 0:12:30 left'."""
    self._classifiers = self._classifiers[0] + self._lap(), self._classifiers[1] + 1
    self._done += 1
    left = (self._total - self._done) * self._classifiers[0] / self._classifiers[1]
    steps, also = sum(self._steps.values()), ''
    if self._generators[1]:
      left += steps * self._generators[0] / self._generators[1]
    elif steps:
      also = ' and the generators of other regimes'
    return f'{self._done} of {self._total}, about {datetime.timedelta(seconds=round(left))}{also} left'

  def _lap(self) -> float:
    since, self._since = self._since, self._clock()
    return self._since - since
