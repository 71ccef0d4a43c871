"""Modes: how many of the classes there are among the samples, and in what shares."""

import numpy as np

from gengan.metrics.family import OWN_CLASSES, Family, Images, Inputs, Meaning, Scores

NAMES = {
  'modes': Meaning('higher', 'classes of the training images that are among the samples'),
  'modes_kl': Meaning('lower', "KL of the classes' shares, samples to training images, in nats"),
}


def found(classes: np.ndarray, expected: np.ndarray) -> tuple[int, float]:
  """How many of the expected classes occur, and how far the shares of all are from the expected ones.

  The distance is KL(samples || expected) = sum p log(p / q) over the classes, in nats; where q is 0 it is infinite.
  Over 1,000 classes, and with 26,000 samples, it is the measure of Stacked-MNIST (Metz et al. 2017; Lin et al. 2018).

  Args:
    classes: of the samples, integers [N].
    expected: shares of the classes [K], 1 in all.

  Raises:
    ValueError: no samples, or shares that are negative or not 1 in all.
  """
  if not len(classes):
    raise ValueError('classes is empty; at least 1 sample is needed')
  if (expected < 0).any() or not np.isclose(expected.sum(), 1.0):
    raise ValueError(f'expected must be shares of 1 in all, not {expected.sum():g}')
  shares = np.bincount(classes, minlength=len(expected)) / len(classes)
  there = shares > 0
  with np.errstate(divide='ignore'):
    distance = float(np.sum(shares[there] * np.log(shares[there] / expected[there])))
  return int(np.sum(there & (expected > 0))), distance


def scores(inputs: Inputs) -> Scores:
  """`modes` and `modes_kl`: every sample counts for its most probable class, expected are the training labels."""
  labels = inputs.train.labels
  expected = np.bincount(labels, minlength=inputs.generated.logits.shape[1]) / len(labels)
  of_samples, of_real = (
    dict(zip(NAMES, found(each.logits.argmax(axis=1), expected), strict=True))
    for each in (inputs.generated, inputs.real)
  )
  return Scores({name: float(value) for name, value in of_samples.items()}, real=of_real)


FAMILY = Family(
  scores,
  NAMES,
  needs=(OWN_CLASSES,),
  images=Images('all', least=1, enough=2000, few='classes of a thousandth would be missed by chance'),
  by_network=False,
)
