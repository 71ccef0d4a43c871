"""Grouped convolution against that of lax: values, first and second derivatives, and the program on a CPU."""

import re

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from gengan import layers
from gengan.layers import grouped


def normal(*shape):
  return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


def of_lax(x, w, stride, groups):
  return lax.conv_general_dilated(
    x,
    w,
    (stride, stride),
    ((1, 1), (1, 1)),
    dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
    feature_group_count=groups,
  )


def derivatives(f):
  """Output, first derivatives, and derivatives of penalties on them."""
  value = lambda x, w: jnp.sum(jnp.sin(f(x, w)))

  def penalty(x, w):
    by_x, by_w = jax.grad(value, argnums=(0, 1))(x, w)
    return jnp.sum(jnp.square(by_x)) + jnp.sum(jnp.cos(by_w))

  return lambda x, w: (f(x, w), *(jax.grad(of, argnums=(0, 1))(x, w) for of in (value, penalty)))


@pytest.mark.parametrize(
  'groups, inputs, outputs, stride', [(4, 8, 16, 1), (3, 6, 6, 1), (4, 4, 8, 2), (8, 128, 128, 1)]
)
def test_values_and_derivatives_are_those_of_lax(groups, inputs, outputs, stride):
  layer = layers.GroupedConv(outputs, (3, 3), stride, ((1, 1), (1, 1)), use_bias=False, groups=groups)
  x, w = normal(2, 5, 4, inputs), normal(3, 3, inputs // groups, outputs)
  found = jax.jit(derivatives(lambda x, w: layer.apply({'params': {'kernel': w}}, x)))(x, w)
  expected = jax.jit(derivatives(lambda x, w: of_lax(x, w, stride, groups)))(x, w)
  for new, old in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
    np.testing.assert_allclose(new, old, rtol=1e-4, atol=2e-5 * np.abs(old).max())


def test_parameters_and_values_are_those_of_linen():
  x = normal(2, 5, 5, 8)
  ours, theirs = layers.GroupedConv(16, (3, 3), groups=4), nn.Conv(16, (3, 3), feature_group_count=4)
  variables = ours.init(jax.random.key(0), x)
  shapes = lambda tree: jax.tree.map(jnp.shape, tree)
  assert shapes(variables) == shapes(theirs.init(jax.random.key(0), x))
  np.testing.assert_allclose(ours.apply(variables, x), theirs.apply(variables, x), atol=1e-5)


def test_the_form_of_accelerators_has_the_same_derivatives(monkeypatch):
  monkeypatch.setattr(lax, 'platform_dependent', lambda *args, cpu, default: default(*args))
  test_values_and_derivatives_are_those_of_lax(4, 8, 16, 1)
  test_values_and_derivatives_are_those_of_lax(4, 4, 8, 2)


def test_no_program_on_a_cpu_has_groups_or_reads_a_kernel_backwards():
  layer = layers.GroupedConv(8, (3, 3), groups=4)
  program = jax.jit(derivatives(lambda x, w: layer.apply({'params': {'kernel': w, 'bias': jnp.zeros(8)}}, x)))
  convolutions = re.findall(
    r' convolution\(.*', program.lower(normal(2, 8, 8, 8), normal(3, 3, 2, 8)).compile().as_text()
  )
  assert len(convolutions) >= 3
  assert [line for line in convolutions if 'rhs_reversal' in line or re.search(r'group_count=[2-9]', line)] == []


@pytest.mark.parametrize('groups, channels, count', [(1, 64, 1), (4, 16, 1), (8, 128, 2), (12, 192, 3), (96, 1536, 4)])
def test_bundles_hold_whole_groups_and_are_few(groups, channels, count):
  assert grouped.bundles(groups, channels) == count


def test_groups_that_do_not_divide_are_refused():
  with pytest.raises(ValueError, match='groups is 3; it must divide 8 and 6'):
    layers.GroupedConv(6, (3, 3), groups=3).init(jax.random.key(0), jnp.zeros((1, 4, 4, 8)))
