"""What every writer of metrics can be asked: the methods of `clu.metric_writers.MetricWriter`, argument for argument.

A writer of clu's therefore stands beside gengan's own, `train.run(config, workdir, writers=[...])`, and the other way
round. clu itself is not imported, because its package imports TensorFlow.
"""

import contextlib
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np


class MetricWriter:
  """Takes everything and writes nothing; a writer overrides what it writes.

  Steps are train steps done. A scalar is a number or a 0-d array; images are [H, W, C] or [N, H, W, C] (shown as one
  grid), uint8 or float in [-1, 1]. Anything else raises ValueError. Training itself reports scalars, images, texts and,
  once, hyperparameters.
  """

  def write_summaries(self, step: int, values: Mapping[str, Any], metadata: Any = None) -> None: ...
  def write_scalars(self, step: int, scalars: Mapping[str, Any]) -> None: ...
  def write_images(self, step: int, images: Mapping[str, Any]) -> None: ...
  def write_videos(self, step: int, videos: Mapping[str, Any]) -> None: ...
  def write_audios(self, step: int, audios: Mapping[str, Any], *, sample_rate: int) -> None: ...
  def write_texts(self, step: int, texts: Mapping[str, str]) -> None: ...
  def write_histograms(self, step: int, arrays: Mapping[str, Any], num_buckets: Mapping | None = None) -> None: ...
  def write_hparams(self, hparams: Mapping[str, Any]) -> None: ...
  def flush(self) -> None: ...
  def close(self) -> None: ...

  def __enter__(self):
    return self

  def __exit__(self, *_):
    self.close()


def _told(method: Callable) -> Callable:
  """The same method, asked of each of several writers, with arrays that have been fetched from their devices."""

  @functools.wraps(method)
  def tell(self, *arguments, **settings):
    fetch = lambda leaf: np.asarray(leaf) if isinstance(leaf, jax.Array) else leaf
    arguments, settings = jax.tree.map(fetch, (arguments, settings))
    for writer in self._writers:
      getattr(writer, method.__name__)(*arguments, **settings)

  return tell


class MultiWriter(MetricWriter):
  """Hands everything to several writers; device arrays are fetched once for all."""

  def __init__(self, writers: Sequence[Any]):
    self._writers = tuple(writers)

  write_summaries = _told(MetricWriter.write_summaries)
  write_images = _told(MetricWriter.write_images)
  write_videos = _told(MetricWriter.write_videos)
  write_audios = _told(MetricWriter.write_audios)
  write_texts = _told(MetricWriter.write_texts)
  write_histograms = _told(MetricWriter.write_histograms)
  write_hparams = _told(MetricWriter.write_hparams)
  flush = _told(MetricWriter.flush)
  _write_floats = _told(MetricWriter.write_scalars)

  def write_scalars(self, step, scalars):
    self._write_floats(step, as_floats(scalars))

  def close(self):
    with contextlib.ExitStack() as stack:  # one that fails does not keep the others open
      for writer in self._writers:
        stack.callback(writer.close)


def as_floats(scalars: Mapping[str, Any]) -> dict[str, float]:
  """Numbers and 0-d arrays as Python floats, fetched from the device at once.

  Raises:
    ValueError: a value that is no scalar, or no number.
  """
  fetched = {name: np.asarray(value) for name, value in jax.device_get(dict(scalars)).items()}
  for name, array in fetched.items():
    if array.shape != () or array.dtype.kind in 'OSUc':
      raise ValueError(f'metric {name!r} must be one real number, not {array.dtype} of shape {list(array.shape)}')
  return {name: float(array) for name, array in fetched.items()}
