"""Progress on the terminal, or as a few plain lines in a log file."""

import collections
import math
import os
import sys
import time
from collections.abc import Callable
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from gengan.train.writers.interface import MetricWriter, as_floats

_CONSOLE_METRICS = ('d_loss', 'g_loss', 'd_real', 'd_fake', 'elbo', 'recon', 'kl', 'loss')


class ConsoleWriter(MetricWriter):
  """Progress for a person: step, kimg, images/s, time left and losses.

  On a terminal it is one live line; texts (warnings) and whatever else is printed scroll by above it. Elsewhere, as in
  a log file, it is a short plain line at the first call and then every `every_seconds` at most.
  """

  def __init__(
    self,
    *,
    num_steps: int,
    batch_size: int,  # images a step reads
    every_seconds: float = 30.0,
    stream: TextIO | None = None,  # standard output
    clock: Callable[[], float] = time.monotonic,
  ):
    self._num_steps, self._batch_size = num_steps, batch_size
    self._every_seconds, self._stream, self._clock = every_seconds, stream or sys.stdout, clock
    self._recent: collections.deque[tuple[float, int]] = collections.deque()  # (time, step) of the last half minute
    self._scalars: dict[str, float] = {}
    self._printed_at, self._unprinted = -math.inf, False
    self._shown, self._live = 'starting', None
    if self._stream.isatty() and os.environ.get('TERM') != 'dumb':
      self._spinner, self._closing = Spinner('dots'), False
      console = Console(file=self._stream)
      self._live = Live(console=console, get_renderable=self._live_line, refresh_per_second=8)
      self._live.start()
      self._live.console.show_cursor(True)  # `Live` hides it, and a killed run could not bring it back

  def write_scalars(self, step, scalars):
    self._scalars.update(as_floats(scalars))
    if self._recent and step <= self._recent[-1][1]:
      return  # an evaluation of the same step is no progress
    now = self._clock()
    self._recent.append((now, int(step)))
    while len(self._recent) > 2 and now - self._recent[1][0] > 30:
      self._recent.popleft()
    self._shown, self._unprinted = self._line(), True
    if not self._live and now - self._printed_at >= self._every_seconds:
      self._print()

  def write_texts(self, step, texts):
    for name, text in texts.items():
      line = self._encodable(f'step {step}  {name}: {text}'.replace(': \n', ':\n'))
      if not self._scalars:  # the rate is that since the newest text, which tells that all is compiled
        self._shown, self._recent = line.partition('\n')[0], collections.deque([(self._clock(), int(step))])
      if self._live:
        self._live.console.print(Text(line, style='yellow' if name == 'warning' else ''), soft_wrap=True)
      else:
        print(line, file=self._stream, flush=True)

  def flush(self):
    if self._unprinted and not self._live:
      self._print()

  def close(self):
    self.flush()
    if self._live:
      self._closing = True  # the last line stays, without its spinner
      self._live.stop()

  def _encodable(self, text: str) -> str:
    """With escapes for what the stream cannot write, such as names of files that are not UTF-8."""
    encoding = getattr(self._stream, 'encoding', None) or 'utf-8'
    return text.encode(encoding, 'backslashreplace').decode(encoding)

  def _print(self):
    print(self._shown, file=self._stream, flush=True)
    self._printed_at, self._unprinted = self._clock(), False

  def _live_line(self) -> Text:
    """What the refreshing thread draws, cut at the width of the terminal."""
    spinner = '' if self._closing else Text.assemble(self._spinner.render(time.monotonic()), ' ')
    line = Text.assemble(spinner, self._shown)
    line.no_wrap, line.overflow = True, 'ellipsis'
    return line

  def _line(self) -> str:
    (start, first), (now, step) = self._recent[0], self._recent[-1]
    parts = [f'step {step}/{self._num_steps}', f'{step * self._batch_size / 1000:.1f} kimg']
    if now > start:
      rate = (step - first) / (now - start)
      parts += [f'{_short(rate * self._batch_size)} images/s', f'{_duration((self._num_steps - step) / rate)} left']
    shown = [name for name in _CONSOLE_METRICS if name in self._scalars] or list(self._scalars)
    return '  '.join(parts + [f'{name} {_short(self._scalars[name])}' for name in shown[:4]])


def _short(value: float) -> str:
  """Four digits, as many as a progress line has room for."""
  return f'{value:.0f}' if 1000 <= abs(value) < 1e6 else f'{value:.4g}'


def _duration(seconds: float) -> str:
  minutes, seconds = divmod(round(max(seconds, 0)), 60)
  hours, minutes = divmod(minutes, 60)
  return f'{hours}:{minutes:02d}:{seconds:02d}' if hours else f'{minutes}:{seconds:02d}'
