"""The handwritten digits that scikit-learn carries: an image set that needs no file."""

import numpy as np

from gengan.data.decoding import ranges
from gengan.data.sources.records import Source, array_source


def digits(*, wanted: ranges.Range | None = None) -> Source:
  """All 1,797 of them in one split: 8x8, 17 grey levels (0..16 become 0..255)."""
  from sklearn.datasets import load_digits

  data = load_digits()
  images = np.round(data.images * (255 / 16)).astype(np.uint8)
  labels = data.target.astype(np.int32)
  return array_source('digits', {'train': images}, {'train': labels}, tuple(map(str, range(10))), wanted=wanted)
