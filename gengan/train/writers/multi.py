"""Several writers told at once, and those that every run has."""

import contextlib
import os
import pathlib
from collections.abc import Sequence
from typing import Any

import jax

from gengan.train.writers.console import ConsoleWriter
from gengan.train.writers.interface import MetricWriter, as_floats
from gengan.train.writers.json_lines import JsonLinesWriter
from gengan.train.writers.tensorboard import TensorBoardWriter


class MultiWriter(MetricWriter):
  """Hands everything to several writers; device arrays are fetched once for all."""

  def __init__(self, writers: Sequence[Any]):
    self._writers = tuple(writers)

  def write_summaries(self, step, values, metadata=None):
    self._tell('write_summaries', step, values, metadata)

  def write_scalars(self, step, scalars):
    self._tell('write_scalars', step, as_floats(scalars))

  def write_images(self, step, images):
    self._tell('write_images', step, jax.device_get(dict(images)))

  def write_videos(self, step, videos):
    self._tell('write_videos', step, videos)

  def write_audios(self, step, audios, *, sample_rate):
    self._tell('write_audios', step, audios, sample_rate=sample_rate)

  def write_texts(self, step, texts):
    self._tell('write_texts', step, texts)

  def write_histograms(self, step, arrays, num_buckets=None):
    self._tell('write_histograms', step, jax.device_get(dict(arrays)), num_buckets)

  def write_hparams(self, hparams):
    self._tell('write_hparams', hparams)

  def flush(self):
    self._tell('flush')

  def close(self):
    with contextlib.ExitStack() as stack:  # one that fails does not keep the others open
      for writer in self._writers:
        stack.callback(writer.close)

  def _tell(self, method, *arguments, **settings):
    for writer in self._writers:
      getattr(writer, method)(*arguments, **settings)


def create(
  workdir: str | os.PathLike,
  *,
  num_steps: int,
  batch_size: int,
  resume_step: int = 0,
  process_index: int = 0,
  more: Sequence[Any] = (),
) -> MetricWriter:
  """The writers of a run: `metrics.jsonl` and `tensorboard/` in its folder, and progress on standard output.

  Args:
    workdir: the run's folder.
    num_steps: where the run ends.
    batch_size: images a step reads, over all processes.
    resume_step: the step at which the run continues; what a killed run wrote of later steps is dropped.
    process_index: only process 0 writes.
    more: other writers that are told the same, and closed with these: gengan's, clu's or your own.
  """
  if process_index:
    return MetricWriter()
  workdir = pathlib.Path(workdir)
  return MultiWriter(
    [
      JsonLinesWriter(workdir / 'metrics.jsonl', batch_size=batch_size, resume_step=resume_step),
      TensorBoardWriter(workdir / 'tensorboard', resume_step=resume_step),
      ConsoleWriter(num_steps=num_steps, batch_size=batch_size),
      *more,
    ]
  )
