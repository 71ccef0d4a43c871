"""DCGAN against the published network, and its refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import conditional_dcgan
from configs import dcgan as dcgan_config
from gengan.models import dcgan


def parameters(tree):
  return sum(leaf.size for leaf in jax.tree.leaves(tree))


def abstract_init(config):
  shape = (2, config.data.image_size, config.data.image_size, config.data.channels)
  algorithm = dcgan.make(config)
  batch = {'image': jax.ShapeDtypeStruct(shape, jnp.float32), 'label': jax.ShapeDtypeStruct((2,), jnp.int32)}
  state = jax.eval_shape(algorithm.init, jax.random.key(0), batch)
  return algorithm, state, batch


def test_parameter_counts_at_64_px_are_those_of_the_well_known_example():
  _, state, _ = abstract_init(dcgan_config.get_config('celeb_a'))
  assert parameters(state.params['generator']) == 3_576_704
  assert parameters(state.params['discriminator']) == 2_765_568


@pytest.mark.parametrize('channels', [1, 3])
@pytest.mark.parametrize('size', [8, 16, 28, 32, 48, 64, 128])
@pytest.mark.parametrize('conditional', [False, True])
def test_every_size_is_made(size, channels, conditional):
  config = dcgan_config.get_config()
  config.data.update(image_size=size, channels=channels)
  config.model.update(width=4, conditional=conditional, num_classes=10)
  algorithm, state, batch = abstract_init(config)
  latents = jax.ShapeDtypeStruct((2, 100), jnp.float32)
  images = jax.eval_shape(algorithm.decode, state, latents, batch['label'])
  assert images.shape == batch['image'].shape
  logits = jax.eval_shape(algorithm.eval_step, state, batch, jax.random.key(0))
  assert logits['d_real'].shape == (2,)


@pytest.fixture(scope='module')
def conditional():
  config = conditional_dcgan.get_config()
  config.data.image_size = 8
  config.model.update(width=4, num_classes=10)
  algorithm = dcgan.make(config)
  batch = {'image': jnp.zeros((4, 8, 8, 1)), 'label': jnp.arange(4)}
  return algorithm, algorithm.init(jax.random.key(0), batch), batch


def test_both_networks_read_the_label(conditional):
  algorithm, state, batch = conditional
  latents = jnp.ones((2, 100))
  one, other = (algorithm.decode(state, latents, jnp.full(2, label)) for label in (3, 4))
  assert np.abs(one - other).max() > 1e-4
  d_real = algorithm.eval_step(state, batch | {'image': jnp.ones((4, 8, 8, 1))}, jax.random.key(0))['d_real']
  assert np.unique(np.asarray(d_real)).size == 4  # equal images, four labels


def test_a_fresh_generator_hears_the_latent_better_than_the_label(conditional):
  algorithm, state, _ = conditional
  latents = jax.random.normal(jax.random.key(1), (20, 100))
  same_label = algorithm.decode(state, latents, jnp.zeros(20, jnp.int32))
  same_latent = algorithm.decode(state, latents[:1].repeat(20, 0), jnp.arange(20) % 10)
  assert np.std(same_label, axis=0).mean() > 3 * np.std(same_latent, axis=0).mean()


def test_an_average_over_the_batch_is_refused_where_devices_see_parts_of_it():
  config = dcgan_config.get_config()
  config.loss = 'relativistic_average'
  dcgan.make(config)
  with pytest.raises(ValueError, match=r"config\.loss is 'relativistic_average' while config\.mesh\.mode is 'pmap'"):
    dcgan.make(config, axis_name='data')
  config.micro_batches = 2
  with pytest.raises(ValueError, match=r"config\.loss is 'relativistic_average' while config\.micro_batches is 2"):
    dcgan.make(config)


def test_the_unconditional_networks_do_not():
  config = dcgan_config.get_config()
  config.data.image_size, config.model.width = 8, 4
  algorithm = dcgan.make(config)
  state = algorithm.init(jax.random.key(0), {'image': jnp.zeros((2, 8, 8, 1)), 'label': jnp.zeros(2, jnp.int32)})
  one, other = (algorithm.decode(state, jnp.ones((2, 100)), jnp.full(2, label)) for label in (3, 4))
  np.testing.assert_array_equal(one, other)


def test_samples_lie_in_the_images_range_with_the_slope_as_set():
  latents, labels = jnp.ones((2, 100)), jnp.zeros(2, jnp.int32)
  make = lambda slope: dcgan.Generator(8, 1, 4, slope=slope)
  variables = make(0.0).init(jax.random.key(0), latents, labels, train=False)
  relu, leaky = (make(slope).apply(variables, latents, labels, train=False) for slope in (0.0, 0.5))
  assert np.abs(relu).max() <= 1 and np.abs(relu - leaky).max() > 1e-6


@pytest.mark.parametrize(
  ('field', 'value', 'message'),
  [
    ('data.image_size', 100, 'config.data.image_size is 100.*96 or 112'),
    ('model.latent_size', 0, 'config.model.latent_size is 0'),
    ('model.width', 0, 'config.model.width is 0'),
    ('model.d_norm', 'instance', 'config.model.d_norm.*batch, layer, spectral, none'),
    ('loss', 'cross_entropy', 'config.loss.*non_saturating'),
    ('terms.gradient_penalty', 10.0, 'config.model.d_norm'),
    ('model.conditional', True, 'config.model.num_classes'),
    ('d_steps_per_g_step', 0, 'config.d_steps_per_g_step'),
    (
      'model.batch_norm_groups',
      0,
      'config.model.batch_norm_groups is 0; .* at least 1 and divide the rows of an update, 64',
    ),
    ('model.batch_norm_groups', 3, 'config.model.batch_norm_groups is 3; .* divide the rows of an update, 64'),
    ('model.g_slope', -0.1, 'config.model.g_slope is -0.1; it must be at least 0 and below 1'),
    ('model.g_slope', float('nan'), 'config.model.g_slope is nan'),
    ('model.d_slope', 1.0, 'config.model.d_slope is 1.0'),
    ('ema.half_life_kimg', -1.0, 'config.ema.half_life_kimg is -1.0; it must be at least 0'),
    ('ema.rampup', float('nan'), 'config.ema.rampup is nan; it must be from 0 to 1'),
    ('ema.rampup', 1.5, 'config.ema.rampup is 1.5'),
    ('terms.r1', -1.0, 'config.terms.r1 is -1.0; it must be a number >= 0'),
    ('d_steps_per_g_step', 3, 'config.d_steps_per_g_step is 3; it must be a divisor of config.batch_size, 64'),
    ('micro_batches', 5, 'config.micro_batches is 5; it must be a divisor of'),
    ('dtype', 'float16', "config.dtype is 'float16'; it must be one of float32, bfloat16"),
    ('augment', 'blur', "config.augment is 'blur'"),
    ('augment_probability', 2.0, 'config.augment_probability is 2.0'),
    ('ada_target', 0.6, "config.ada_target is 0.6 while config.augment is ''; it must be 0"),
    ('optimizers.generator.b2', 1.0, 'config.optimizers.generator.b2 is 1.0; it must be at least 0 and below 1'),
    ('optimizers.generator.name', 'lion', 'config.optimizers.generator.name.*adam'),
  ],
)
def test_what_cannot_be_is_refused_by_name(field, value, message):
  config = dcgan_config.get_config()
  config.update_from_flattened_dict({field: value})
  with pytest.raises(ValueError, match=message):
    dcgan.make(config)


def test_batch_norm_groups_divide_the_share_of_one_update_of_d():
  config = dcgan_config.get_config()
  config.model.batch_norm_groups = 32
  dcgan.make(config)
  config.d_steps_per_g_step = 4
  with pytest.raises(ValueError, match=r'batch_norm_groups is 32; .*the rows of an update, 16'):
    dcgan.make(config)
