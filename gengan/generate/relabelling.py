"""Labels that a classifier finds in generated images, in place of those that the generator was asked for."""

import numpy as np

from gengan.generate.filters import Classifier

BLOCK = 256  # images that are judged at once


def relabelled(classifier: Classifier, images: np.ndarray, *, num_classes: int) -> np.ndarray:
  """The most probable class of every image, int32 [N]: pseudo-labels (Lee 2013).

  Some images show another class than the generator was asked for, or something between two. `filters.confidence` drops
  them, and then no images are left near the border of two classes. Kept with the label that a classifier of real images
  gives them, they show where that classifier draws the border.

  Args:
    classifier: the judge.
    images: uint8 [N, H, W, C].
    num_classes: K.

  Raises:
    ValueError: the classifier gives no finite probabilities of K classes.
  """
  labels = np.empty(len(images), np.int32)
  for start in range(0, len(images), BLOCK):
    block = images[start : start + BLOCK]
    probabilities = np.asarray(classifier(block.astype(np.float32) / 127.5 - 1))
    if probabilities.shape != (len(block), num_classes):
      raise ValueError(
        f'the classifier gave {list(probabilities.shape)} for {len(block)} images of {num_classes} classes'
      )
    if not np.isfinite(probabilities).all():
      raise ValueError('the classifier gave probabilities that are not finite')
    labels[start : start + BLOCK] = probabilities.argmax(axis=1)
  return labels
