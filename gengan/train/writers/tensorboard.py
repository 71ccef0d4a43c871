"""Event files for TensorBoard, written without TensorFlow."""

import os

import numpy as np
import tensorboardX
from tensorboardX.summary import hparams as hparams_summaries

from gengan.data import images as pictures
from gengan.train.writers.interface import MetricWriter, as_floats


class TensorBoardWriter(MetricWriter):
  """Event files that TensorBoard reads: scalars, images, texts, histograms and hyperparameters.

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

  def write_histograms(self, step, arrays, num_buckets=None):
    for name, array in arrays.items():
      self._writer.add_histogram(name, np.asarray(array), step, bins=(num_buckets or {}).get(name, 'tensorflow'))

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
