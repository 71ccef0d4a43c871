"""Frechet distance: against the square root of a matrix, against results by hand."""

import warnings

import numpy as np
import pytest
from scipy.linalg import sqrtm

from gengan import metrics
from gengan.metrics import frechet
from gengan.metrics.checks import FewSamplesWarning

RNG = np.random.default_rng(0)


def features(rows, dimensions=6, shift=0.0):
  return RNG.normal(size=(rows, dimensions)) @ RNG.normal(size=(dimensions, dimensions)) + shift


def by_root(x, y):
  s1, s2 = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
  root = sqrtm(s1 @ s2).real
  return np.sum((x.mean(axis=0) - y.mean(axis=0)) ** 2) + np.trace(s1 + s2 - 2 * root)


@pytest.fixture(autouse=True)
def few_samples_will_do():
  with warnings.catch_warnings():
    warnings.simplefilter('ignore', FewSamplesWarning)
    yield


def test_by_hand():
  assert frechet.frechet_distance([0.0], [[4.0]], [3.0], [[1.0]]) == pytest.approx(9 + (2 - 1) ** 2)
  # Diagonal covariances: sum of (difference of means)^2 + (difference of standard deviations)^2.
  distance = frechet.frechet_distance([0, 0], np.diag([1, 9]), [1, 2], np.diag([4, 0]))
  assert type(distance) is float
  assert distance == pytest.approx(1 + 4 + 1 + 9)


def test_the_toy_example_of_compare_gan():
  real, fake = np.ones((100, 2)), np.full((100, 2), 9.0)
  real[:50, 0] = fake[50:, 0] = 2
  assert frechet.frechet_distance_of_features(real, fake) == pytest.approx(89.0909, abs=1e-4)


@pytest.mark.parametrize('dimensions', [1, 6, 40])
@pytest.mark.parametrize('dtype', [np.float32, np.float64])
def test_equals_the_trace_of_the_matrix_root(dimensions, dtype):
  x, y = features(200, dimensions).astype(dtype), features(90, dimensions, 0.3).astype(dtype)
  x, y = np.atleast_2d(x), np.atleast_2d(y)
  expected = by_root(x.astype(float), y.astype(float)) if dimensions > 1 else None
  if dimensions == 1:
    x64, y64 = x.astype(float), y.astype(float)
    expected = (x64.mean() - y64.mean()) ** 2 + (x64.std(ddof=1) - y64.std(ddof=1)) ** 2
  assert frechet.frechet_distance_of_features(x, y) == pytest.approx(expected, rel=1e-9)
  a, b = metrics.moments(x), metrics.moments(y)
  assert frechet.frechet_distance_of_moments(a, b) == pytest.approx(expected, rel=1e-9)
  assert frechet.frechet_distance(a.mean, a.covariance, b.mean, b.covariance) == pytest.approx(expected, rel=1e-9)


def test_singular_covariances_need_no_special_case():
  x, y = features(8, 30), features(12, 30, 1.0)  # fewer samples than dimensions
  thin = frechet.frechet_distance_of_features(x, y)
  a, b = metrics.moments(x), metrics.moments(y)
  # Tr (S1 S2)^(1/2) as the nuclear norm of the product of the centred samples, without any covariance.
  centred = [(each - each.mean(axis=0)) / np.sqrt(len(each) - 1) for each in (x, y)]
  root = np.linalg.norm(centred[0] @ centred[1].T, 'nuc')
  expected = np.sum((a.mean - b.mean) ** 2) + sum(np.sum(each**2) for each in centred) - 2 * root
  assert thin == pytest.approx(expected, rel=1e-12)
  assert frechet.frechet_distance_of_moments(a, b) == pytest.approx(expected, rel=1e-6)
  dead = np.zeros((3, 3))
  assert frechet.frechet_distance(np.zeros(3), dead, np.ones(3), np.eye(3)) == pytest.approx(3 + 3)
  assert frechet.frechet_distance(np.zeros(3), dead, np.zeros(3), dead) == 0


def rotated(spectrum):
  rotation, _ = np.linalg.qr(np.random.default_rng(4).normal(size=(len(spectrum),) * 2))
  return rotation * spectrum @ rotation.T


@pytest.mark.parametrize('turn', [np.diag, rotated], ids=['diagonal', 'rotated'])
@pytest.mark.parametrize(
  ('spectrum', 'dtype'),
  [
    ([1e6, 1, -0.5], np.float64),
    ([1e6, 1, -1e-3], np.float64),
    ([1e6, 1e6, 1e6, -1], np.float64),
    ([1e-6, 1e-12, -1e-12], np.float64),  # it is the ratio that counts
    ([1, 1, -1e-3], np.float32),
    ([1e6, 1, -1e3], np.float32),
    ([1, 0, -1e-2], np.float16),
  ],
)
def test_a_negative_eigenvalue_beside_large_ones_is_refused(turn, spectrum, dtype):
  size = len(spectrum)
  covariance = turn(np.array(spectrum)).astype(dtype)
  with pytest.raises(ValueError, match=r'sigma2 has negative eigenvalues \(-'):
    frechet.frechet_distance(np.zeros(size), np.eye(size), np.zeros(size), covariance)
  scatter = metrics.Moments(2, np.zeros(size), covariance)
  with pytest.raises(ValueError, match='real has negative eigenvalues'):
    metrics.frechet_distance_infinity(scatter, features(40, size))


