"""Where the numbers, pictures and texts of a run go."""

import os
import pathlib
from collections.abc import Sequence
from typing import Any

import jax

from gengan.train.writers.console import ConsoleWriter as ConsoleWriter
from gengan.train.writers.files import JsonLinesWriter as JsonLinesWriter
from gengan.train.writers.files import TensorBoardWriter as TensorBoardWriter
from gengan.train.writers.interface import MetricWriter as MetricWriter
from gengan.train.writers.interface import MultiWriter as MultiWriter
from gengan.train.writers.interface import as_floats as as_floats


def create(
  workdir: str | os.PathLike,
  *,
  num_steps: int,
  batch_size: int,
  resume_step: int = 0,
  process_index: int | None = None,
  console: Any = None,
  more: Sequence[Any] = (),
) -> MetricWriter:
  """The writers of a run: `metrics.jsonl` and `tensorboard/` in its folder, and progress on standard output.

  A run that continues at `resume_step` drops what a killed one wrote of later steps. A step reads `batch_size` images,
  over all processes, of which only the one with `process_index` 0 writes (None: if it is this). `console` stands in for
  the progress on standard output. `more` are other writers, gengan's, clu's or your own, that are told the same and
  closed with these.
  """
  if jax.process_index() if process_index is None else process_index:
    return MetricWriter()
  workdir = pathlib.Path(workdir)
  lines = JsonLinesWriter(workdir / 'metrics.jsonl', batch_size=batch_size, resume_step=resume_step)
  events = TensorBoardWriter(workdir / 'tensorboard', resume_step=resume_step)
  console = console or ConsoleWriter(num_steps=num_steps, batch_size=batch_size)
  return MultiWriter([lines, events, console, *more])
