"""Projected GAN: mixing against loops, what stays frozen, and the contract with a small stand-in for the network."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import projected_gan as config_file
from gengan import config as configs
from gengan.models import projected_gan
from gengan.networks import efficientnet_lite
from tests.models.contract import Contract, tiny

WIDTHS = (3, 4, 5, 6)  # of the maps of the stand-in


def stand_in(params, images):
  """Four maps as large as those of the network, from means of pixels."""
  sizes = [images.shape[1] // stride for stride in (4, 8, 16, 32)]
  means = [images.reshape(len(images), s, images.shape[1] // s, s, -1, 3).mean(axis=(2, 4)) for s in sizes]
  return [jnp.tanh(x @ params[f'map_{i}']) for i, x in enumerate(means)]


def stand_in_weights(path=''):
  rng = np.random.default_rng(0)
  return {f'map_{i}': np.float32(rng.normal(size=(3, width))) for i, width in enumerate(WIDTHS)}


@pytest.fixture(scope='module', autouse=True)
def network():
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(efficientnet_lite, 'feature_maps', stand_in)
    patch.setattr(efficientnet_lite, 'pretrained', stand_in_weights)
    yield


def config_of():
  config = tiny(config_file.get_config('digits'), size=16)
  config.model.projector_size = 32
  return config


class TestContract(Contract):
  RECIPES = {'projected gan': config_of}  # noqa: RUF012
  COMPILED_ONCE = ('projected gan',)

  def test_steps_leave_the_frozen_network_as_it_is(self, stepped):
    _, _, _, before, after, *_ = stepped
    frozen = [state.model_state['discriminator']['frozen'] for state in (before, after)]
    assert jax.tree.all(jax.tree.map(np.array_equal, *frozen))
    np.testing.assert_array_equal(frozen[1]['Projector_0']['trunk']['map_0'], stand_in_weights()['map_0'])


@pytest.fixture(scope='module')
def projected():
  """The collection of a projector, images and their mixed maps."""
  images = np.float32(np.random.default_rng(1).uniform(-1, 1, (2, 32, 32, 1)))
  projector = projected_gan.Projector(32, stand_in_weights)
  variables = projector.init(jax.random.key(0), images)
  assert variables.keys() == {'frozen'}
  return variables['frozen'], images, projector.apply(variables, images)


def convolution(x, kernel):
  """Naive, [H, W, I] with zeros around."""
  taps, size = kernel.shape[0], x.shape[0]
  padded = np.pad(x, ((taps // 2,) * 2, (taps // 2,) * 2, (0, 0)))
  rows = [
    [np.einsum('abi,abio->o', padded[i : i + taps, j : j + taps], kernel) for j in range(size)] for i in range(size)
  ]
  return np.array(rows)


def enlarged(x):
  """Twice the size, bilinear: 3/4 of the pixel below and 1/4 of the next one, edges repeated."""
  for axis in (0, 1):
    x = np.moveaxis(x, axis, 0)
    before, after = np.concatenate([x[:1], x[:-1]]), np.concatenate([x[1:], x[-1:]])
    x = np.stack([0.75 * x + 0.25 * before, 0.75 * x + 0.25 * after], axis=1).reshape(-1, *x.shape[1:])
    x = np.moveaxis(x, 0, axis)
  return x


def test_maps_are_mixed_across_channels_and_then_from_the_smallest_up(projected):
  frozen, images, found = projected
  maps = stand_in(frozen['trunk'], jnp.asarray(images).repeat(3, axis=-1))
  assert [x.shape for x in found] == [(2, 8, 8, 64), (2, 4, 4, 128), (2, 2, 2, 256), (2, 1, 1, 512)]
  below = None
  for i in (3, 2, 1, 0):
    mixed = convolution(np.asarray(maps[i][0], np.float64), np.asarray(frozen[f'channels_{i}']))
    if below is not None:
      mixed = mixed + enlarged(convolution(below, np.asarray(frozen[f'scales_{i + 1}'])))
    np.testing.assert_allclose(found[i][0], mixed, rtol=1e-3, atol=1e-4)
    below = mixed


def test_random_convolutions_keep_the_variance(projected):
  frozen, *_ = projected
  for name, kernel in frozen.items():
    if name != 'trunk':
      fan_in = np.prod(kernel.shape[:-1])
      assert np.var(kernel) == pytest.approx(2 / fan_in, rel=0.2), name


def test_the_size_for_the_network_is_a_multiple_of_32():
  config = config_of()
  config.model.projector_size = 100
  with pytest.raises(configs.ConfigError, match=r'model\.projector_size is 100; it must be a multiple of 32'):
    configs.make_algorithm(config)


@pytest.mark.parametrize(('size', 'features'), [(256, [128, 256, 512]), (96, [320, 512, 512]), (64, [512, 512, 512])])
def test_discriminators_halve_the_largest_map_three_times_to_the_size_of_the_smallest(size, features):
  judge = projected_gan.MapDiscriminator(64, end_size=size // 32)
  largest = jax.ShapeDtypeStruct((2, size // 4, size // 4, 64), jnp.float32)
  init = lambda x: judge.init_with_output(jax.random.key(0), x, jnp.zeros(2, jnp.int32), train=True)
  output, variables = jax.eval_shape(init, largest)
  assert [variables['params'][f'Conv_{i}']['kernel'].shape[-1] for i in range(3)] == features
  patches = max(1, size // 32 - 3)
  assert output['logits'].shape == (2, patches**2)
