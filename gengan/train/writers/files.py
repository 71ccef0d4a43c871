"""Writers of metrics into a run's folder: lines of JSON, and event files for TensorBoard without TensorFlow."""

import contextlib
import errno
import json
import math
import os
import pathlib
import socket
import struct
import time

import numpy as np
from tensorboardX import summary
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.record_writer import masked_crc32c

from gengan.data import images as pictures
from gengan.host import errors, files
from gengan.host.names import printable
from gengan.host.regular import require_file
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
    self._path = path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
      require_file(path, 'the metrics')
    lines = _lines_until(path, resume_step) if path.exists() and resume_step else []
    if path.exists():
      files.write_text(path, ''.join(lines))
    # Killed between a line and its checkpoint's scores, a run measures the same again.
    self._known = [content for line in lines if (content := json.loads(line))['step'] == resume_step]
    self._file = open(path, 'a', encoding='utf-8')  # noqa: SIM115
    self._batch_size = batch_size

  def write_scalars(self, step, scalars):
    head = {'step': int(step), 'kimg': round(int(step) * self._batch_size / 1000, 6), 'time': round(time.time(), 3)}
    scalars = as_floats(scalars)
    if taken := head.keys() & scalars.keys():
      raise ValueError(f'a metric cannot be named {", ".join(sorted(taken))}: every line has its own')
    values = {name: value if math.isfinite(value) else json.dumps(value) for name, value in scalars.items()}
    if not os.fstat(self._file.fileno()).st_nlink:
      raise FileNotFoundError(errno.ENOENT, 'it was deleted while it was written', os.fspath(self._path))
    line = {**head, **values}
    if any(known | {'time': line['time']} == line for known in self._known):
      return
    with errors.about(self._path):
      self._file.write(json.dumps(line, allow_nan=False) + '\n')
      self._file.flush()

  def close(self):
    with errors.about(self._path):
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

  What is written comes to the disk within 10 seconds, as far as something is written then. tensorboardX has a writer of
  its own, but with a thread and a queue: where a full disk ends that thread, whoever fills the queue waits for ever.

  Args:
    directory: the folder for event files; a continued run adds a file.
    resume_step: TensorBoard hides what an earlier file holds of later steps (0: of any step).
  """

  def __init__(self, directory: str | os.PathLike, *, resume_step: int = 0):
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    # A file is named by the second: without a suffix, a run continued within one would write over its first file.
    name = f'events.out.tfevents.{int(time.time())}.{socket.gethostname()}.{resume_step:010d}'
    self._path, self._flushed = directory / name, time.monotonic()
    self._file = self._path.open('wb')
    purge_step = resume_step + 1 if resume_step else 0
    self._add(purge_step, file_version='brain.Event:2')
    self._add(purge_step, session_log=SessionLog(status=SessionLog.START))

  def write_scalars(self, step, scalars):
    for name, value in as_floats(scalars).items():
      self._add(step, summary=summary.scalar(name, value))

  def write_images(self, step, images):
    for name, image in images.items():
      self._add(step, summary=summary.image(name, pictures.as_picture(image), dataformats='HWC'))

  def write_texts(self, step, texts):
    for name, text in texts.items():
      self._add(step, summary=summary.text(name, text.encode('utf-8', 'backslashreplace').decode()))

  def write_histograms(self, step, arrays, num_buckets=None):
    for name, array in arrays.items():
      self._add(step, summary=summary.histogram(name, np.asarray(array), (num_buckets or {}).get(name, 30)))

  def write_hparams(self, hparams):
    plain = {
      name: value if isinstance(value, (bool, int, float)) else printable(str(value)) for name, value in hparams.items()
    }
    for what in summary.hparams(plain, {})[:2]:  # what the experiment varies, and this run's values
      self._add(0, summary=what)

  def flush(self):
    with errors.about(self._path):
      self._file.flush()
    self._flushed = time.monotonic()

  def close(self):
    with errors.about(self._path):
      self._file.close()

  def _add(self, step: int, **content) -> None:
    event = Event(wall_time=time.time(), step=int(step), **content).SerializeToString()
    length = struct.pack('<Q', len(event))
    with errors.about(self._path):
      for part in (length, event):  # each with its checksum, as in a TFRecord
        self._file.write(part + struct.pack('<I', masked_crc32c(part)))
    if time.monotonic() - self._flushed > 10:
      self.flush()
