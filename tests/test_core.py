"""The averages and the device-independent random rows against formulas by hand."""

import flax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from gengan import core, optimizers


def test_a_weight_counts_half_after_the_half_life():
  decay = core.ema_decay(jnp.int32(10**6), 50, half_life_kimg=2.0, rampup=0.0)
  assert float(decay) ** (2000 / 50) == pytest.approx(0.5, rel=1e-5)


def test_ramp_up_bounds_the_half_life_by_a_share_of_the_images_seen():
  early = core.ema_decay(jnp.int32(100), 64, half_life_kimg=100.0, rampup=0.05)
  assert float(early) == pytest.approx(0.5 ** (64 / (100 * 64 * 0.05)), rel=1e-5)
  assert float(core.ema_decay(jnp.int32(0), 64, half_life_kimg=100.0, rampup=0.05)) == 0.0
  assert float(core.ema_decay(jnp.int32(100), 64, half_life_kimg=0.0, rampup=0.0)) == 0.0


def test_average_covers_statistics_and_copies_directions():
  old = {
    'params': {'w': jnp.array([1.0])},
    'batch_stats': {'m': jnp.array([2.0])},
    'spectral_norm': {'u': jnp.array([3.0])},
  }
  new = jax.tree.map(lambda x: x + 10.0, old)
  mixed = core.ema(old, new, jnp.float32(0.75))
  assert float(mixed['params']['w'][0]) == pytest.approx(0.75 * 1 + 0.25 * 11)
  assert float(mixed['batch_stats']['m'][0]) == pytest.approx(0.75 * 2 + 0.25 * 12)
  assert float(mixed['spectral_norm']['u'][0]) == 13.0


def test_rows_do_not_depend_on_how_many_devices_share_them():
  draw = lambda n: jax.random.normal(jax.random.key(3), (n, 2))
  shared = jax.pmap(lambda _: core.local_rows(draw, 3, 'data'), 'data')(jnp.arange(8))
  np.testing.assert_array_equal(shared.reshape(24, 2), core.local_rows(draw, 24, None))


def test_the_trained_weights_can_stand_in_for_their_average():
  state = core.State(
    step=0,
    params={'generator': {'w': 1}, 'discriminator': {'w': 2}},
    opt_state={},
    model_state={'generator': {'batch_stats': {'m': 3}}, 'discriminator': {}},
    ema_params={'generator': {'params': {'w': 7}, 'batch_stats': {'m': 8}}},
    extra={},
  )
  assert core.with_trained_weights(state).ema_params == {'generator': {'params': {'w': 1}, 'batch_stats': {'m': 3}}}


def test_truncated_latents_keep_their_dtype_and_only_floats_are_scaled():
  latents = {'z': jnp.full((2, 3), 2.0, jnp.bfloat16)}
  scaled = core.truncated(latents, 1.5)['z']
  assert scaled.dtype == jnp.bfloat16 and (scaled == 3).all()
  codes = {'codes': jnp.ones(3, int)}
  assert core.truncated(codes, 1.0) is codes
  for wrong, factor in [(latents, 0), (latents, float('nan')), (codes, 0.5)]:
    with pytest.raises(core.ArgumentError, match='truncation is'):
      core.truncated(wrong, factor)


def algorithm_with(interpolate):
  return core.Algorithm(None, None, None, None, None, interpolate=interpolate)


def test_a_spherical_walk_turns_at_constant_speed_and_keeps_both_ends():
  a, b = (np.random.default_rng(seed).normal(size=(3, 4, 2)).astype(np.float32) for seed in (0, 1))
  walk = np.asarray(core.walk(algorithm_with(core.spherical), a, b, 5))
  assert walk.shape == (3, 5, 4, 2)
  np.testing.assert_array_equal(walk[:, 0], a)
  np.testing.assert_array_equal(walk[:, -1], b)
  for row in range(3):
    u, v = a[row].ravel().astype(float), b[row].ravel().astype(float)
    angle = np.arccos(u @ v / np.linalg.norm(u) / np.linalg.norm(v))
    for i, t in enumerate(np.linspace(0, 1, 5)):
      expected = (np.sin((1 - t) * angle) * u + np.sin(t * angle) * v) / np.sin(angle)
      np.testing.assert_allclose(walk[row, i].ravel(), expected, atol=1e-5)


def test_parallel_and_opposite_latents_are_joined_by_a_straight_line():
  a, b = np.float32([[1, 2], [1, 2]]), np.float32([[2, 4], [-1, -2]])
  for t in (0.25, 0.5):
    np.testing.assert_allclose(core.spherical(a, b, t), (1 - t) * a + t * b, atol=1e-6)


