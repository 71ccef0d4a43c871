"""Label consistency: are samples taken for the class that was asked for?"""

import numpy as np

from gengan.metrics.family import CONDITIONAL, OWN_CLASSES, Family, Images, Inputs, Meaning, Scores
from gengan.metrics.features import Features


def class_accuracies(features: Features) -> dict[int, float]:
  """Share of images whose most probable class is their label, by label, in [0, 1]."""
  return accuracies_by_class(features.logits.argmax(axis=1) == features.labels, features.labels)


def accuracies_by_class(right: np.ndarray, labels: np.ndarray) -> dict[int, float]:
  """Share of right answers [N] (bool) within every class that is among the labels [N]."""
  return {int(label): float(right[labels == label].mean()) for label in np.unique(labels)}


def scores(inputs: Inputs) -> Scores:
  """`label_consistency`, a mean over classes, its worst class, and that of held-out real images.

  Classes of which there is no sample, or no held-out image, are left out of the one mean or of the other.
  """
  per_class, real = class_accuracies(inputs.generated), class_accuracies(inputs.real)
  of_real = float(np.mean(list(real.values())))
  values = {
    'label_consistency': float(np.mean(list(per_class.values()))),
    'label_consistency_worst_class': min(per_class.values()),
    'label_consistency_real': of_real,
  }
  return Scores(
    values,
    by_class={'label_consistency': per_class, 'label_consistency_real': real},
    real={'label_consistency': of_real, 'label_consistency_worst_class': min(real.values())},
    left_out=dict.fromkeys(real.keys() - per_class.keys(), 'no sample')
    | dict.fromkeys(per_class.keys() - real.keys(), 'no held-out image, so it is not in label_consistency_real'),
  )


FAMILY = Family(
  scores,
  {
    'label_consistency': Meaning('higher', 'share of samples that a classifier takes for the class that was asked for'),
    'label_consistency_worst_class': Meaning('higher', 'the same of the worst class'),
    'label_consistency_real': Meaning('', 'the same of held-out real images: what the classifier itself is worth'),
  },
  needs=(CONDITIONAL, OWN_CLASSES),
  images=Images('all', of_class=1, enough=20, few='an accuracy over so few of a class moves by ten percent by chance'),
  by_network=False,
)
