"""Modulated convolution against a loop over images, to second order, and the scale of equalized layers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gengan import layers
from gengan.layers import equalized, modulated

TAPS = (1, 3, 3, 1)


def normal(seed, *shape):
  return jnp.asarray(np.random.default_rng(seed).standard_normal(shape), jnp.float32)


def correlated(image, kernel, padding):
  """[H, W, I] and [k, k, I, O], tap by tap."""
  padded = jnp.pad(image, (padding, padding, (0, 0)))
  rows, columns = (padded.shape[axis] - kernel.shape[axis] + 1 for axis in (0, 1))
  taps = [(i, j) for i in range(kernel.shape[0]) for j in range(kernel.shape[1])]
  return sum(padded[i : i + rows, j : j + columns] @ kernel[i, j] for i, j in taps)


def of_one_image(image, kernel, style, demodulate, up):
  """Equations 1 and 3 of the paper for one image, with a kernel of its own."""
  own = kernel * style[None, None, :, None]
  if demodulate:
    own = own / jnp.sqrt(jnp.sum(own**2, axis=(0, 1, 2), keepdims=True) + 1e-8)
  size = kernel.shape[0]
  if up == 1:
    return correlated(image, own, (size // 2, size // 2))
  height, width = image.shape[:2]
  y = jnp.zeros((2 * height + size - 2, 2 * width + size - 2, kernel.shape[-1]))
  for i in range(size):
    for j in range(size):  # every pixel is spread over the pixels around twice its place
      y = y.at[i : i + 2 * height - 1 : 2, j : j + 2 * width - 1 : 2].add(image @ own[i, j])
  blur = np.outer(TAPS, TAPS) / np.sum(TAPS) ** 2 * 4
  return correlated(y, jnp.asarray(blur)[..., None, None] * jnp.eye(y.shape[-1]), (1, 1))


def derivatives(apply, *inputs):
  """Output, gradients of a loss in all inputs, and those of the squared gradient norms in image and style."""
  loss = lambda x, k, s: jnp.sum(jnp.sin(apply(x, k, s)))
  penalty = lambda x, k, s: sum(jnp.sum(g**2) for g in jax.grad(loss, argnums=(0, 2))(x, k, s))
  return apply(*inputs), jax.grad(loss, argnums=(0, 1, 2))(*inputs), jax.grad(penalty, argnums=(0, 1, 2))(*inputs)


@pytest.mark.parametrize('demodulate', [True, False])
@pytest.mark.parametrize('up', [1, 2])
def test_modulated_convolution_equals_a_loop_over_images_to_second_order(up, demodulate):
  x, kernel, styles = normal(0, 3, 4, 5, 4), 0.3 * normal(1, 3, 3, 4, 9), 1 + 0.5 * normal(2, 3, 4)
  ours = lambda x, k, s: modulated.modulated_conv(x, k, s, demodulate=demodulate, up=up)
  loop = lambda x, k, s: jnp.stack(
    [of_one_image(image, k, style, demodulate, up) for image, style in zip(x, s, strict=True)]
  )
  found = jax.jit(lambda *inputs: (derivatives(ours, *inputs), derivatives(loop, *inputs)))(x, kernel, styles)
  for actual, expected in zip(*map(jax.tree.leaves, found), strict=True):
    np.testing.assert_allclose(actual, expected, rtol=1e-3, atol=2e-5 * max(1, np.abs(expected).max()))


def test_demodulated_outputs_have_unit_deviation_whatever_the_style():
  x, layer = normal(0, 4, 16, 16, 64), layers.ModulatedConv(32, 3)
  w = 3 * normal(1, 4, 8)
  params = layer.init(jax.random.key(0), x, w)
  y = layer.apply(params, x, w)[:, 1:-1, 1:-1]
  np.testing.assert_allclose(np.std(y, axis=(1, 2, 3)), 1.0, atol=0.1)
  doubled = {'params': {**params['params'], 'affine': jax.tree.map(lambda p: 2 * p, params['params']['affine'])}}
  np.testing.assert_allclose(layer.apply(doubled, x, w)[:, 1:-1, 1:-1], y, rtol=1e-3, atol=1e-4)


def test_equalized_layers_keep_the_scale_and_know_their_learning_rate():
  x = normal(0, 512, 256)
  for rate in (1.0, 0.01):
    layer = layers.EqualizedDense(128, bias=1.0, lr_multiplier=rate)
    params = layer.init(jax.random.key(0), x)
    y = layer.apply(params, x)
    assert np.std(y - 1) == pytest.approx(1.0, rel=0.05)
    moved = layer.apply({'params': jax.tree.map(lambda p: p + 0.001, params['params'])}, x)
    change = np.asarray(x.sum(1) / 16 + 1)[:, None] * 0.001 * rate
    np.testing.assert_allclose(moved - y, np.broadcast_to(change, y.shape), atol=2e-5)


@pytest.mark.parametrize('size', [1, 3])
def test_an_equalized_convolution_that_halves_is_a_blur_and_a_strided_convolution(size):
  x, kernel = normal(0, 2, 6, 8, 3), normal(1, size, size, 3, 5)
  pad = size // 2
  blur = np.outer(TAPS, TAPS) / np.sum(TAPS) ** 2
  blurred = jax.vmap(
    lambda image: correlated(image, jnp.asarray(blur)[..., None, None] * jnp.eye(3), (pad + 1, pad + 1))
  )
  expected = jax.vmap(lambda image: correlated(image, kernel, (0, 0)))(blurred(x))[:, ::2, ::2]
  np.testing.assert_allclose(equalized.conv_down(x, kernel, down=2), expected, rtol=1e-4, atol=1e-5)
  layer = layers.EqualizedConv(5, size, down=2)
  y = layer.apply({'params': {'kernel': kernel, 'bias': jnp.ones(5)}}, x)
  np.testing.assert_allclose(y, expected / np.sqrt(3 * size**2) + 1, rtol=1e-4, atol=1e-5)


def test_half_precision_stays_half_precision():
  x, w = jnp.ones((1, 4, 4, 2), jnp.bfloat16), jnp.ones((1, 3), jnp.bfloat16)
  for layer, inputs in ((layers.ModulatedConv(2, 3, up=2), (x, w)), (layers.EqualizedConv(2, 3, down=2), (x,))):
    params = jax.tree.map(lambda p: p.astype(jnp.bfloat16), layer.init(jax.random.key(0), *inputs))
    assert layer.apply(params, *inputs).dtype == jnp.bfloat16