def test_a_straight_walk_is_one_and_codes_step_half_way():
  a, b = np.float32([[1, 5]]), np.float32([[3, 1]])
  walk = core.walk(algorithm_with(core.linear), a, b, 5)
  np.testing.assert_allclose(walk[0], [[1, 5], [1.5, 4], [2, 3], [2.5, 2], [3, 1]])
  for path in (core.spherical, core.linear):
    codes = core.walk(algorithm_with(path), {'c': jnp.array([[1, 2]])}, {'c': jnp.array([[7, 8]])}, 4)['c']
    assert codes.dtype == jnp.int32
    np.testing.assert_array_equal(codes, [[[1, 2], [1, 2], [7, 8], [7, 8]]])


def test_latents_that_do_not_go_together_are_refused():
  with pytest.raises(core.ArgumentError, match=r'float32\[2, 3\]'):
    core.spherical(np.ones((2, 3), np.float32), np.ones((2, 4), np.float32), 0.5)
  with pytest.raises(core.ArgumentError, match='num is 1'):
    core.walk(algorithm_with(core.linear), np.ones((1, 2)), np.ones((1, 2)), 1)


def test_an_update_reports_norms_and_the_learning_rate_that_was_used():
  falling = lambda updates: 0.1 / (1.0 + updates)
  settings = dict(
    name='sgd', learning_rate=falling, b1=0.0, b2=0.9, eps=1e-8, weight_decay=0.0, clip_norm=1.0, clip_weights=0.0
  )
  optimizer = optimizers.make(settings)
  params, grads = {'w': jnp.array([3.0, 4.0])}, {'w': jnp.array([0.0, 2.0])}
  opt_state = optimizer.init(params)
  for rate in (0.1, 0.05):
    before = params
    params, opt_state, metrics = core.update(optimizer, grads, opt_state, params)
    assert float(metrics['grad_norm']) == 2.0  # before it is clipped to 1
    assert float(metrics['learning_rate']) == pytest.approx(rate)
    np.testing.assert_allclose(params['w'], before['w'] - rate * np.array([0.0, 1.0]), rtol=1e-6)
    assert float(metrics['param_norm']) == pytest.approx(float(np.linalg.norm(params['w'])))


class Noisy(nn.Module):
  @nn.compact
  def __call__(self, x, *, train):
    x = nn.Dense(4)(x)
    if train:
      x = nn.Dropout(0.5, deterministic=False)(x)
      x += jax.random.normal(self.make_rng('noise'), x.shape)
    return nn.BatchNorm(use_running_average=not train)(x)


def test_a_pass_gives_random_streams_and_keeps_dtypes():
  x = jnp.ones((5, 3))
  variables = Noisy().init(jax.random.key(0), x, train=False)
  params, rest = variables['params'], {'batch_stats': variables['batch_stats']}
  run = lambda key, **options: core.forward(Noisy(), params, rest, x, key=key, **options)
  (one, after), (again, _), (other, _) = (run(jax.random.key(k)) for k in (1, 1, 2))
  np.testing.assert_array_equal(one, again)
  assert not np.array_equal(one, other)
  low, low_after = run(jax.random.key(1), dtype=jnp.bfloat16)
  assert low.dtype == jnp.float32 and not np.array_equal(low, one)  # computed in another dtype
  np.testing.assert_allclose(low, one, atol=0.15)
  assert jax.tree.map(lambda a: a.dtype, low_after) == jax.tree.map(lambda a: a.dtype, after)
  with pytest.raises(flax.errors.InvalidRngError):
    run(None)


def test_what_cannot_be_traced_is_told_with_the_axis_named():
  def train_step(state, batch, key):
    rows = batch['image'].shape[0] * core.axis_size('data')
    if rows % 3:
      raise ValueError(f'{rows} rows do not divide by 3')
    return state, {}

  algorithm = core.Algorithm(None, train_step, None, None, None)
  batch = lambda rows: {'image': jax.ShapeDtypeStruct((rows, 2, 2, 1), jnp.float32)}
  core.check_steps(algorithm, {}, batch(48), axis_name='data', devices=16)  # more devices than there are
  with pytest.raises(ValueError, match='with this config no step can be made: 32 rows do not divide by 3'):
    core.check_steps(algorithm, {}, batch(32), axis_name='data', devices=16)


def test_an_evaluation_step_is_traced_too():
  def eval_step(state, batch, key):
    raise core.ArgumentError('width', 3, 'even')

  algorithm = core.Algorithm(None, lambda state, batch, key: (state, {}), eval_step, None, None)
  with pytest.raises(ValueError, match=r'^width is 3; it must be even'):
    core.check_steps(algorithm, {}, {}, axis_name=None, devices=8)
