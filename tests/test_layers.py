import re
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from gengan import layers

PAIRS = {'conv': (layers.Conv, nn.Conv), 'conv_transpose': (layers.ConvTranspose, nn.ConvTranspose)}


def close(actual, expected, rtol=2e-4, atol=2e-5):
  """`atol` is in units of the largest expected value where that is above one."""
  np.testing.assert_allclose(actual, expected, rtol=rtol, atol=atol * max(1.0, float(np.abs(expected).max())))


def assert_trees_close(actual, expected, **tolerance):
  assert jax.tree.structure(actual) == jax.tree.structure(expected)
  jax.tree.map(partial(close, **tolerance), actual, expected)


def normal(seed, *shape):
  return jnp.asarray(np.random.default_rng(seed).standard_normal(shape), jnp.float32)


def output_and_derivatives(module, params, x):
  """The output, the first derivatives of a loss, and the derivatives of its squared gradient norm in x."""

  def loss(params, x):
    y = module.apply({'params': params}, x)
    return jnp.sum(jnp.tanh(y) ** 3), y

  def penalty(params, x):
    return jnp.sum(jnp.square(jax.grad(loss, argnums=1, has_aux=True)(params, x)[0]))

  first, y = jax.grad(loss, argnums=(0, 1), has_aux=True)(params, x)
  return y, first, jax.grad(penalty, argnums=(0, 1))(params, x)


def check_against_flax(kind, x, **settings):
  """Compares the two layers in one program, which halves the time to compile."""
  ours, theirs = (layer(x.shape[-1], **settings) for layer in PAIRS[kind])
  shape = jax.eval_shape(theirs.init, jax.random.key(0), x)['params']
  params = jax.tree.map(lambda leaf: 0.3 * normal(leaf.ndim, *leaf.shape), shape)
  compute = jax.jit(lambda *a: (output_and_derivatives(ours, *a), output_and_derivatives(theirs, *a)))
  assert_trees_close(*compute(params, x))


@pytest.mark.parametrize('kind', PAIRS)
def test_initial_parameters_are_those_of_flax(kind):
  x = normal(0, 1, 4, 4, 2)
  ours, theirs = (layer(3, (3, 3)).init(jax.random.key(1), x) for layer in PAIRS[kind])
  assert_trees_close(ours, theirs, rtol=0, atol=0)


# Sides of 7 and 6: an odd and an even size.
@pytest.mark.parametrize('padding', ['SAME', 'VALID'])
@pytest.mark.parametrize('stride', [1, 2])
@pytest.mark.parametrize('kernel', [3, 4, 5])
@pytest.mark.parametrize('kind', PAIRS)
def test_convolutions_equal_those_of_flax(kind, kernel, stride, padding):
  x = normal(0, 2, 7, 6, 8)
  check_against_flax(kind, x, kernel_size=(kernel, kernel), strides=(stride, stride), padding=padding, use_bias=False)


@pytest.mark.parametrize(('features', 'settings'), [
  (3, {'kernel_size': (4, 4), 'strides': 2}),  # few features take another path
  (3, {'kernel_size': (1, 2), 'strides': (2, 1), 'padding': 'VALID'}),
  (8, {'kernel_size': (2, 1), 'strides': (3, 3)}),  # a stride that skips pixels
  (8, {'kernel_size': (3, 4), 'strides': (3, 1), 'padding': ((2, 0), 1)}),
  (8, {'kernel_size': (7, 6), 'padding': 'VALID'}),  # a matrix product in a convolution's clothes
  (8, {'kernel_size': (1, 1)}),  # another
  (8, {'kernel_size': (1, 1), 'strides': 2}),
  (8, {'kernel_size': (1, 1), 'padding': 1}),
])  # fmt: skip
@pytest.mark.parametrize('kind', PAIRS)
def test_unusual_convolutions_equal_those_of_flax(kind, features, settings):
  check_against_flax(kind, normal(0, 2, 7, 6, features), **settings)


@pytest.mark.parametrize(('size', 'settings'), [
  ((2, 2), {'kernel_size': (3, 3)}),
  ((1, 3), {'kernel_size': (4, 4), 'strides': 2}),
  ((2, 5), {'kernel_size': (5, 3), 'padding': ((2, 3), (1, 0))}),
])  # fmt: skip
@pytest.mark.parametrize('kind', PAIRS)
def test_kernels_larger_than_the_image_equal_those_of_flax(kind, size, settings):
  check_against_flax(kind, normal(0, 2, *size, 8), **settings)


