"""Vendi score: the number of kinds where kinds are orthogonal, and its definition elsewhere."""

import decimal
import math

import numpy as np
import pytest

from gengan.metrics import vendi
from gengan.metrics.vendi import vendi_score

RNG = np.random.default_rng(0)


def by_definition(x, q):
  x = x / np.linalg.norm(x, axis=1, keepdims=True)
  eigenvalues = np.linalg.eigvalsh(x @ x.T / len(x))
  eigenvalues = eigenvalues[eigenvalues > 1e-12]
  if q == 1:
    return np.exp(-np.sum(eigenvalues * np.log(eigenvalues)))
  return np.sum(eigenvalues**q) ** (1 / (1 - q))


@pytest.mark.parametrize('q', [0, 0.5, 1, 2, math.inf])
def test_counts_kinds(q):
  kinds = np.eye(6)[np.repeat(np.arange(5), 4)] * RNG.uniform(0.1, 9, size=(20, 1))  # lengths do not matter
  score = vendi_score(kinds, q=q)
  assert type(score) is float
  assert score == pytest.approx(5)
  assert vendi_score(kinds[:4], q=q) == pytest.approx(1)
  assert vendi_score(np.eye(6)[:3], q=q) == pytest.approx(3)


@pytest.mark.parametrize('q', [0.5, 1, 1.5, 2])
@pytest.mark.parametrize('shape', [(30, 8), (8, 30), (12, 12)])
@pytest.mark.parametrize('dtype', [np.float32, np.float64])
def test_equals_its_definition_whichever_problem_is_smaller(monkeypatch, q, shape, dtype):
  monkeypatch.setattr(vendi, 'ROWS', 7)
  x = RNG.normal(size=shape).astype(dtype)
  assert vendi_score(x, q=q) == pytest.approx(by_definition(x.astype(float), q), rel=1e-9)


def test_order_one_is_the_limit_and_rare_kinds_weigh_less_at_higher_orders():
  x = np.eye(4)[[0] * 20 + [1] * 5 + [2, 3]]
  scores = [vendi_score(x, q=q) for q in (0, 0.999, 1, 1.001, 2, math.inf)]
  assert scores == sorted(scores, reverse=True)
  assert scores[0] == pytest.approx(4)
  assert scores[1] == pytest.approx(scores[2], rel=1e-3)
  assert scores[5] == pytest.approx(27 / 20)


BELOW_ONE = [0.3, 0.49, 0.51, 1 - 1e-3, 1 - 1e-6, 1 - 1e-9, 1 - 1e-13, 1 - 2**-53]
ABOVE_ONE = [1 + 2**-52, 1 + 1e-13, 1 + 1e-9, 1 + 1e-6, 1.49, 1.51, 30, 5000, 1e100, math.inf]


@pytest.mark.parametrize('q', [*BELOW_ONE, 1, *ABOVE_ONE])
def test_no_order_is_too_near_to_one_or_too_high(q):
  counts = [20, 5, 1, 1]
  with decimal.localcontext(prec=60, Emin=decimal.MIN_EMIN):
    order, shares = decimal.Decimal(q), [decimal.Decimal(count) / 27 for count in counts]
    if q == 1:
      entropy = -sum(share * share.ln() for share in shares)
    elif q > 1e9:
      entropy = -max(shares).ln()
    else:
      entropy = sum((order * share.ln()).exp() for share in shares).ln() / (1 - order)
    expected = float(entropy.exp())
  assert vendi_score(np.eye(4)[np.repeat(np.arange(4), counts)], q=q) == pytest.approx(expected, rel=1e-12)
  assert vendi_score(np.eye(5), q=q) == pytest.approx(5, rel=1e-12)  # five kinds are five at any order


def test_equals_the_package():
  package = pytest.importorskip('vendi_score.vendi')
  x = RNG.normal(size=(40, 10))
  assert vendi_score(x) == pytest.approx(package.score_X(x), rel=1e-6)


def test_refuses():
  x = RNG.normal(size=(5, 3))
  with pytest.raises(ValueError, match='row of zeros'):
    vendi_score(x * [[1], [1], [0], [1], [1]])
  with pytest.raises(ValueError, match='NaN'):
    vendi_score(x + np.nan)
  with pytest.raises(ValueError, match='q is -1'):
    vendi_score(x, q=-1)
  with pytest.raises(ValueError, match='0 rows'):
    vendi_score(x[:0])
