"""Inception score: are samples classified surely, and into many classes?"""

import numpy as np

from gengan.evaluators import checks


def inception_score(probs: np.ndarray, *, splits: int = 1) -> tuple[float, float]:
  """exp(mean_n KL(p(y | x_n) || p(y))), with p(y) the mean of p(y | x_n) (Salimans et al. 2016, section 4).

  Args:
    probs: [N, K] class probabilities of generated samples, in random order where there are several splits.
    splits: into how many equal parts they are cut. Publications have used 1 and 10, which differ: a part has fewer
      samples, so its p(y) is nearer to each of them and its score is lower.

  Returns:
    Mean and standard deviation of the scores of the parts, each score between 1 and K; the deviation of one is 0.

  Raises:
    ValueError: another shape, rows that are no probabilities, or fewer rows than splits.
  """
  checks.count(splits, 'splits')
  probs = checks.features(probs, 'probs', at_least=splits).astype(np.float64)
  if probs.min() < 0:
    raise ValueError(f'probs holds a negative value, {probs.min():g}')
  totals = probs.sum(axis=1)
  worst = totals[np.argmax(np.abs(totals - 1))]
  if abs(worst - 1) > 1e-3:
    raise ValueError(f'probs holds a row that sums to {worst:g}; probabilities sum to 1')
  scores = [np.exp(_information(part)) for part in np.array_split(probs, splits)]
  return float(np.mean(scores)), float(np.std(scores))


def _information(probs: np.ndarray) -> float:
  """Mutual information of sample and class in nats: the entropy of the mean minus the mean entropy."""
  return _entropy(probs.mean(axis=0)) - _entropy(probs) / len(probs)


def _entropy(probs: np.ndarray) -> float:
  """-sum p log p over everything, with 0 log 0 = 0."""
  return -np.sum(probs * np.log(np.where(probs > 0, probs, 1.0)))
