"""Writers of metrics into a run's folder: lines of JSON, and event files for TensorBoard without TensorFlow."""

import contextlib
import json
import math
import os
import pathlib
import time

import numpy as np
import tensorboardX
from tensorboardX.summary import hparams as hparams_summaries

from gengan.data import images as pictures
from gengan.data.names import printable
from gengan.host import files
from gengan.train.writers.interface import MetricWriter, as_floats


class JsonLinesWriter(MetricWriter):
  """Scalars, one JSON object a line: {"step": 200, "kimg": 12.8, "time": 1790000000.0, "d_loss": 1.31, ...}.

  `time` is in seconds since 1970. Values that JSON has no number for are the strings "NaN", "Infinity" and
  "-Infinity" (as in protobuf's JSON mapping), which Python's `float` reads. Two calls for one step, as when training
  and evaluation report, make two lines. A killed run leaves all lines that it reported.

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
      files.write_text(path, ''.join(_lines_until(path, resume_step)) if resume_step else '')
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
  """Event files that TensorBoard reads: scalars, images, texts, histograms and hyperparameters.

  Args:
    directory: the folder for event files; a continued run adds a file.
    resume_step: TensorBoard hides what an earlier file holds of later steps (0: of any step).
  """

  def __init__(self, directory: str | os.PathLike, *, resume_step: int = 0):
    purge_step = resume_step + 1 if resume_step else 0
    # A file is named by the second: without a suffix, a run continued within one would write over its first file.
    suffix = f'.{resume_step:010d}'
    self._writer = tensorboardX.SummaryWriter(
      os.fspath(directory), purge_step=purge_step, flush_secs=10, filename_suffix=suffix
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

  def write_histograms(self, step, arrays, num_buckets=None):
    for name, array in arrays.items():
      self._writer.add_histogram(name, np.asarray(array), step, bins=(num_buckets or {}).get(name, 'tensorflow'))

  def write_hparams(self, hparams):
    plain = {
      name: value if isinstance(value, (bool, int, float)) else printable(str(value)) for name, value in hparams.items()
    }
    for summary in hparams_summaries(plain, {})[:2]:  # what the experiment varies, and this run's values
      self._writer.file_writer.add_summary(summary)

  def flush(self):
    self._writer.flush()

  def close(self):
    self._writer.close()
