"""The first calls of compiled functions, which take their time: which it is, and how long each took."""

import functools
import time
from collections.abc import Callable


class FirstCalls:
  """Tells of the first call of every function that goes through `watch`: `tell(name, text)`."""

  def __init__(self, tell: Callable[[str, str], None], clock: Callable[[], float] = time.monotonic):
    self._tell, self._clock, self._took = tell, clock, []

  def watch(self, what: str, function: Callable, *, last: bool = False) -> Callable:
    """The same function; before its first call `what` is told, and after the last of them how long each took."""
    called = False

    @functools.wraps(function)
    def call(*arguments):
      nonlocal called
      if called:
        return function(*arguments)
      called = True
      self._tell('compiling', what)
      start = self._clock()
      result = function(*arguments)
      self._took.append(f'{what} in {self._clock() - start:.1f} s')
      if last:
        self._tell('compiled', ', '.join(self._took))
      return result

    return call
