"""The residual generator: its parts against formulas by hand, its sizes, and its refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import residual_dcgan as config_file
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
  last = state.params['generator']['Conv_0']['kernel']
  assert last.shape == (3, 3, 4, 3)  # g_width feature maps at full size


def test_classes_are_drawn_by_the_label_and_not_without_classes():
  latents = jnp.ones((3, 5))
  for num_classes, different in ((3, 3), (0, 1)):
    network = residual_dcgan.Generator(8, 1, 4, num_classes)
    variables = network.init(jax.random.key(0), latents, jnp.zeros(3, int), train=False)
    images = network.apply(variables, latents, jnp.arange(3), train=False)
    assert len(np.unique(np.asarray(images).reshape(3, -1), axis=0)) == different


@pytest.mark.parametrize(('label', 'columns'), [('one_hot', 5 + 10), ('embedding', 5 + 5), ('batch_norm', 5)])
def test_the_config_says_what_stands_beside_the_latent(label, columns):
  config = config_file.get_config()
  config.model.update(width=4, g_width=4, latent_size=5, num_classes=10, g_label=label)
  batch = {'image': jax.ShapeDtypeStruct((2, 16, 16, 1), jnp.float32), 'label': jax.ShapeDtypeStruct((2,), int)}
  state = jax.eval_shape(residual_dcgan.make(config).init, jax.random.key(0), batch)
  assert state.params['generator']['Dense_0']['kernel'].shape[0] == columns


@pytest.mark.parametrize(
  'field, message', [('g_width', 'config.model.g_width is 0; it must be at least 1'), ('width', 'config.model.width')]
)
def test_what_cannot_be_is_refused_by_name(field, message):
  config = config_file.get_config()
  config.model[field] = 0
  with pytest.raises(ValueError, match=message):
    residual_dcgan.make(config)
