"""Kernel distance: against loops over pairs, and its expectation of zero for equal distributions."""

import fractions

import numpy as np
import pytest

from gengan.metrics import kernel

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(23, 5)), RNG.normal(size=(17, 5)) + 0.4


def by_loops(x, y):
  k = lambda a, b: (np.dot(a, b) / len(a) + 1) ** 3
  n, m = len(x), len(y)
  within_x = sum(k(x[i], x[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
  within_y = sum(k(y[i], y[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
  return within_x + within_y - 2 * sum(k(a, b) for a in x for b in y) / (n * m)


@pytest.mark.parametrize('tile', [1, 4, 17, 2048])
def test_equals_loops_over_pairs_whatever_the_tiles(monkeypatch, tile):
  monkeypatch.setattr(kernel, 'TILE', tile)
  distance = kernel.kernel_distance(X, Y)
  assert type(distance) is float
  assert distance == pytest.approx(by_loops(X, Y), rel=1e-11)
  assert kernel.kernel_distance(Y, X) == pytest.approx(distance, rel=1e-11)


def test_float32_features_are_taken_at_their_exact_values():
  x, y = X.astype(np.float32), Y.astype(np.float32)
  assert kernel.kernel_distance(x, y) == pytest.approx(by_loops(x.astype(float), y.astype(float)), rel=1e-11)


@pytest.mark.parametrize('mean', [0.0, 10.0])
def test_large_sets_in_float32_lose_less_than_a_millionth(monkeypatch, mean):
  """At 64 dimensions, against all in float64; the naive formula in float32 is off by 1e-4 at a mean of 10."""
  x, y = ((RNG.normal(size=(600, 64)) + mean + shift).astype(np.float32) for shift in (0, 0.05))
  exact = kernel.kernel_distance(x.astype(float), y.astype(float))
  assert kernel.kernel_distance(x, y) == pytest.approx(exact, rel=1e-11)  # too small a set for float32
  monkeypatch.setattr(kernel, 'LARGE', 600 * 600 * 64)
  monkeypatch.setattr(kernel, 'MANY', 32)
  assert exact != kernel.kernel_distance(x, y) == pytest.approx(exact, rel=1e-6)


@pytest.mark.parametrize('spread', [1.0, 2.0])
def test_few_dimensions_that_dominate_are_multiplied_in_float64(monkeypatch, spread):
  monkeypatch.setattr(kernel, 'LARGE', 1)
  scales = RNG.lognormal(sigma=spread, size=256)
  x, y = ((RNG.normal(size=(300, 256)) * scales + shift).astype(np.float32) for shift in (0, 0.01))
  exact = kernel.kernel_distance(x.astype(float), y.astype(float))
  assert kernel.kernel_distance(x, y) == pytest.approx(exact, rel=1e-11)


def test_by_hand():
  # k(a, b) = (ab + 1)^3 in one dimension: pairs 1*1 -> 8, 0*0 -> 1, 1*0 -> 1.
  assert kernel.kernel_distance([[1.0], [1.0]], [[0.0], [0.0]]) == pytest.approx(8 + 1 - 2 * 1)


def test_unbiased():
  """Over many pairs of sets of one distribution the mean is zero, with values of either sign."""
  values = [kernel.kernel_distance(RNG.normal(size=(20, 3)), RNG.normal(size=(30, 3))) for _ in range(2000)]
  assert min(values) < 0 < max(values)
  assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(len(values))


def test_subsets():
  x, y = RNG.normal(size=(300, 4)), RNG.normal(size=(250, 4)) + 0.5
  everything = kernel.kernel_distance(x, y)
  mean, deviation = kernel.kernel_distance_of_subsets(x, y, subsets=200, subset_size=50)
  assert mean == kernel.kernel_distance(x, y, subsets=200, subset_size=50)
  assert mean == pytest.approx(everything, abs=5 * deviation / np.sqrt(200))
  assert 0 < deviation < everything
  assert mean != kernel.kernel_distance(x, y, subsets=200, subset_size=50, seed=1)
  # As large as the sets, a subset is the whole set.
  assert kernel.kernel_distance(x[:250], y, subsets=2) == pytest.approx(kernel.kernel_distance(x[:250], y), rel=1e-11)
  assert kernel.kernel_distance(x, y, subset_size=50) == kernel.kernel_distance(x, y, subsets=100, subset_size=50)


@pytest.mark.parametrize(
  ('x', 'y', 'options', 'message'),
  [
    (X[:1], Y, {}, 'x: 1 rows are too few'),
    (X, Y[:, 1:], {}, 'x has 5 dimensions and y 4'),
    (X, np.full_like(Y, np.nan), {}, 'y holds values that are NaN'),
    (X[0], Y, {}, r'x must be features \[N, D\]'),
    (X, Y, {'subset_size': 18}, 'subset_size is 18, but there are 17'),
    (X, Y, {'subset_size': 1}, 'subset_size is 1'),
    (X, Y, {'subsets': 0}, 'subsets is 0'),
    (X, Y, {'subsets': 2.5}, 'subsets is 2.5'),
    (X.astype(complex), Y, {}, 'real numbers'),
  ],
)
def test_refuses(x, y, options, message):
  with pytest.raises(ValueError, match=message):
    kernel.kernel_distance(x, y, **options)


@pytest.mark.parametrize('offset, scale', [(0, 1), (1e3, 1), (1e6, 1), (-1e7, 1), (0, 1e-6), (0, 1e-20)])
def test_neither_an_offset_nor_a_small_scale_drowns_the_distance(offset, scale):
  """Against exact arithmetic: plain float64 has lost every digit at an offset of 1e7."""
  rng = np.random.default_rng(3)
  x, y = offset + scale * rng.normal(size=(12, 4)), offset + scale * (rng.normal(size=(9, 4)) + 0.3)

  def mean(a, b, *, same):
    a, b = ([[fractions.Fraction(value) for value in row] for row in rows.tolist()] for rows in (a, b))
    values = [
      (sum(p * q for p, q in zip(u, v, strict=True)) / 4 + 1) ** 3
      for i, u in enumerate(a)
      for j, v in enumerate(b)
      if not (same and i == j)
    ]
    return sum(values) / len(values)

  exact = mean(x, x, same=True) + mean(y, y, same=True) - 2 * mean(x, y, same=False)
  assert kernel.kernel_distance(x, y) == pytest.approx(float(exact), rel=1e-8)
