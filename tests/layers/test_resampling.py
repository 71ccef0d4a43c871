"""Resampling against zeros put in, a plain convolution and pixels left out, to second order."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gengan import layers
from gengan.layers import resampling


def normal(seed, *shape):
  return jnp.asarray(np.random.default_rng(seed).standard_normal(shape), jnp.float32)


def naive(x, taps, up, down):
  """The words of the docstring, one after the other, with a convolution of each channel by itself."""
  rows, height, width, channels = x.shape
  taps = np.asarray(taps, np.float32) / np.sum(taps)
  spread = jnp.zeros((rows, height * up, width * up, channels)).at[:, ::up, ::up].set(x)
  low = (len(taps) + up - down) // 2
  padding = [(low, len(taps) - 1 - low)] * 2
  kernel = jnp.asarray(np.outer(taps, taps) * up**2)[:, :, None, None]
  one = lambda image: jax.lax.conv_general_dilated(
    image[..., None], kernel, (1, 1), padding, dimension_numbers=('NHWC', 'HWIO', 'NHWC')
  )[..., 0]
  return jnp.moveaxis(jax.vmap(one)(jnp.moveaxis(spread, -1, 0)), 0, -1)[:, ::down, ::down]


def derivatives(apply, x):
  """The output, the gradient of a loss, and that of its squared norm."""
  loss = lambda x: jnp.sum(jnp.sin(apply(x)))
  penalty = lambda x: jnp.sum(jnp.square(jax.grad(loss)(x)))
  return apply(x), jax.grad(loss)(x), jax.grad(penalty)(x)


@pytest.mark.parametrize('up, down', [(1, 1), (2, 1), (1, 2), (3, 2), (2, 4)])
@pytest.mark.parametrize('taps', [(1, 3, 3, 1), (1, 2, 1), (1, 0.5, 2, 3, 1), (2,)])
def test_resampling_is_what_it_says_to_second_order(taps, up, down):
  x = normal(0, 2, 4, 8, 3)
  both = jax.jit(
    lambda x: [
      derivatives(apply, x)
      for apply in (lambda x: layers.resampled(x, taps, up=up, down=down), lambda x: naive(x, taps, up, down))
    ]
  )
  for actual, expected in zip(*both(x), strict=True):
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)


def test_a_constant_image_keeps_its_value_inside():
  x = jnp.ones((1, 8, 8, 2))
  np.testing.assert_allclose(layers.resampled(x, (1, 3, 3, 1), up=2)[:, 2:-2, 2:-2], 1.0, rtol=1e-6)
  np.testing.assert_allclose(layers.resampled(x, (1, 3, 3, 1), down=2)[:, 1:-1, 1:-1], 1.0, rtol=1e-6)


def test_up_sampling_is_bilinear_and_keeps_the_centre():
  x = jnp.arange(8.0)[None, None, :, None] * jnp.ones((1, 8, 1, 1))  # the value is the pixel's place
  places = (np.arange(16) + 0.5) / 2 - 0.5
  np.testing.assert_allclose(layers.resampled(x, (1, 3, 3, 1), up=2)[0, 8, 2:-2, 0], places[2:-2], rtol=1e-6)


def test_blur_and_its_padding():
  x = normal(0, 1, 5, 6, 2)
  assert resampling.blurred(x, (1, 3, 3, 1), padding=(2, 2)).shape == (1, 6, 7, 2)
  alike = naive(x, (1, 3, 3, 1), 1, 1)
  np.testing.assert_allclose(
    resampling.blurred(x, (1, 3, 3, 1), padding=(2, 1), gain=4.0), 4 * alike, rtol=1e-4, atol=1e-6
  )


def test_half_precision_stays_half_precision():
  assert layers.resampled(jnp.zeros((1, 4, 4, 1), jnp.bfloat16), (1, 2, 1), up=2).dtype == jnp.bfloat16


def test_impossible_settings_are_explained():
  x = jnp.zeros((1, 6, 6, 1))
  with pytest.raises(ValueError, match='down is 4; it must be a divisor of the size, 6 x 6 pixels'):
    layers.resampled(x, (1, 2, 1), down=4)
  with pytest.raises(ValueError, match='up is 0; it must be at least 1'):
    layers.resampled(x, (1, 2, 1), up=0)
  with pytest.raises(ValueError, match='numbers whose sum is not 0'):
    layers.resampled(x, (1, -1))