@pytest.mark.parametrize('dtype', [np.float32, np.float64])
@pytest.mark.parametrize(
  ('rows', 'dimensions'), [(5, 3), (5000, 3), (30, 64), (3000, 64), (100, 300)], ids=lambda size: str(size)
)
def test_negative_eigenvalues_of_the_size_of_rounding_are_not_refused(dtype, rows, dimensions):
  """Of linearly dependent and dead features, in one pass and in two, with spectra over many orders of magnitude."""
  rng = np.random.default_rng(1)
  mixing = rng.normal(size=(min(rows, dimensions) // 2 + 1, dimensions)) * np.exp(2 * rng.normal(size=dimensions))
  mixing[:, 0] = 0
  x, y = ((rng.normal(size=(rows, len(mixing))) + shift) @ mixing for shift in (1, 1.5))
  expected = frechet.frechet_distance_of_features(x, y)
  number = dtype(rows)

  def statistics(x, one_pass):
    x = x.astype(dtype)
    mean = x.mean(axis=0)
    if one_pass:
      return mean, (x.T @ x - number * np.outer(mean, mean)) / (number - 1)
    return mean, (x - mean).T @ (x - mean) / (number - 1)

  for one_pass in (False, True):
    distance = frechet.frechet_distance(*statistics(x, one_pass), *statistics(y, one_pass))
    assert distance == pytest.approx(expected, rel=1e-3 if dtype == np.float32 else 1e-6)


def test_the_largest_rounding_error_that_is_taken_for_one():
  zero, one = np.zeros(3), np.eye(3)
  for dtype in (np.float32, np.float64):
    limit = 1024 * np.finfo(dtype).eps
    tolerated = np.diag([1, 1, -0.9 * limit]).astype(dtype)
    assert frechet.frechet_distance(zero, one, zero, tolerated) == pytest.approx(1, abs=1e-9)
    with pytest.raises(ValueError, match='negative eigenvalues'):
      frechet.frechet_distance(zero, one, zero, np.diag([1, 1, -1.1 * limit]).astype(dtype))


def test_symmetric_zero_for_itself_and_blind_to_rotation():
  x, y = features(100), features(80, shift=0.5)
  rotation, _ = np.linalg.qr(RNG.normal(size=(6, 6)))
  distance = frechet.frechet_distance_of_features(x, y)
  assert frechet.frechet_distance_of_features(y, x) == pytest.approx(distance, rel=1e-10)
  assert frechet.frechet_distance_of_features(x @ rotation + 7, y @ rotation + 7) == pytest.approx(distance, rel=1e-9)
  assert frechet.frechet_distance_of_features(3 * x, 3 * y) == pytest.approx(9 * distance, rel=1e-10)
  assert abs(frechet.frechet_distance_of_features(x, x)) < 1e-12 * np.square(x).sum(axis=1).mean()


def test_warns_of_few_samples():
  many = np.random.default_rng(0).normal(size=(2048, 2))
  with warnings.catch_warnings():
    warnings.simplefilter('error', FewSamplesWarning)
    frechet.frechet_distance_of_features(many, many)
    with pytest.raises(FewSamplesWarning, match='2047 samples of 2 dimensions'):
      frechet.frechet_distance_of_features(many, many[1:])
    wide = metrics.Moments(2500, np.zeros(3000), np.eye(3000))
    with pytest.raises(FewSamplesWarning, match='fewer than 3001'):
      frechet.frechet_distance_of_moments(wide, wide)


@pytest.mark.parametrize(
  ('arguments', 'message'),
  [
    (([0, 0], np.eye(2), [0], np.eye(1)), 'mu1 has 2 dimensions and mu2 1'),
    (([0, 0], np.eye(3), [0, 0], np.eye(2)), r'sigma1 must be a covariance \[2, 2\]'),
    (([0, 0], np.eye(2), [0, 0], np.ones((2, 3))), r'sigma2 must be a covariance \[2, 2\]'),
    (([0, 0], [[1, 0.5], [0, 1]], [0, 0], np.eye(2)), 'sigma1 is not symmetric'),
    (([0, 0], np.eye(2), [0, 0], [[1, 2], [2, 1]]), 'sigma2 has negative eigenvalues'),
    (([0, 0], np.eye(2), [0, 0], [[0, 1], [1, 0]]), 'sigma2 has negative eigenvalues'),
    (([0], [[-1]], [0], [[1]]), 'sigma1 has negative eigenvalues'),
    (([0, np.nan], np.eye(2), [0, 0], np.eye(2)), 'mu1 holds values that are NaN'),
    (([0, 0], np.eye(2), [0, 0], np.diag([1, np.inf])), 'sigma2 holds values that are NaN or infinite'),
    (([[0, 0]], np.eye(2), [0, 0], np.eye(2)), r'mu1 must be a mean \[D\]'),
  ],
)
def test_refuses_what_is_no_gaussian(arguments, message):
  with pytest.raises(ValueError, match=message):
    frechet.frechet_distance(*arguments)


def test_refuses_what_are_no_features():
  x = features(5)
  with pytest.raises(ValueError, match='x: 1 rows are too few, at least 2'):
    frechet.frechet_distance_of_features(x[:1], x)
  with pytest.raises(ValueError, match='x has 6 dimensions and y 5'):
    frechet.frechet_distance_of_features(x, x[:, 1:])
