"""Where metrics go: JSON lines, TensorBoard and the terminal.

The methods are those of `clu.metric_writers.MetricWriter`, so that one of clu's writers can stand in a `MultiWriter`;
clu's own package is not imported, because it needs TensorFlow.
"""

import collections
import contextlib
import json
import math
import os
import pathlib
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TextIO

import jax
import numpy as np
import tensorboardX
from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text
from tensorboardX.summary import hparams as hparams_summaries

from gengan.data import images as pictures

_CONSOLE_METRICS = ('d_loss', 'g_loss', 'd_real', 'd_fake', 'elbo', 'recon', 'kl', 'loss')


class MetricWriter:
  """Takes everything and writes nothing: what all processes but the first use. The others override what they write.

  Steps are train steps done. A scalar is a number or a 0-d array; images are [H, W, C] or [N, H, W, C] (shown as one
  grid), uint8 or float in [-1, 1]. Anything else raises ValueError.
  """

  def write_scalars(self, step: int, scalars: Mapping[str, Any]) -> None: ...

  def write_images(self, step: int, images: Mapping[str, Any]) -> None: ...

  def write_texts(self, step: int, texts: Mapping[str, str]) -> None: ...

  def write_hparams(self, hparams: Mapping[str, Any]) -> None: ...

  def flush(self) -> None: ...

  def close(self) -> None: ...

  def __enter__(self):
    return self

  def __exit__(self, *_):
    self.close()


class MultiWriter(MetricWriter):
  """Hands everything to several writers; device arrays are fetched once for all."""

  def __init__(self, writers: Sequence[Any]):
    self._writers = tuple(writers)

  def write_scalars(self, step, scalars):
    scalars = as_floats(scalars)
    for writer in self._writers:
      writer.write_scalars(step, scalars)

  def write_images(self, step, images):
    images = jax.device_get(dict(images))
    for writer in self._writers:
      writer.write_images(step, images)

  def write_texts(self, step, texts):
    for writer in self._writers:
      writer.write_texts(step, texts)

  def write_hparams(self, hparams):
    for writer in self._writers:
      writer.write_hparams(hparams)

  def flush(self):
    for writer in self._writers:
      writer.flush()

  def close(self):
    with contextlib.ExitStack() as stack:  # one that fails does not keep the others open
      for writer in self._writers:
        stack.callback(writer.close)


class JsonLinesWriter(MetricWriter):
  """Scalars, one JSON object a line: {"step": 200, "kimg": 12.8, "time": 1790000000.0, "d_loss": 1.31, ...}.

  `time` is in seconds since 1970. Values that JSON has no number for are the strings "NaN", "Infinity" and
  "-Infinity" (as in protobuf's JSON mapping), which Python's `float` reads. Two calls for one step, as when training
  and evaluation report, make two lines.

  Args:
    path: the file; appended to, and flushed at every line.
    batch_size: images a step reads, for `kimg`.
    resume_step: the step at which the run continues. Lines of later steps, which a killed run left, and a line
      that was cut off are dropped in one piece. 0: starts the file anew.
  """

  def __init__(self, path: str | os.PathLike, *, batch_size: int, resume_step: int = 0):
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
      beside = path.with_name(f'.{path.name}.{os.getpid()}.part')
      kept = _lines_until(path, resume_step) if resume_step else []
      with open(beside, 'w', encoding='utf-8') as file:
        file.writelines(kept)
        file.flush()
        os.fsync(file.fileno())
      os.replace(beside, path)
    self._file = open(path, 'a', encoding='utf-8')  # noqa: SIM115
    self._batch_size = batch_size

  def write_scalars(self, step, scalars):
    head = {'step': int(step), 'kimg': round(int(step) * self._batch_size / 1000, 6), 'time': round(time.time(), 3)}
    scalars = as_floats(scalars)
    if taken := head.keys() & scalars.keys():
      raise ValueError(f'a metric cannot be named {", ".join(sorted(taken))}: every line has its own')
    values = {name: value if math.isfinite(value) else json.dumps(value) for name, value in scalars.items()}
    self._file.write(json.dumps({**head, **values}, allow_nan=False) + '\n')
    self._file.flush()

  def flush(self):
    self._file.flush()

  def close(self):
    self._file.close()


def _lines_until(path: pathlib.Path, step: int) -> list[str]:
  """The whole lines of a metrics file whose step is at most `step`."""
  lines = []
  for line in path.read_text(encoding='utf-8', errors='replace').splitlines(keepends=True):
    with contextlib.suppress(json.JSONDecodeError, KeyError, TypeError):
      if line.endswith('\n') and json.loads(line)['step'] <= step:
        lines.append(line)
  return lines