def test_a_kernel_larger_than_the_image_is_no_convolution_to_xla():
  x, layer = normal(0, 2, 2, 2, 4), layers.Conv(4, (3, 3))
  program = jax.jit(lambda params, x: jax.grad(lambda x: layer.apply(params, x).sum())(x))
  assert ' convolution(' not in program.lower(layer.init(jax.random.key(1), x), x).compile().as_text()


def test_transposed_convolution_of_one_pixel_is_a_matrix_product():
  x, layer = normal(0, 3, 1, 1, 5), layers.ConvTranspose(6, (4, 4), padding='VALID', use_bias=False)
  variables = layer.init(jax.random.key(1), x)
  expected = np.einsum('ni,hwio->nhwo', x[:, 0, 0], variables['params']['kernel'][::-1, ::-1])
  close(layer.apply(variables, x), expected)
  assert ' convolution(' not in jax.jit(layer.apply).lower(variables, x).compile().as_text()


def test_a_pointwise_convolution_and_its_derivatives_are_matrix_products():
  x, layer = normal(0, 3, 4, 4, 5), layers.Conv(6, (1, 1), use_bias=False)
  params = layer.init(jax.random.key(1), x)['params']
  program = jax.jit(partial(output_and_derivatives, layer))
  assert ' convolution(' not in program.lower(params, x).compile().as_text()


@pytest.mark.parametrize('layer', [layers.Conv, layers.ConvTranspose])
def test_vmap_equals_a_loop(layer):
  module, x, params = (
    layer(3, (4, 4), (2, 2), use_bias=False),
    normal(0, 3, 2, 4, 4, 2),
    {'kernel': normal(1, 3, 4, 4, 2, 3)},
  )
  compute = partial(output_and_derivatives, module)
  loop = jax.jit(compute)
  expected = [loop(jax.tree.map(lambda a, i=i: a[i], params), x[i]) for i in range(3)]
  assert_trees_close(jax.jit(jax.vmap(compute))(params, x), jax.tree.map(lambda *a: jnp.stack(a), *expected))


def train_program(conv, conv_transpose, gradient_penalty):
  """Compiled text of the gradients of a small GAN in both networks: every kernel size and stride in use.

  No kernel is larger than its input: those are no convolutions, as the test above shows.
  """
  g = [conv_transpose(f, (k, k), (s, s)) for f, k, s in [(8, 3, 1), (8, 5, 2), (1, 4, 2)]]
  d = [conv(f, (k, k), (s, s)) for f, k, s in [(8, 4, 2), (8, 3, 1), (8, 5, 2)]]
  g, d = (nn.Sequential([f for layer in stack for f in (layer, jnp.tanh)]) for stack in (g, d))
  z, images = jnp.zeros((2, 8, 8, 4)), jnp.zeros((2, 32, 32, 1))

  def loss(params, z, images):
    fake = g.apply(params['g'], z)
    critic = lambda x: jnp.sum(d.apply(params['d'], x))
    penalty = jnp.sum(jax.grad(critic)(images + fake) ** 2) if gradient_penalty else 0.0
    return critic(fake) + penalty

  params = jax.eval_shape(lambda: {'g': g.init(jax.random.key(0), z), 'd': d.init(jax.random.key(0), images)})
  return jax.jit(jax.grad(loss)).lower(params, z, images).compile().as_text()


def reversed_convolutions(hlo):
  convolutions = re.findall(r' convolution\(.*', hlo)
  assert len(convolutions) >= 15
  return [line for line in convolutions if 'rhs_reversal' in line]


@pytest.mark.parametrize('gradient_penalty', [False, True])
def test_no_convolution_reads_its_kernel_backwards(gradient_penalty):
  assert reversed_convolutions(train_program(nn.Conv, nn.ConvTranspose, gradient_penalty)), 'the test cannot fail'
  assert not reversed_convolutions(train_program(layers.Conv, layers.ConvTranspose, gradient_penalty))


