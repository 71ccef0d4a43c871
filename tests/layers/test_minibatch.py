"""The minibatch standard deviation by its formula, whole and on a pmap axis."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gengan import layers


def normal(seed, *shape):
  return jnp.asarray(np.random.default_rng(seed).standard_normal(shape), jnp.float32)


@pytest.mark.parametrize(
  'rows, size, groups',
  [
    (8, 4, [[0, 2, 4, 6], [1, 3, 5, 7]]),
    (6, 8, [[0, 1, 2, 3, 4, 5]]),
    (7, 2, [[0, 1, 2, 3, 4, 5, 6]]),  # which no group of 2 or 3 divides
    (9, 2, [[0, 3, 6], [1, 4, 7], [2, 5, 8]]),
  ],
)
def test_each_row_gets_the_mean_deviation_of_its_group(rows, size, groups):
  x = normal(0, rows, 2, 3, 4)
  y = layers.MinibatchDeviation(size).apply({}, x)
  np.testing.assert_array_equal(y[..., :4], x)
  for group in groups:
    expected = np.std(np.asarray(x)[group], axis=0).mean()
    np.testing.assert_allclose(y[np.asarray(group), ..., 4], expected, rtol=1e-5)


def test_a_row_by_itself_has_no_deviation():
  y = layers.MinibatchDeviation(4).apply({}, normal(0, 1, 2, 2, 3))
  np.testing.assert_allclose(y[..., 3], 1e-4, rtol=1e-5)
  assert np.isfinite(jax.grad(lambda x: layers.MinibatchDeviation(4).apply({}, x).sum())(jnp.ones((2, 2, 2, 3)))).all()


def test_devices_that_share_a_batch_see_the_groups_of_the_whole():
  x = normal(0, 8, 2, 2, 3)
  loss = lambda layer: lambda x: jnp.sum(jnp.sin(layer.apply({}, x)))
  whole = layers.MinibatchDeviation(4)
  cut = layers.MinibatchDeviation(4, axis_name='data')
  parts = x.reshape(4, 2, 2, 2, 3)
  y = jax.vmap(lambda x: cut.apply({}, x), axis_name='data')(parts)
  np.testing.assert_allclose(y.reshape(8, 2, 2, 4), whole.apply({}, x), rtol=1e-5)
  gradient = jax.vmap(jax.grad(loss(cut)), axis_name='data')(parts)
  np.testing.assert_allclose(gradient.reshape(x.shape), jax.grad(loss(whole))(x), rtol=1e-4, atol=1e-6)
