"""Inception score: are samples classified surely, and into many classes?"""

import itertools

import numpy as np
from scipy.special import entr

from gengan.metrics import checks
from gengan.metrics.family import CLASSES, Family, Images, Inputs, Meaning, Scores

ROWS = 1024  # in float64 at a time
SPLITS, SPLIT_ROWS = 10, 500  # published are 10 of 5,000


def inception_score(probs: np.ndarray, *, splits: int = 1) -> tuple[float, float]:
  """exp(mean_n KL(p(y | x_n) || p(y))), with p(y) the mean of p(y | x_n) (Salimans et al. 2016, section 4).

  Args:
    probs: [N, K] class probabilities of generated samples, in random order where there are several splits.
    splits: into how many parts they are cut; part i is the rows from i N // splits to (i + 1) N // splits, as in the
      authors' code. Publications have used 1 and 10, which differ: a part has fewer samples, so its p(y) is nearer to
      each of them and its score is lower.

  Returns:
    Mean and standard deviation of the scores of the parts, each score between 1 and K; the deviation of one is 0.

  Raises:
    ValueError: rows that are no probabilities, or fewer than splits.

  Examples:
    >>> inception_score([[1.0, 0.0], [0.0, 1.0]])  # two sure answers, two classes
    (2.0, 0.0)
  """
  splits = checks.count(splits, 'splits')
  probs = checks.features(probs, 'probs', at_least=splits)
  if probs.min() < 0:
    raise ValueError(f'probs holds a negative value, {probs.min():g}')
  totals = probs.sum(axis=1, dtype=np.float64)
  worst = totals[np.argmax(np.abs(totals - 1))]
  if abs(worst - 1) > 1e-3:
    raise ValueError(f'probs holds a row that sums to {worst:g}; probabilities sum to 1')
  ends = [part * len(probs) // splits for part in range(splits + 1)]
  scores = [np.exp(_information(probs[start:stop])) for start, stop in itertools.pairwise(ends)]
  return float(np.mean(scores)), float(np.std(scores))


def _information(probs: np.ndarray) -> float:
  """Mutual information of sample and class in nats: the entropy of the mean minus the mean entropy."""
  parts = (probs[start : start + ROWS].astype(np.float64) for start in range(0, len(probs), ROWS))
  return entr(probs.mean(axis=0, dtype=np.float64)).sum() - sum(entr(part).sum() for part in parts) / len(probs)


def scores(inputs: Inputs) -> Scores:
  """`is_<network>` over all samples at once, and `is_10_splits_<network>`, unless splits would be small.

  Publications have used both; see `inception_score`.
  """
  probabilities, name = inputs.generated.probabilities, inputs.network.name
  values = {f'is_{name}': inception_score(probabilities)[0]}
  if len(probabilities) >= SPLITS * SPLIT_ROWS:
    values[f'is_{SPLITS}_splits_{name}'] = inception_score(probabilities, splits=SPLITS)[0]
  return Scores(values)


FAMILY = Family(
  scores,
  {'is_': Meaning('higher', 'inception score by the classes of this network')},
  needs=(CLASSES,),
  images=Images(
    'samples', enough=SPLITS * SPLIT_ROWS, few='published inception scores are of 50,000, and fewer score lower'
  ),
  reference=True,
)
