"""Inception score: by hand, by its definition and in parts."""

import tracemalloc

import numpy as np
import pytest

from gengan.metrics.inception_score import inception_score

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


def by_the_published_cut(probs, splits):
  """The loop of the authors' code, whose parts differ by one row at other places than equal parts would."""
  scores = []
  for i in range(splits):
    part = probs[i * len(probs) // splits : (i + 1) * len(probs) // splits]
    scores.append(by_definition(part))
  return np.mean(scores), np.std(scores)


@pytest.mark.parametrize(('rows', 'splits'), [(1003, 10), (11, 4), (7, 7), (99, 98)])
def test_parts_that_do_not_divide(rows, splits):
  probs = RNG.dirichlet(np.full(6, 0.3), size=rows)
  mean, deviation = by_the_published_cut(probs, splits)
  assert inception_score(probs, splits=splits) == (pytest.approx(mean, rel=1e-12), pytest.approx(deviation, rel=1e-9))


def test_equals_torch_fidelity():
  """`isc_features_to_metric` of torch-fidelity 0.4.0, in ten parts without shuffling."""
  logits = np.random.default_rng(5).normal(size=(1003, 20)) * 2
  probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
  expected = (pytest.approx(3.243204465149136, rel=1e-12), pytest.approx(0.10480757918898, rel=1e-9))
  assert inception_score(probs, splits=10) == expected


@pytest.mark.parametrize('splits', [1, 3])
def test_many_rows_are_scored_a_part_at_a_time(splits):
  probs = RNG.dirichlet(np.full(200, 0.1), size=20_000).astype(np.float32)
  tracemalloc.start()
  try:
    score, _ = inception_score(probs, splits=splits)
    peak = tracemalloc.get_traced_memory()[1]
  finally:
    tracemalloc.stop()
  assert peak < probs.nbytes / 2
  parts = [probs[i * 20_000 // splits : (i + 1) * 20_000 // splits].astype(np.float64) for i in range(splits)]
  naive = [np.exp(np.mean(np.sum(p * np.log((p + 1e-300) / p.mean(axis=0)), axis=1))) for p in parts]
  assert score == pytest.approx(np.mean(naive), rel=1e-10)


@pytest.mark.parametrize(
  ('probs', 'splits', 'message'),
  [
    ([[0.5, 0.6]], 1, 'a row that sums to 1.1'),
    ([[1.5, -0.5]], 1, 'negative value, -0.5'),
    ([[np.nan, 1.0]], 1, 'NaN'),
    ([0.5, 0.5], 1, r'\[N, D\]'),
    ([[0.5, 0.5]], 2, '1 rows are too few, at least 2'),
    ([[0.5, 0.5]], 0, 'splits is 0'),
    ([[0.5, 0.5]], None, 'splits is None'),
    (np.zeros((0, 3)), 1, '0 rows are too few'),
  ],
)
def test_refuses_what_is_no_probability(probs, splits, message):
  with pytest.raises(ValueError, match=message):
    inception_score(np.array(probs), splits=splits)
