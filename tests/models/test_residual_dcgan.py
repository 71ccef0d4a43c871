"""The residual generator: its parts against formulas by hand, its sizes, and its refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from configs import residual_dcgan as config_file
from gengan import layers
from gengan.models import residual_dcgan


@pytest.mark.parametrize('size', [8, 28, 32, 48])
@pytest.mark.parametrize('conditional', [False, True])
def test_every_size_is_made(size, conditional):
  config = config_file.get_config()
  config.data.update(image_size=size, channels=3)
  config.model.update(width=4, g_width=4, conditional=conditional, num_classes=10)
  algorithm = residual_dcgan.make(config)
  batch = {'image': jax.ShapeDtypeStruct((2, size, size, 3), jnp.float32), 'label': jax.ShapeDtypeStruct((2,), int)}
  state = jax.eval_shape(algorithm.init, jax.random.key(0), batch)
  images = jax.eval_shape(algorithm.decode, state, jax.ShapeDtypeStruct((2, 100), jnp.float32), batch['label'])
  assert images.shape == batch['image'].shape
  last = state.params['generator'][f'Conv_{2 * layers.resolution_plan(size)[1]}']['kernel']
  assert last.shape == (3, 3, 4, 3)  # g_width feature maps at full size


def test_batch_norm_has_a_scale_and_a_bias_for_each_class():
  rng = np.random.default_rng(0)
  x, labels = rng.normal(2, 3, (4, 5, 5, 6)).astype(np.float32), np.array([0, 2, 2, 1])
  gain, bias = rng.normal(size=(2, 3, 6)).astype(np.float32)
  norm = residual_dcgan.ConditionalBatchNorm(3, train=True)
  variables = norm.init(jax.random.key(0), x, labels)
  params = {**variables['params'], 'gain': {'embedding': gain}, 'bias': {'embedding': bias}}
  y, _ = norm.apply({**variables, 'params': params}, x, labels, mutable=['batch_stats'])
  plain = (x - x.mean((0, 1, 2))) / np.sqrt(x.var((0, 1, 2)) + 1e-5)
  for row, label in enumerate(labels):
    np.testing.assert_allclose(y[row], plain[row] * (1 + gain[label]) + bias[label], atol=1e-4)


def test_a_transposed_convolution_holds_upsampling_and_a_convolution():
  rng = np.random.default_rng(1)
  x, kernel = rng.normal(size=(2, 6, 6, 3)).astype(np.float32), rng.normal(size=(3, 3, 3, 4)).astype(np.float32)
  in_two = nn.Conv(4, (3, 3), use_bias=False).apply({'params': {'kernel': kernel}}, residual_dcgan._doubled(x))
  wide = np.pad(kernel, ((1, 1), (1, 1), (0, 0), (0, 0)))
  wide = wide[:-1, :-1] + wide[:-1, 1:] + wide[1:, :-1] + wide[1:, 1:]  # every tap on the 2x2 copies of a pixel
  layer = layers.ConvTranspose(4, (4, 4), strides=(2, 2), use_bias=False)
  np.testing.assert_allclose(layer.apply({'params': {'kernel': wide}}, x), in_two, atol=1e-4)


def test_classes_are_drawn_by_the_label_and_not_without_classes():
  latents = jnp.ones((3, 5))
  for num_classes, different in ((3, 3), (0, 1)):
    network = residual_dcgan.Generator(8, 1, 4, num_classes)
    variables = network.init(jax.random.key(0), latents, jnp.zeros(3, int), train=False)
    images = network.apply(variables, latents, jnp.arange(3), train=False)
    assert len(np.unique(np.asarray(images).reshape(3, -1), axis=0)) == different


@pytest.mark.parametrize(
  'field, message', [('g_width', 'config.model.g_width is 0; it must be at least 1'), ('width', 'config.model.width')]
)
def test_what_cannot_be_is_refused_by_name(field, message):
  config = config_file.get_config()
  config.model[field] = 0
  with pytest.raises(ValueError, match=message):
    residual_dcgan.make(config)
