"""Self-attention against a loop over places."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gengan import layers


def loop(x, f, g, h, v, gamma):
  """Zhang et al. 2019, eq. 1 to 3, place by place, keys and values the largest of 2x2 places."""
  height, width, _ = x.shape
  out = np.empty_like(x)
  squares = [(i, j) for i in range(0, height, 2) for j in range(0, width, 2)]
  largest = lambda w, i, j: np.max([x[i + a, j + b] @ w for a in (0, 1) for b in (0, 1)], axis=0)
  keys, values = ([largest(w, i, j) for i, j in squares] for w in (g, h))
  for i in range(height):
    for j in range(width):
      scores = np.array([(x[i, j] @ f) @ key for key in keys])
      shares = np.exp(scores - scores.max())
      shares /= shares.sum()
      out[i, j] = x[i, j] + gamma * (sum(s * value for s, value in zip(shares, values, strict=True)) @ v)
  return out


def test_it_equals_a_loop_over_places():
  rng = np.random.default_rng(0)
  x = rng.normal(size=(2, 4, 6, 16)).astype(np.float32)
  layer = layers.SelfAttention()
  params = layer.init(jax.random.key(0), x, train=False)['params']
  kernels = {name: rng.normal(size=params[name]['kernel'].shape).astype(np.float32) for name in 'fghv'}
  assert {name: kernel.shape for name, kernel in kernels.items()} == {
    'f': (16, 2), 'g': (16, 2), 'h': (16, 8), 'v': (8, 16)
  }  # fmt: skip
  given = {name: {'kernel': kernel} for name, kernel in kernels.items()} | {'gamma': np.float32(0.7)}
  y = layer.apply({'params': given}, x, train=False)
  for row in range(2):
    np.testing.assert_allclose(y[row], loop(x[row], **kernels, gamma=0.7), rtol=1e-3, atol=1e-3)


def test_at_first_it_changes_nothing_and_learns_to():
  x = jnp.asarray(np.random.default_rng(1).normal(size=(1, 4, 4, 8)), jnp.float32)
  layer = layers.SelfAttention()
  variables = layer.init(jax.random.key(0), x, train=False)
  np.testing.assert_array_equal(layer.apply(variables, x, train=False), x)
  gradient = jax.grad(lambda params: jnp.sum(jnp.sin(layer.apply({'params': params}, x, train=False))))
  assert abs(gradient(variables['params'])['gamma']) > 1e-3


def test_spectral_norm_divides_all_four_kernels():
  x = jnp.ones((1, 4, 4, 8))
  variables = layers.SelfAttention(spectral_norm=True).init(jax.random.key(0), x, train=False)
  assert sorted(variables['spectral_norm']) == ['f', 'g', 'h', 'v']


def test_it_can_be_differentiated_twice():
  x = jnp.asarray(np.random.default_rng(2).normal(size=(1, 4, 4, 8)), jnp.float32)
  layer = layers.SelfAttention()
  params = layer.init(jax.random.key(0), x, train=False)['params'] | {'gamma': jnp.float32(1.0)}
  slope = lambda x: jax.grad(lambda x: jnp.sum(layer.apply({'params': params}, x, train=False) ** 2))(x)
  penalty = lambda x: jnp.sum(slope(x) ** 2)
  direction, step = jnp.ones_like(x), 1e-2
  exact = jnp.sum(jax.jit(jax.grad(penalty))(x) * direction)
  finite = (penalty(x + step * direction) - penalty(x - step * direction)) / (2 * step)
  np.testing.assert_allclose(exact, finite, rtol=2e-2)


def test_half_precision_stays_half_precision():
  x = jnp.ones((1, 4, 4, 8), jnp.bfloat16)
  layer = layers.SelfAttention()
  assert layer.apply(layer.init(jax.random.key(0), x, train=False), x, train=False).dtype == jnp.float32
  params = jax.tree.map(lambda p: p.astype(jnp.bfloat16), layer.init(jax.random.key(0), x, train=False)['params'])
  assert layer.apply({'params': params}, x, train=False).dtype == jnp.bfloat16


def test_an_odd_side_is_refused():
  with pytest.raises(ValueError, match='7 x 7 pixels cannot be halved'):
    layers.SelfAttention().init(jax.random.key(0), jnp.zeros((1, 7, 7, 8)), train=False)
