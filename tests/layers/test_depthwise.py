"""Depthwise convolution against XLA's grouped one, to second order."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gengan.layers.depthwise import depthwise_convolved


def normal(seed, *shape):
  return jnp.asarray(np.random.default_rng(seed).standard_normal(shape), jnp.float32)


def of_xla(x, kernel, *, strides, padding):
  dimensions = ('NHWC', 'HWIO', 'NHWC')
  channels = x.shape[-1]
  return jax.lax.conv_general_dilated(
    x, kernel, strides, padding, dimension_numbers=dimensions, feature_group_count=channels
  )


def derivatives(apply, x, kernel):
  """The output, the gradients of a loss, and those of the squared norms of both."""
  loss = lambda x, kernel: jnp.sum(jnp.tanh(apply(x, kernel)) ** 3)
  first = jax.grad(loss, argnums=(0, 1))
  penalty = lambda x, kernel: sum(jnp.sum(jnp.square(leaf)) for leaf in first(x, kernel))
  return apply(x, kernel), first(x, kernel), jax.grad(penalty, argnums=(0, 1))(x, kernel)


@pytest.mark.parametrize(
  ('taps', 'strides', 'padding'),
  [
    ((3, 3), (1, 1), 'SAME'),
    ((3, 3), (2, 2), 'SAME'),
    ((5, 5), (1, 1), 'SAME'),
    ((5, 5), (2, 2), 'SAME'),
    ((3, 3), (2, 2), ((0, 1), (1, 0))),
    ((5, 3), (1, 2), ((3, 0), (-1, 2))),
    ((3, 2), (1, 1), 'VALID'),
    ((1, 2), (3, 2), 'SAME'),  # a stride that skips pixels
  ],
)
def test_it_equals_the_grouped_convolution_to_second_order(taps, strides, padding):
  x, kernel = normal(0, 2, 7, 6, 3), normal(1, *taps, 1, 3)
  settings = {'strides': strides, 'padding': padding}
  ours, theirs = lambda x, w: depthwise_convolved(x, w, **settings), lambda x, w: of_xla(x, w, **settings)
  both = jax.jit(lambda x, kernel: (derivatives(ours, x, kernel), derivatives(theirs, x, kernel)))
  for actual, expected in zip(*map(jax.tree.leaves, both(x, kernel)), strict=True):
    np.testing.assert_allclose(actual, expected, rtol=2e-4, atol=2e-5 * max(1.0, float(np.abs(expected).max())))


def test_no_grouped_convolution_is_left_on_a_cpu():
  x, kernel = normal(0, 2, 8, 8, 4), normal(1, 3, 3, 1, 4)
  compute = jax.jit(lambda x, w: derivatives(lambda x, w: depthwise_convolved(x, w, strides=(2, 2)), x, w))
  text = compute.lower(x, kernel).compile().as_text()
  assert not re.search(r' convolution\(|feature_group_count', text)


def test_half_precision_stays_half_precision():
  x, kernel = (normal(0, 1, 4, 4, 2).astype(jnp.bfloat16), normal(1, 3, 3, 1, 2).astype(jnp.bfloat16))
  assert depthwise_convolved(x, kernel).dtype == jnp.bfloat16
  assert (
    jax.eval_shape(jax.grad(lambda w: depthwise_convolved(x, w).sum().astype(jnp.float32)), kernel).dtype
    == jnp.bfloat16
  )


def test_shapes_that_do_not_fit_are_explained():
  x = jnp.zeros((1, 4, 4, 2))
  with pytest.raises(ValueError, match=r'need a kernel \[h, w, 1, C\] of as many channels, not \[3, 3, 2, 2\]'):
    depthwise_convolved(x, jnp.zeros((3, 3, 2, 2)))
  with pytest.raises(ValueError, match='does not fit into images'):
    depthwise_convolved(x, jnp.zeros((5, 5, 1, 2)), padding='VALID')
