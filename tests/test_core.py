"""The averages and the device-independent random rows against formulas by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gengan import core


def test_a_weight_counts_half_after_the_half_life():
  decay = core.ema_decay(jnp.int32(10**6), 50, half_life_kimg=2.0, rampup=None)
  assert float(decay) ** (2000 / 50) == pytest.approx(0.5, rel=1e-5)


def test_ramp_up_bounds_the_half_life_by_a_share_of_the_images_seen():
  early = core.ema_decay(jnp.int32(100), 64, half_life_kimg=100.0, rampup=0.05)
  assert float(early) == pytest.approx(0.5 ** (64 / (100 * 64 * 0.05)), rel=1e-5)
  assert float(core.ema_decay(jnp.int32(0), 64, half_life_kimg=100.0, rampup=0.05)) == 0.0
  assert float(core.ema_decay(jnp.int32(100), 64, half_life_kimg=0.0, rampup=None)) == 0.0


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


def test_without_ema_shows_the_weights_as_trained():
  state = core.State(
    step=0,
    params={'generator': {'w': 1}, 'discriminator': {'w': 2}},
    opt_state={},
    model_state={'generator': {'batch_stats': {'m': 3}}, 'discriminator': {}},
    ema_params={'generator': {'params': {'w': 7}, 'batch_stats': {'m': 8}}},
    extra={},
  )
  assert core.without_ema(state).ema_params == {'generator': {'params': {'w': 1}, 'batch_stats': {'m': 3}}}


def test_scaled_latents_keep_their_dtype_and_only_floats_are_scaled():
  latents = {'z': jnp.full((2, 3), 2.0, jnp.bfloat16)}
  scaled = core.scale_latents(latents, 1.5)['z']
  assert scaled.dtype == jnp.bfloat16 and (scaled == 3).all()
  for wrong, factor in [(latents, 0), (latents, float('nan')), ({'codes': jnp.ones(3, int)}, 0.5)]:
    with pytest.raises(ValueError, match=r'factor|codes'):
      core.scale_latents(wrong, factor)


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
    raise ValueError('config.model.width is odd')

  algorithm = core.Algorithm(None, lambda state, batch, key: (state, {}), eval_step, None, None)
  with pytest.raises(ValueError, match=r'^config\.model\.width is odd'):
    core.check_steps(algorithm, {}, {}, axis_name=None, devices=8)
