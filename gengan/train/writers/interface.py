"""What every writer of metrics can be asked: the methods of `clu.metric_writers.MetricWriter`, argument for argument.

A writer of clu's therefore stands beside gengan's own, `train.run(config, workdir, writers=[...])`, and the other way
round. clu itself is not imported, because its package imports TensorFlow.
"""

from collections.abc import Mapping
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

  def write_histograms(
    self, step: int, arrays: Mapping[str, Any], num_buckets: Mapping[str, int] | None = None
  ) -> None: ...

  def write_hparams(self, hparams: Mapping[str, Any]) -> None: ...

  def flush(self) -> None: ...

  def close(self) -> None: ...

  def __enter__(self):
    return self

  def __exit__(self, *_):
    self.close()


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