@pytest.mark.parametrize('layer', [layers.Conv, layers.ConvTranspose])
def test_impossible_settings_are_explained(layer):
  x, key = jnp.zeros((1, 4, 4, 2)), jax.random.key(0)
  with pytest.raises(ValueError, match='kernel_size is 3; it must be two'):
    layer(2, 3).init(key, x)
  with pytest.raises(ValueError, match=r'must be \[N, H, W, C\]; got the shape \(4, 4, 2\)'):
    layer(2, (3, 3)).init(key, x[0])
  with pytest.raises(ValueError, match='padding is'):
    layer(2, (3, 3), padding=((1, 1),)).init(key, x)
  with pytest.raises(ValueError, match=r'does not fit|leaves nothing'):
    layer(2, (3, 3), padding=-2).init(key, x)


def test_half_precision_stays_half_precision():
  x, params = normal(0, 2, 4, 4, 8), {'kernel': 0.1 * normal(1, 4, 4, 8, 8)}
  for layer in (layers.Conv, layers.ConvTranspose):
    module = layer(8, (4, 4), (2, 2), use_bias=False, dtype=jnp.bfloat16)
    y, grads = jax.eval_shape(jax.value_and_grad(lambda p, m=module: m.apply({'params': p}, x).sum()), params)
    assert (y.dtype, grads['kernel'].dtype) == (jnp.bfloat16, jnp.float32)
    exact = module.clone(dtype=None).apply({'params': params}, x)
    close(module.apply({'params': params}, x).astype(jnp.float32), exact, rtol=0.05, atol=0.05)


# Batch normalisation


def batch_norm(**settings):
  return layers.BatchNorm(use_running_average=False, scale_init=nn.initializers.normal(1.0), **settings)


def uneven(x):
  return jnp.cos(jnp.arange(x.size, dtype=jnp.float32)).reshape(x.shape)


def normalized_with_derivatives(module, variables, x, weights):
  """Output and new statistics; first derivatives of a loss; derivatives of its squared gradient norm in x."""

  def loss(params, x):
    y, updates = module.apply({**variables, 'params': params}, x, mutable='batch_stats')
    return jnp.sum(jnp.tanh(y) * weights), (y, updates)

  def penalty(params, x):
    return jnp.sum(jnp.square(jax.grad(loss, argnums=1, has_aux=True)(params, x)[0]))

  grads, outputs = jax.grad(loss, argnums=(0, 1), has_aux=True)(variables['params'], x)
  return outputs, grads, jax.grad(penalty, argnums=(0, 1))(variables['params'], x)


def test_batch_norm_equals_flax():
  x = 3.0 + 2.0 * normal(0, 4, 3, 2, 5)
  ours = batch_norm(momentum=0.8)
  theirs = nn.BatchNorm(False, momentum=0.8, epsilon=1e-5, use_fast_variance=False)
  variables = ours.init(jax.random.key(1), x)
  assert jax.tree.map(jnp.shape, variables) == jax.tree.map(jnp.shape, dict(theirs.init(jax.random.key(1), x)))
  compute = jax.jit(lambda *a: [normalized_with_derivatives(module, *a) for module in (ours, theirs)])
  actual, expected = compute(variables, x, uneven(x))
  assert_trees_close(actual, expected, rtol=1e-3, atol=1e-4)

  statistics = {**variables, **actual[0][1]}
  close(
    layers.BatchNorm(use_running_average=True).apply(statistics, x),
    nn.BatchNorm(True, epsilon=1e-5).apply(statistics, x),
  )


def test_batch_norm_keeps_its_digits_far_from_zero():
  x = np.asarray(1e3 + normal(0, 16, 8, 8, 4))
  module = layers.BatchNorm(use_running_average=False, momentum=0.0)
  y, updates = module.apply(module.init(jax.random.key(1), x), x, mutable='batch_stats')
  exact = x.astype(np.float64)
  mean, var = exact.mean((0, 1, 2)), exact.var((0, 1, 2))
  close(y, (exact - mean) / np.sqrt(var + 1e-5), rtol=0, atol=2e-3)
  close(updates['batch_stats']['mean'], mean, rtol=1e-6)
  close(updates['batch_stats']['var'], var, rtol=1e-4)

  constant = jnp.full((4, 2, 2, 3), 1234.567)
  y, updates = module.apply(module.init(jax.random.key(1), constant), constant, mutable='batch_stats')
  assert np.all(np.isfinite(y)) and np.all(np.asarray(updates['batch_stats']['var']) >= 0)