class TensorBoardWriter(MetricWriter):
  """Event files that TensorBoard reads: scalars, images, texts and hyperparameters.

  Args:
    directory: the folder for event files; a continued run adds a file.
    resume_step: TensorBoard hides what an earlier file holds of later steps (0: of any step).
  """

  def __init__(self, directory: str | os.PathLike, *, resume_step: int = 0):
    # The suffix, because a file is named by the second: a run continued within one would write over its first file.
    self._writer = tensorboardX.SummaryWriter(
      os.fspath(directory),
      purge_step=resume_step + 1 if resume_step else 0,
      flush_secs=10,
      filename_suffix=f'.{resume_step:010d}',
    )

  def write_scalars(self, step, scalars):
    for name, value in as_floats(scalars).items():
      self._writer.add_scalar(name, value, step)

  def write_images(self, step, images):
    for name, image in images.items():
      self._writer.add_image(name, pictures.as_picture(image), step, dataformats='HWC')

  def write_texts(self, step, texts):
    for name, text in texts.items():
      self._writer.add_text(name, text, step)

  def write_hparams(self, hparams):
    plain = {
      name: value if isinstance(value, (bool, int, float, str)) else str(value) for name, value in hparams.items()
    }
    for summary in hparams_summaries(plain, {})[:2]:  # what the experiment varies, and this run's values
      self._writer.file_writer.add_summary(summary)

  def flush(self):
    self._writer.flush()

  def close(self):
    self._writer.close()


class ConsoleWriter(MetricWriter):
  """Progress for a person: step, kimg, images/s, time left and losses.

  On a terminal it is one live line; texts (warnings) and whatever else is printed scroll by above it. Elsewhere, as in
  a log file, it is a short plain line at the first call and then every `every_seconds` at most.

  Args:
    num_steps: where the run ends.
    batch_size: images a step reads.
    every_seconds: the shortest time between plain lines.
    stream: where to write; by default standard output.
    clock: seconds, monotonic.
  """

  def __init__(
    self,
    *,
    num_steps: int,
    batch_size: int,
    every_seconds: float = 30.0,
    stream: TextIO | None = None,
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
      line = f'step {step}  {name}: {text}'
      if self._live:
        self._live.console.print(Text(line, style='yellow' if name == 'warning' else ''))
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


def as_floats(scalars: Mapping[str, Any]) -> dict[str, float]:
  """Numbers and 0-d arrays as Python floats, fetched from the device at once.

  Raises:
    ValueError: a value that is no scalar, or no number.
  """
  fetched = {}
  for name, value in jax.device_get(dict(scalars)).items():
    array = np.asarray(value)
    if array.shape != () or array.dtype.kind in 'OSUc':
      raise ValueError(f'metric {name!r} must be one real number, not {array.dtype} of shape {list(array.shape)}')
    fetched[name] = float(array)
  return fetched


def _short(value: float) -> str:
  """Four digits, as many as a progress line has room for."""
  return f'{value:.0f}' if 1000 <= abs(value) < 1e6 else f'{value:.4g}'


def _duration(seconds: float) -> str:
  minutes, seconds = divmod(round(max(seconds, 0)), 60)
  hours, minutes = divmod(minutes, 60)
  return f'{hours}:{minutes:02d}:{seconds:02d}' if hours else f'{minutes}:{seconds:02d}'


def create(
  workdir: str | os.PathLike, *, num_steps: int, batch_size: int, resume_step: int = 0, process_index: int = 0
) -> MetricWriter:
  """The writers of a run: `metrics.jsonl` and `tensorboard/` in its folder, and progress on standard output.

  Args:
    workdir: the run's folder.
    num_steps: where the run ends.
    batch_size: images a step reads, over all processes.
    resume_step: the step at which the run continues; what a killed run wrote of later steps is dropped.
    process_index: only process 0 writes.
  """
  if process_index:
    return MetricWriter()
  workdir = pathlib.Path(workdir)
  return MultiWriter(
    [
      JsonLinesWriter(workdir / 'metrics.jsonl', batch_size=batch_size, resume_step=resume_step),
      TensorBoardWriter(workdir / 'tensorboard', resume_step=resume_step),
      ConsoleWriter(num_steps=num_steps, batch_size=batch_size),
    ]
  )
