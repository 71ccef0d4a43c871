"""Label consistency: are samples taken for the class that was asked for?"""

import numpy as np

from gengan.metrics.family import CONDITIONAL, OWN_CLASSES, Family, Inputs, Meaning, Scores
from gengan.metrics.features import Features


def class_accuracies(features: Features) -> list[float]:
  """Share of images whose most probable class is their label, one value a class, in [0, 1].

  Raises:
    ValueError: a class without an image.
  """
  right = features.logits.argmax(axis=1) == features.labels
  return accuracies_by_class(right, features.labels, features.logits.shape[1])


def accuracies_by_class(right: np.ndarray, labels: np.ndarray, num_classes: int) -> list[float]:
  """Share of right answers [N] (bool) within every class of labels [N].

  Raises:
    ValueError: a class without an image.
  """
  counts = np.bincount(labels, minlength=num_classes)
  if not counts.all():
    raise ValueError(f'there is no image of class {int(counts.argmin())} to judge; it takes some of every class')
  return (np.bincount(labels, weights=right, minlength=num_classes) / counts).tolist()


def scores(inputs: Inputs) -> Scores:
  """`label_consistency`, a mean over classes, its worst class, and that of held-out real images."""
  per_class = class_accuracies(inputs.generated)
  values = {
    'label_consistency': float(np.mean(per_class)),
    'label_consistency_worst_class': min(per_class),
    'label_consistency_real': float(np.mean(class_accuracies(inputs.real))),
  }
  return Scores(values, by_class={'label_consistency': per_class})


FAMILY = Family(
  scores,
  {
    'label_consistency': Meaning('higher', 'share of samples that a classifier takes for the class that was asked for'),
    'label_consistency_worst_class': Meaning('higher', 'the same of the worst class'),
    'label_consistency_real': Meaning('', 'the same of held-out real images: what the classifier itself is worth'),
  },
  needs=(CONDITIONAL, OWN_CLASSES),
)