def test_batch_norm_groups_are_separate_batches():
  x = normal(0, 6, 2, 2, 3) * jnp.arange(1.0, 7.0).reshape(6, 1, 1, 1)
  whole, ghost = batch_norm(), batch_norm(groups=3)
  variables = ghost.init(jax.random.key(1), x)
  (y, updates), grads, second = jax.jit(partial(normalized_with_derivatives, ghost))(variables, x, uneven(x))

  compute = jax.jit(partial(normalized_with_derivatives, whole))
  parts = [
    compute(variables, part, weights)
    for part, weights in zip(x.reshape(3, 2, 2, 2, 3), uneven(x).reshape(3, 2, 2, 2, 3), strict=True)
  ]
  add = lambda trees: jax.tree.map(lambda *a: sum(a), *trees)
  close(y, jnp.concatenate([part[0][0] for part in parts]))
  assert_trees_close(jax.tree.map(lambda a: 3 * a, updates), add([part[0][1] for part in parts]))
  for actual, expected in ((grads, [part[1] for part in parts]), (second, [part[2] for part in parts])):
    assert_trees_close(actual[0], add([of_params for of_params, _ in expected]), rtol=1e-3, atol=1e-4)
    close(actual[1], jnp.concatenate([of_x for _, of_x in expected]), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize('groups', [1, 4, 8])
def test_batch_norm_under_pmap_equals_one_device(groups):
  x = normal(0, 16, 2, 2, 3) * jnp.arange(1.0, 17.0).reshape(16, 1, 1, 1)
  single, cut = batch_norm(groups=groups), batch_norm(groups=groups, axis_name='data')
  variables = single.init(jax.random.key(1), x)
  (y, updates), grads, second = jax.jit(partial(normalized_with_derivatives, single))(variables, x, uneven(x))

  shards = lambda a: a.reshape(4, 4, *a.shape[1:])
  compute = jax.pmap(partial(normalized_with_derivatives, cut), 'data', in_axes=(None, 0, 0), devices=jax.devices()[:4])
  (y_cut, updates_cut), grads_cut, second_cut = compute(variables, shards(x), shards(uneven(x)))
  close(y_cut.reshape(x.shape), y)
  for device in range(4):
    assert_trees_close(jax.tree.map(lambda a, d=device: a[d], updates_cut), updates)
  # The losses of the devices add up to that of the whole batch, and so do the gradients in the parameters.
  for actual, expected in ((grads_cut, grads), (second_cut, second)):
    assert_trees_close(jax.tree.map(lambda a: a.sum(0), actual[0]), expected[0], rtol=1e-3, atol=1e-3)
    close(actual[1].reshape(x.shape), expected[1], rtol=1e-3, atol=1e-4)


def test_batch_that_does_not_divide_is_refused():
  x = jnp.zeros((6, 2, 2, 3))
  with pytest.raises(ValueError, match='batch_norm_groups is 4; it must divide the batch, 6 rows'):
    batch_norm(groups=4).init(jax.random.key(0), x)
  variables = batch_norm().init(jax.random.key(0), x)
  apply = lambda x: batch_norm(groups=3, axis_name='data').apply(variables, x, mutable='batch_stats')
  with pytest.raises(ValueError, match='batch_norm_groups is 3; it must be 1 or a multiple of the 2 devices'):
    jax.pmap(apply, axis_name='data', devices=jax.devices()[:2])(x.reshape(2, 3, 2, 2, 3))


def test_gradients_on_a_mesh_equal_those_on_one_device():
  model = nn.Sequential([
    layers.Conv(8, (4, 4), (2, 2)), layers.BatchNorm(False), jnp.tanh, layers.ConvTranspose(3, (4, 4), (2, 2)),
  ])  # fmt: skip
  x = normal(0, 8, 8, 8, 3)
  variables = model.init(jax.random.key(1), x)

  @jax.jit
  def grads(params, x):
    loss = lambda p: jnp.mean(model.apply({**variables, 'params': p}, x, mutable='batch_stats')[0] ** 2)
    return jax.grad(loss)(params)

  mesh = jax.make_mesh((8,), ('data',), axis_types=(AxisType.Auto,))
  cut = jax.device_put(x, NamedSharding(mesh, PartitionSpec('data')))
  whole = jax.device_put(variables['params'], NamedSharding(mesh, PartitionSpec()))
  assert_trees_close(grads(whole, cut), grads(variables['params'], x))


# Spectral normalisation

SPECTRAL = {
  'dense': (layers.Dense(6, spectral_norm=True), (2, 9)),
  'conv': (layers.Conv(6, (3, 3), spectral_norm=True), (2, 4, 4, 2)),
  'conv_transpose': (layers.ConvTranspose(6, (3, 3), spectral_norm=True), (2, 4, 4, 2)),
}


@pytest.mark.parametrize('kind', SPECTRAL)
def test_spectral_norm_divides_by_the_largest_singular_value(kind):
  module, shape = SPECTRAL[kind]
  plain, x = module.clone(spectral_norm=False), normal(0, *shape)
  variables = module.init(jax.random.key(1), x)
  assert jax.tree.map(jnp.shape, variables['spectral_norm']) == {'u': (6,)}
  params = variables['params']
  close(jnp.linalg.norm(variables['spectral_norm']['u']), 1.0)

  one, updates = module.apply(variables, x, train=True, mutable='spectral_norm')
  w = np.asarray(params['kernel']).reshape(-1, 6)
  v = w @ variables['spectral_norm']['u']
  v /= np.linalg.norm(v)
  close(updates['spectral_norm']['u'], v @ w / np.linalg.norm(v @ w))  # one iteration a call
  close(module.apply(variables, x, train=True), one)  # the same values where the collection is not mutable
  _, still = module.apply(variables, x, train=False, mutable='spectral_norm')
  assert_trees_close(still, {'spectral_norm': variables['spectral_norm']}, rtol=0, atol=0)

  step = jax.jit(lambda state: module.apply({'params': params, **state}, x, train=True, mutable='spectral_norm')[1])
  for _ in range(300):
    updates = step(updates)
  sigma = np.linalg.norm(w, ord=2)
  expected = plain.apply({'params': {**params, 'kernel': params['kernel'] / sigma}}, x)
  close(module.apply({'params': params, **updates}, x), expected, rtol=1e-4)


def test_gradient_of_spectral_norm_is_that_of_the_formula():
  module, x = layers.Dense(4, use_bias=False, spectral_norm=True), normal(0, 5, 3)
  variables = module.init(jax.random.key(1), x)
  w = variables['params']['kernel']
  target = normal(2, 5, 4)
  actual = jax.grad(lambda p: jnp.sum(module.apply({**variables, 'params': p}, x, train=True) * target))(
    variables['params']
  )['kernel']

  v = w @ variables['spectral_norm']['u']
  v /= jnp.linalg.norm(v)
  u = v @ w / jnp.linalg.norm(v @ w)
  sigma, upstream = v @ w @ u, x.T @ target
  close(actual, (upstream - jnp.sum(upstream * w / sigma) * jnp.outer(v, u)) / sigma)  # eq. 12 of the paper


def test_dense_equals_flax():
  x = normal(0, 2, 5, 3)
  variables = nn.Dense(4).init(jax.random.key(1), x)
  assert_trees_close(layers.Dense(4).init(jax.random.key(1), x), variables, rtol=0, atol=0)
  close(layers.Dense(4).apply(variables, x), nn.Dense(4).apply(variables, x))


# Small helpers


def test_normal_around_one():
  draws = layers.normal_around_one(0.02)(jax.random.key(0), (10_000,))
  close([draws.mean(), draws.std()], [1.0, 0.02], rtol=0.03)


def test_resolution_plan():
  for size, plan in {8: (4, 1), 16: (4, 2), 28: (7, 2), 32: (4, 3), 48: (6, 3), 64: (4, 4), 128: (4, 5)}.items():
    assert layers.resolution_plan(size) == plan
  for size in (0, 7, 30, 100):
    with pytest.raises(ValueError, match=f'^image_size is {size}; .* nearest'):
      layers.resolution_plan(size)
