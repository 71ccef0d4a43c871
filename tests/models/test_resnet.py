"""WGAN-GP, SNGAN, SAGAN, BigGAN and the deep DCGAN: sizes as published, what reads the label, what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gengan.config
from configs import biggan, deep_conv, sagan, sngan, wgan_gp
from gengan.models import resnet

CONFIGS = {'wgan_gp': wgan_gp, 'sngan': sngan, 'sagan': sagan, 'biggan': biggan}


def config_of(recipe, variant='cifar10', **options):
  config = {**CONFIGS, 'deep_conv': deep_conv}[recipe].get_config(variant)
  config.model.num_classes = 10
  config.update_from_flattened_dict(options)
  return config


def abstract_state(config):
  size, channels = config.data.image_size, config.data.channels
  batch = {'image': jax.ShapeDtypeStruct((2, size, size, channels), jnp.float32)}
  batch['label'] = jax.ShapeDtypeStruct((2,), jnp.int32)
  algorithm = gengan.config.make_algorithm(config)
  return algorithm, jax.eval_shape(algorithm.init, jax.random.key(0), batch), batch


def sizes(config):
  params = abstract_state(config)[1].params
  count = lambda tree: sum(leaf.size for leaf in jax.tree.leaves(tree))
  return count(params['generator']), count(params['discriminator'])


# PyTorch-StudioGAN's logs of CIFAR-10, but for what the comments say.
BATCH_NORM_OF_D = 2 * (3 + 128) + 3 * 2 * 128 + 2 * 2 * 2 * 128  # in the first block, in the second, in the two others
EMBEDDING = 10 * 128  # of the projection


@pytest.mark.parametrize(
  ('recipe', 'conditional', 'generator', 'discriminator'),
  [
    ('wgan_gp', False, 4_276_739, 1_055_879 - BATCH_NORM_OF_D - 1),  # no norm, no bias of the logit
    ('sngan', True, 4_304_387, 1_055_105),
    ('sngan', False, 4_276_739, 1_055_105 - EMBEDDING),
    # An eighth, an eighth and half of the features, back from half of them, and gamma.
    ('sagan', True, 4_304_387 + 256 * (32 + 32 + 128 + 128) + 1, 1_055_105 + 128 * (16 + 16 + 64 + 64) + 1),
    ('biggan', True, 9_416_196, 2_415_170),
    ('deep_conv', False, 3_812_355, 2_931_009),
  ],
)
def test_parameter_counts_at_32_px_are_those_of_studiogan(recipe, conditional, generator, discriminator):
  assert sizes(config_of(recipe, **{'model.conditional': conditional})) == (generator, discriminator)


def test_batch_norm_of_the_other_critic_is_all_that_differs():
  assert BATCH_NORM_OF_D == 2054


@pytest.mark.parametrize('recipe', CONFIGS)
@pytest.mark.parametrize(('variant', 'size'), [('digits', 16), ('fashion_mnist,small', 28), ('celeb_a', 64)])
@pytest.mark.parametrize('conditional', [False, True])
def test_every_size_is_made(recipe, variant, size, conditional):
  latent_size = 5 * 4 * 3  # of hierarchical latents in 3, 4 or 5 parts
  options = {'data.image_size': size, 'model.conditional': conditional, 'model.latent_size': latent_size}
  algorithm, state, batch = abstract_state(config_of(recipe, variant, **options))
  latents = jax.ShapeDtypeStruct((2, latent_size), jnp.float32)
  assert jax.eval_shape(algorithm.decode, state, latents, batch['label']).shape == batch['image'].shape


def test_biggan_at_128_px_attends_at_64():
  config = config_of('biggan', 'celeb_a', **{'data.image_size': 128, 'model.latent_size': 120})
  _, state, _ = abstract_state(config)
  features = lambda network: state.params[network]['SelfAttention_0']['f']['kernel'].shape[0]
  assert (features('generator'), features('discriminator')) == (192, 96)  # Brock et al. 2019, table 4: 2 ch and ch


@pytest.mark.parametrize('shape', [(3, 3, 4, 8), (3, 3, 2, 40), (12, 7), (10, 16)])
def test_orthogonal_kernels_are_orthogonal(shape):
  for init in resnet.INITS['orthogonal']:
    kernel = np.asarray(init(jax.random.key(0), shape)).reshape(-1, shape[-1])
    narrow = kernel if kernel.shape[0] >= kernel.shape[1] else kernel.T
    np.testing.assert_allclose(narrow.T @ narrow, np.eye(narrow.shape[1]), atol=1e-5)


@pytest.fixture(scope='module')
def networks():
  """Both networks of a tiny BigGAN, conditional and not, and their variables."""

  def made(num_classes):
    generator = resnet.Generator(8, 1, 2, num_classes, shared=4, attention=2, spectral_norm=True)
    discriminator = resnet.Discriminator(4, num_classes, attention=2)
    init = lambda network, x: jax.jit(lambda: network.init(jax.random.key(0), x, jnp.zeros(3, int), train=False))()
    return (generator, init(generator, jnp.ones((3, 6)))), (discriminator, init(discriminator, jnp.ones((3, 8, 8, 1))))

  return {num_classes: made(num_classes) for num_classes in (0, 3)}


@pytest.mark.parametrize(('num_classes', 'different'), [(3, 3), (0, 1)])
def test_both_networks_read_the_label_and_neither_does_without_classes(networks, num_classes, different):
  for (network, variables), x in zip(networks[num_classes], (jnp.ones((3, 6)), jnp.ones((3, 8, 8, 1))), strict=True):
    outputs = jax.jit(lambda x, n=network, v=variables: n.apply(v, x, jnp.arange(3), train=False))(x)
    assert len(np.unique(np.asarray(outputs).reshape(3, -1), axis=0)) == different


def test_every_part_of_hierarchical_latents_is_heard(networks):
  generator, variables = networks[3][0]
  latents = jnp.eye(6)
  labels = jnp.zeros(6, int)
  images = jax.jit(lambda z: generator.apply(variables, z, labels, train=False))(latents)
  assert len(np.unique(np.asarray(images).reshape(6, -1), axis=0)) == 6


@pytest.mark.parametrize(
  ('recipe', 'field', 'value', 'message'),
  [
    ('sngan', 'model.g_width', 0, 'config.model.g_width is 0; it must be at least 1'),
    ('sngan', 'model.d_norm', 'batch', "config.model.d_norm is 'batch'; it must be one of none, layer, spectral"),
    ('sngan', 'model.g_label', 'voice', 'config.model.g_label .* one_hot, embedding, batch_norm'),
    ('sngan', 'model.d_label', 'voice', 'config.model.d_label .* projection, auxiliary, embedding'),
    ('sngan', 'model.initializer', 'zeros', 'config.model.initializer .* orthogonal, xavier, normal'),
    ('sngan', 'data.image_size', 100, 'config.data.image_size is 100'),
    ('sagan', 'model.attention', 8, 'config.model.attention is 8; it must be one of 0, 2, 4, at images of 32 px'),
    ('biggan', 'model.latent_size', 81, 'config.model.latent_size is 81; it must be a multiple of 4'),
    ('biggan', 'model.g_label', 'one_hot', "config.model.g_label is 'one_hot'; it must be 'batch_norm'"),
    ('biggan', 'model.shared_size', 0, 'config.model.shared_size is 0'),
    ('biggan', 'model.standing_statistics', -1, 'config.model.standing_statistics is -1; it must be at least 0'),
  ],
)
def test_what_cannot_be_is_refused_by_name(recipe, field, value, message):
  with pytest.raises(ValueError, match=message):
    gengan.config.make_algorithm(config_of(recipe, **{field: value}))
