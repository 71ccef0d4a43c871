"""Residual blocks against the same blocks written step by step with flax's layers."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from gengan import layers

rng = np.random.default_rng(0)


def random_like(tree):
  return jax.tree.map(lambda leaf: jnp.asarray(rng.normal(size=leaf.shape), jnp.float32), tree)


def conv(params, x):
  kernel = params['kernel'][None, None] if params['kernel'].ndim == 2 else params['kernel']
  return nn.Conv(kernel.shape[-1], kernel.shape[:2]).apply({'params': {**params, 'kernel': kernel}}, x)


def twice(x):
  return jnp.repeat(jnp.repeat(x, 2, axis=1), 2, axis=2)


def half(x):
  return nn.avg_pool(x, (2, 2), (2, 2))


def test_the_generators_block():
  x = jnp.asarray(rng.normal(size=(2, 4, 4, 6)), jnp.float32)
  block = layers.UpBlock(5, partial(layers.ConditionalBatchNorm, True))
  variables = block.init(jax.random.key(0), x, train=True)
  p = random_like(variables['params'])
  y, _ = block.apply({**variables, 'params': p}, x, train=True, mutable=['batch_stats'])

  def norm(name, x):
    centred = (x - x.mean((0, 1, 2))) / np.sqrt(x.var((0, 1, 2)) + 1e-5)
    return centred * p[name]['BatchNorm_0']['scale'] + p[name]['BatchNorm_0']['bias']

  inner = conv(p['ConvAfterDoubling_0'], twice(nn.relu(norm('ConditionalBatchNorm_0', x))))
  inner = conv(p['Conv_0'], nn.relu(norm('ConditionalBatchNorm_1', inner)))
  expected = conv(p['Dense_0'], twice(x)) + inner
  np.testing.assert_allclose(y, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize(
  ('down', 'first', 'features'), [(True, True, 5), (True, False, 5), (False, False, 6), (False, False, 5)]
)
def test_the_discriminators_block(down, first, features):
  x = jnp.asarray(rng.normal(size=(2, 4, 4, 6)), jnp.float32)
  block = layers.DownBlock(features, down, first)
  p = random_like(block.init(jax.random.key(0), x, train=True)['params'])
  y = block.apply({'params': p}, x, train=True)
  pool = half if down else (lambda x: x)
  inner = conv(p['Conv_0'], x if first else nn.relu(x))
  inner = pool(conv(p['ConvBeforePooling_0' if down else 'Conv_1'], nn.relu(inner)))
  shortcut = pool(conv(p['Dense_0'], x)) if down or features != 6 else x
  expected = shortcut + inner
  np.testing.assert_allclose(y, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


def test_norms_stand_before_every_activation():
  block = layers.DownBlock(5, norm=nn.LayerNorm)
  params = block.init(jax.random.key(0), jnp.ones((2, 4, 4, 6)), train=True)['params']
  assert sum(name.startswith('LayerNorm') for name in params) == 2


def test_a_free_kernel_can_be_any_doubling_and_convolution():
  x = jnp.asarray(rng.normal(size=(2, 4, 4, 6)), jnp.float32)
  settings = {'features': 5, 'norm': partial(layers.ConditionalBatchNorm, False)}
  bound, free = layers.UpBlock(**settings), layers.UpBlock(**settings, free=True)
  variables = bound.init(jax.random.key(0), x, train=False)
  params = random_like(variables['params'])
  kernel = params['ConvAfterDoubling_0']['kernel']
  wide = np.pad(kernel, ((1, 1), (1, 1), (0, 0), (0, 0)))
  wide = wide[:-1, :-1] + wide[:-1, 1:] + wide[1:, :-1] + wide[1:, 1:]  # every tap on the 2x2 copies of a pixel
  params['ConvAfterDoubling_0']['bias'] *= 0
  given = {name: leaf for name, leaf in params.items() if name != 'ConvAfterDoubling_0'}
  given['ConvTranspose_0'] = {'kernel': wide}
  outputs = (block.apply({**variables, 'params': p}, x, train=False) for block, p in ((bound, params), (free, given)))
  np.testing.assert_allclose(*outputs, rtol=1e-3, atol=1e-3)


def test_no_convolution_of_a_step_with_a_penalty_reads_its_kernel_backwards():
  up = layers.UpBlock(8, partial(layers.ConditionalBatchNorm, True))
  blocks = [layers.DownBlock(8, first=True), layers.SelfAttention(), layers.DownBlock(8, down=False)]
  z, images = jnp.zeros((2, 8, 8, 8)), jnp.zeros((2, 16, 16, 8))

  def critic(params, x):
    for block, p in zip(blocks, params, strict=True):
      x = block.apply({'params': p}, x, train=True)
    return jnp.sum(jnp.tanh(x))

  def loss(params, stats, z, images):
    fake, _ = up.apply({'params': params['g'], **stats}, z, train=True, mutable=['batch_stats'])
    slope = jax.grad(lambda x: critic(params['d'], x))(images + fake)
    return critic(params['d'], fake) + jnp.sum(slope**2)

  def init():
    x, found = images, []
    for block in blocks:
      x, variables = block.init_with_output(jax.random.key(0), x, train=True)
      found.append(variables['params'])
    variables = up.init(jax.random.key(0), z, train=True)
    return {'g': variables['params'], 'd': found}, {'batch_stats': variables['batch_stats']}

  program = jax.jit(jax.grad(loss)).lower(*jax.eval_shape(init), z, images).compile().as_text()
  convolutions = [line for line in program.splitlines() if ' convolution(' in line]
  assert len(convolutions) >= 10
  assert not [line for line in convolutions if 'rhs_reversal' in line or 'feature_group_count' in line]
