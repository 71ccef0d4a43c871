"""Convolutions that double or halve the size, against the same in two steps, to second order."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from gengan import layers


def normal(seed, *shape):
  return jnp.asarray(np.random.default_rng(seed).standard_normal(shape), jnp.float32)


class InTwoSteps(nn.Module):
  features: int
  kernel_size: tuple[int, int]
  up: bool

  @nn.compact
  def __call__(self, x):
    conv = nn.Conv(self.features, self.kernel_size, name='conv')
    if self.up:
      return conv(jnp.repeat(jnp.repeat(x, 2, axis=1), 2, axis=2))
    return nn.avg_pool(conv(x), (2, 2), (2, 2))


def derivatives(apply, params, x):
  """The output, first derivatives of a loss, and the derivatives of its squared gradient norm in x."""

  def loss(params, x):
    y = apply(params, x)
    return jnp.sum(jnp.tanh(y) ** 3), y

  def penalty(params, x):
    return jnp.sum(jnp.square(jax.grad(loss, argnums=1, has_aux=True)(params, x)[0]))

  first, y = jax.grad(loss, argnums=(0, 1), has_aux=True)(params, x)
  return y, first, jax.grad(penalty, argnums=(0, 1))(params, x)


@pytest.mark.parametrize('up', [True, False])
@pytest.mark.parametrize('features', [(3, 9), (9, 3)])
@pytest.mark.parametrize('kernel_size', [(3, 3), (1, 5)])
def test_one_convolution_equals_two_steps_to_second_order(up, features, kernel_size):
  before, after = features
  x = normal(0, 2, 6, 8, before)
  ours = (layers.ConvAfterDoubling if up else layers.ConvBeforePooling)(after, kernel_size)
  theirs = InTwoSteps(after, kernel_size, up)
  params = {'kernel': 0.3 * normal(1, *kernel_size, before, after), 'bias': normal(2, after)}
  assert jax.tree.map(jnp.shape, ours.init(jax.random.key(0), x)['params']) == jax.tree.map(jnp.shape, params)
  both = jax.jit(
    lambda params, x: (
      derivatives(lambda p, x: ours.apply({'params': p}, x), params, x),
      derivatives(lambda p, x: theirs.apply({'params': {'conv': p}}, x), params, x),
    )
  )
  for actual, expected in zip(*map(jax.tree.leaves, both(params, x)), strict=True):
    np.testing.assert_allclose(actual, expected, rtol=1e-3, atol=2e-5 * max(1, np.abs(expected).max()))


def test_doubling_and_pooling_are_those_of_numpy():
  x = normal(3, 2, 4, 6, 3)
  np.testing.assert_array_equal(layers.doubled(x), np.repeat(np.repeat(x, 2, axis=1), 2, axis=2))
  expected = (x[:, ::2, ::2] + x[:, 1::2, ::2] + x[:, ::2, 1::2] + x[:, 1::2, 1::2]) / 4
  np.testing.assert_allclose(layers.pooled(x), expected, atol=1e-6)


@pytest.mark.parametrize('layer', [layers.ConvAfterDoubling, layers.ConvBeforePooling])
def test_the_singular_value_is_that_of_the_kernel_as_it_is_kept(layer):
  module, x = layer(5, (3, 3), spectral_norm=True, use_bias=False), normal(4, 1, 4, 4, 3)
  variables = module.init(jax.random.key(0), x)
  for _ in range(60):
    _, moved = module.apply(variables, x, train=True, mutable=['spectral_norm'])
    variables = {**variables, **moved}
  kernel = np.asarray(variables['params']['kernel'])
  sigma = np.linalg.svd(kernel.reshape(-1, 5), compute_uv=False)[0]
  plain = layer(5, (3, 3), use_bias=False).apply({'params': {'kernel': kernel / sigma}}, x)
  np.testing.assert_allclose(module.apply(variables, x), plain, atol=1e-4)


@pytest.mark.parametrize(
  ('layer', 'settings', 'size', 'message'),
  [
    (layers.ConvAfterDoubling, {'kernel_size': (4, 4)}, 4, 'odd size'),
    (layers.ConvAfterDoubling, {'kernel_size': (3, 3), 'strides': 2}, 4, 'without strides'),
    (layers.ConvBeforePooling, {'kernel_size': (3, 3), 'padding': 'VALID'}, 4, 'padded SAME'),
    (layers.ConvBeforePooling, {'kernel_size': (3, 3)}, 5, '5 x 5 pixels cannot be halved'),
  ],
)
def test_what_cannot_be_is_explained(layer, settings, size, message):
  with pytest.raises(ValueError, match=message):
    layer(4, **settings).init(jax.random.key(0), jnp.zeros((1, size, size, 2)))
