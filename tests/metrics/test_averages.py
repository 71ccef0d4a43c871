"""The masked mean equals the plain mean over the same examples, however they are cut into batches; sets by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gengan.metrics.averages import average, mean_and_deviation

X = np.random.default_rng(0).normal(size=23).astype(np.float32)
KEY = jax.random.key(0)


def batches(size):
  """The last batch is padded with NaN, which must not reach the mean."""
  for start in range(0, len(X), size):
    part = X[start : start + size]
    image = np.pad(part, (0, size - len(part)), constant_values=np.nan)
    yield {'image': image}, np.arange(size) < len(part)


@jax.jit
def eval_step(state, batch, key):
  noise = jax.random.normal(key, batch['image'].shape)
  return {'x': state * batch['image'], 'square': batch['image'] ** 2, 'noise': noise}


@pytest.mark.parametrize('size', [1, 5, 23, 64])
def test_mean_over_examples_not_over_batches(size):
  means = average(eval_step, 3.0, batches(size), KEY)
  assert all(type(value) is float for value in means.values())
  np.testing.assert_allclose(means['x'], 3 * X.astype(np.float64).mean(), rtol=1e-5)
  np.testing.assert_allclose(means['square'], (X.astype(np.float64) ** 2).mean(), rtol=1e-5)


def test_every_batch_has_its_own_key():
  naive = [jax.random.normal(jax.random.fold_in(KEY, i), (5,))[: min(5, 23 - 5 * i)] for i in range(5)]
  np.testing.assert_allclose(average(eval_step, 1.0, batches(5), KEY)['noise'], np.concatenate(naive).mean(), rtol=1e-5)


def test_a_real_nan_is_not_hidden():
  assert np.isnan(average(eval_step, jnp.nan, batches(5), KEY)['x'])


def test_refuses_nothing_and_what_is_not_one_value_an_example():
  with pytest.raises(ValueError, match='empty'):
    average(eval_step, 1.0, [], KEY)
  with pytest.raises(ValueError, match='empty'):
    average(eval_step, 1.0, [({'image': X}, np.zeros(23, bool))], KEY)
  with pytest.raises(ValueError, match=r"'loss' of shape \[\]"):
    average(lambda state, batch, key: {'loss': jnp.mean(batch['image'])}, 1.0, batches(5), KEY)


def test_scores_over_sets():
  mean, deviation = mean_and_deviation([{'fd': 1.0, 'kd': 5.0}, {'fd': 2.0, 'kd': 5.0}, {'fd': 6.0, 'kd': 5.0}])
  assert mean == {'fd': 3.0, 'kd': 5.0}
  assert deviation == pytest.approx({'fd': 7**0.5, 'kd': 0.0})  # ((2^2 + 1^2 + 3^2) / 2)^(1/2)
  assert mean_and_deviation([{'fd': 1.0}]) == ({'fd': 1.0}, {})
