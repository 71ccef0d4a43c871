"""Inception score: by hand, by its definition and in parts."""

import numpy as np
import pytest

from gengan.evaluators.inception_score import inception_score

RNG = np.random.default_rng(0)


def by_definition(probs):
  marginal = probs.mean(axis=0)
  return np.exp(np.mean([sum(p * np.log(p / m) for p, m in zip(row, marginal, strict=True) if p) for row in probs]))


def test_from_one_to_the_number_of_classes():
  assert inception_score(np.full((7, 4), 0.25)) == (pytest.approx(1), 0)
  assert inception_score(np.eye(4)[[0, 0, 0]]) == (pytest.approx(1), 0)  # sure, but all of one class
  assert inception_score(np.eye(4)[np.arange(8) % 4]) == (pytest.approx(4), 0)


@pytest.mark.parametrize('dtype', [np.float32, np.float64])
def test_equals_its_definition(dtype):
  probs = RNG.dirichlet(np.full(6, 0.3), size=50).astype(dtype)
  score, deviation = inception_score(probs)
  assert type(score) is type(deviation) is float
  assert score == pytest.approx(by_definition(probs.astype(float)), rel=1e-6)


def test_parts():
  probs = RNG.dirichlet(np.full(6, 0.3), size=50)
  scores = [by_definition(part) for part in probs.reshape(5, 10, 6)]
  assert inception_score(probs, splits=5) == (pytest.approx(np.mean(scores)), pytest.approx(np.std(scores)))
  assert inception_score(probs, splits=5)[0] < inception_score(probs)[0]


@pytest.mark.parametrize(
  ('probs', 'splits', 'message'),
  [
    ([[0.5, 0.6]], 1, 'a row that sums to 1.1'),
    ([[1.5, -0.5]], 1, 'negative value, -0.5'),
    ([[np.nan, 1.0]], 1, 'NaN'),
    ([0.5, 0.5], 1, r'\[N, D\]'),
    ([[0.5, 0.5]], 2, '1 rows are too few, at least 2'),
    ([[0.5, 0.5]], 0, 'splits is 0'),
    (np.zeros((0, 3)), 1, '0 rows are too few'),
  ],
)
def test_refuses_what_is_no_probability(probs, splits, message):
  with pytest.raises(ValueError, match=message):
    inception_score(np.array(probs), splits=splits)
