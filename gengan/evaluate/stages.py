"""What an evaluation is doing, told while it does it: stages, how far each is, and the time that is left."""

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import TextIO

from rich.console import Console
from rich.markup import escape

EVERY_SECONDS = 30.0  # between two lines of one stage, where there is no terminal to write a line over

Tell = Callable[[str, int, int], None]  # the stage, how much of it is done, and of how much (0: it is not counted)


def silent(stage: str, done: int = 0, of: int = 0) -> None:
  """Tells nothing."""


def heeding(tell: Tell, heed: Callable[[], None]) -> Tell:
  """`tell`, but `heed` is called first, which may raise to end what is told of."""

  def told(stage: str, done: int = 0, of: int = 0) -> None:
    heed()
    tell(stage, done, of)

  return told


@contextlib.contextmanager
def telling(stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> Iterator[Tell]:
  """A function that tells stages to a person: in one line on a terminal that is gone at the end, else in a few.

  Args:
    stream: where to; None: standard error.
    clock: seconds.
  """
  stream = stream or sys.stderr
  if stream.isatty() and os.environ.get('TERM') != 'dumb':
    with Console(file=stream).status('starting') as status:
      timed = _timed(clock)
      yield lambda stage, done=0, of=0: status.update(escape(timed(stage, done, of)[0]))
    return
  timed, printed = _timed(clock), {}

  def tell(stage: str, done: int = 0, of: int = 0) -> None:
    line, now = timed(stage, done, of)
    if stage not in printed or now - printed[stage] >= EVERY_SECONDS:
      printed.clear()
      printed[stage] = now
      print(line, file=stream, flush=True)

  yield tell


def duration(seconds: float) -> str:
  """'1:05', or '2:00:00' from an hour on."""
  minutes, seconds = divmod(round(max(seconds, 0)), 60)
  hours, minutes = divmod(minutes, 60)
  return f'{hours}:{minutes:02d}:{seconds:02d}' if hours else f'{minutes}:{seconds:02d}'


def _timed(clock: Callable[[], float]) -> Callable[[str, int, int], tuple[str, float]]:
  """From a stage to the line about it and the time; what is left is reckoned from the first part that was told of."""
  begun = {}

  def line(stage: str, done: int, of: int) -> tuple[str, float]:
    now = clock()
    if stage not in begun:
      begun.clear()
      begun[stage] = now, done
    start, first = begun[stage]
    left = f', {duration((now - start) * (of - done) / (done - first))} left' if first < done < of else ''
    return f'{stage} ({done:,} of {of:,}){left}' if of else stage, now

  return line
