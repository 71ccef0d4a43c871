"""Conditional batch norm against its formula."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gengan import layers

rng = np.random.default_rng(0)
x = rng.normal(2, 3, (4, 5, 5, 6)).astype(np.float32)
plain = (x - x.mean((0, 1, 2))) / np.sqrt(x.var((0, 1, 2)) + 1e-5)


def applied(norm, condition, **given):
  variables = norm.init(jax.random.key(0), x, condition)
  params = jax.tree.map(jnp.asarray, {**variables['params'], **given})
  assert jax.tree.structure(params) == jax.tree.structure(variables['params'])
  return norm.apply({**variables, 'params': params}, x, condition, mutable=['batch_stats'])[0]


def test_of_labels_it_has_a_scale_and_a_bias_for_each_class():
  labels, (gain, bias) = np.array([0, 2, 2, 1]), rng.normal(size=(2, 3, 6)).astype(np.float32)
  y = applied(layers.ConditionalBatchNorm(True, 3), labels, gain={'embedding': gain}, bias={'embedding': bias})
  for row, label in enumerate(labels):
    np.testing.assert_allclose(y[row], plain[row] * (1 + gain[label]) + bias[label], atol=1e-4)


def test_of_vectors_it_has_dense_layers():
  vectors, (gain, bias) = rng.normal(size=(4, 7)).astype(np.float32), rng.normal(size=(2, 7, 6)).astype(np.float32)
  y = applied(layers.ConditionalBatchNorm(True), vectors, gain={'kernel': gain}, bias={'kernel': bias})
  expected = plain * (1 + vectors @ gain)[:, None, None] + (vectors @ bias)[:, None, None]
  np.testing.assert_allclose(y, expected, atol=1e-3)


def test_a_common_scale_and_bias_come_before_those_of_the_class():
  labels, common = np.array([0, 1, 1, 0]), {'scale': np.full(6, 2.0), 'bias': np.full(6, 0.5)}
  gain, bias = rng.normal(size=(2, 2, 6))
  norm = layers.ConditionalBatchNorm(True, 2, common=True)
  y = applied(norm, labels, gain={'embedding': gain}, bias={'embedding': bias}, BatchNorm_0=common)
  expected = (2 * plain + 0.5) * (1 + gain[labels])[:, None, None] + bias[labels][:, None, None]
  np.testing.assert_allclose(y, expected, atol=1e-3)


def test_without_a_condition_it_is_batch_norm():
  norm = layers.ConditionalBatchNorm(True)
  params = norm.init(jax.random.key(0), x)['params']
  assert jax.tree.map(jnp.shape, params) == {'BatchNorm_0': {'bias': (6,), 'scale': (6,)}}
  np.testing.assert_allclose(applied(norm, None), plain, atol=1e-4)


@pytest.mark.parametrize('condition', [np.array([0, 2, 2, 1]), rng.normal(size=(4, 7)).astype(np.float32)])
def test_spectral_norm_divides_by_the_largest_singular_value(condition):
  norm = layers.ConditionalBatchNorm(
    True, 3, kernel_init=jax.nn.initializers.normal(1.0), spectral_norm=True, momentum=0.5
  )
  variables = norm.init(jax.random.key(0), x, condition)
  for _ in range(100):
    y, moved = norm.apply(variables, x, condition, mutable=['batch_stats', 'spectral_norm'])
    variables = {**variables, **moved}
  first = lambda name: np.asarray(jax.tree.leaves(variables['params'][name])[0])
  gain, bias = (first(name) / np.linalg.svd(first(name), compute_uv=False)[0] for name in ('gain', 'bias'))
  read = (lambda w: w[condition]) if condition.ndim == 1 else (lambda w: condition @ w)
  np.testing.assert_allclose(y, plain * (1 + read(gain))[:, None, None] + read(bias)[:, None, None], atol=1e-3)
