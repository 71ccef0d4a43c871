"""The handwritten digits that scikit-learn carries: an image set that needs no file."""

import numpy as np

from gengan.data.sources import Source, array_records, sha256_arrays


def digits() -> Source:
  """All 1,797 of them in one split: 8x8, 17 grey levels (0..16 become 0..255)."""
  from sklearn.datasets import load_digits

  data = load_digits()
  images = np.round(data.images * (255 / 16)).astype(np.uint8)
  labels = data.target.astype(np.int32)
  return Source(
    spec='digits',
    splits={'train': array_records('train', images, labels)},
    class_names=tuple(str(i) for i in range(10)),
    sha256=sha256_arrays([images, labels]),
  )
