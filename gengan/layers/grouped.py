"""Grouped convolution (Krizhevsky et al. 2012, section 3.5) that is quick on every backend, second gradients included.

Like a plain convolution (`gengan.layers.convolution`) it is a trilinear form: each of its derivatives has the other two
for its own. XLA:CPU has no quick code for groups. There the channels are cut into a few bundles of groups, each one a
plain convolution whose kernel is zero between groups: more products, quick ones. Elsewhere XLA's own form is quick.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax

from gengan.layers.convolution import Geometry, conv, conv_transpose, kernel_gradient, trilinear
from gengan.layers.linear import Conv

CHANNELS = 64  # of a bundle: narrower ones multiply fewer zeros, but each costs passes of its own
MOST_BUNDLES = 4  # each is compiled by itself, in all three forms


class Grouping(NamedTuple):
  """All that a grouped convolution is apart from its operands."""

  geometry: Geometry
  groups: int


class GroupedConv(Conv):
  """`Conv` whose groups of channels do not see each other: 'kernel' [h, w, I / groups, O], as linen's with groups.

  >>> layer = GroupedConv(16, (3, 3), groups=4)
  >>> images = jnp.zeros((2, 8, 8, 8))
  >>> layer.init(jax.random.key(0), images)['params']['kernel'].shape
  (3, 3, 2, 16)
  """

  groups: int = 1

  @nn.nowrap
  def _inputs(self, channels: int) -> int:
    if self.groups < 1 or channels % self.groups or self.features % self.groups:
      raise ValueError(
        f'groups is {self.groups}; it must divide {channels} and {self.features}, the channels in and out'
      )
    return channels // self.groups

  @nn.nowrap
  def _linear(self, geometry: Geometry, x: jax.Array, kernel: jax.Array) -> jax.Array:
    return grouped_conv(Grouping(geometry, self.groups), x, kernel)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def grouped_conv(grouping: Grouping, x: jax.Array, w: jax.Array) -> jax.Array:
  """x [N, H, W, I], w [h, w, I / G, O] -> y [N, H', W', O]."""
  bundled = lambda x, w: _by_bundle(conv, grouping, x, _bundled(grouping.groups, w))
  return lax.platform_dependent(x, w, cpu=bundled, default=partial(_of_xla, grouping))


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def grouped_conv_transpose(grouping: Grouping, y: jax.Array, w: jax.Array) -> jax.Array:
  """Transpose of `grouped_conv` in x: y [N, H', W', O], w [h, w, I / G, O] -> x [N, H, W, I]."""
  images = jax.ShapeDtypeStruct((len(y), *grouping.geometry.input_size, w.shape[2] * grouping.groups), y.dtype)
  bundled = lambda y, w: _by_bundle(conv_transpose, grouping, y, _bundled(grouping.groups, w))
  of_xla = lambda y, w: jax.linear_transpose(lambda x: _of_xla(grouping, x, w), images)(y)[0]
  return lax.platform_dependent(y, w, cpu=bundled, default=of_xla)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def grouped_kernel_gradient(grouping: Grouping, x: jax.Array, y: jax.Array) -> jax.Array:
  """Gradient of <y, grouped_conv(x, w)> in w: x [N, H, W, I], y [N, H', W', O] -> w [h, w, I / G, O]."""
  shape = (*grouping.geometry.kernel_size, x.shape[-1] // grouping.groups, y.shape[-1])

  def bundled(x, y):
    count = bundles(grouping.groups, y.shape[-1])
    pairs = zip(jnp.split(x, count, axis=-1), jnp.split(y, count, axis=-1), strict=True)
    return _unbundled(grouping.groups, jnp.stack([kernel_gradient(grouping.geometry, *pair) for pair in pairs]))

  of_xla = lambda x, y: jax.linear_transpose(lambda w: _of_xla(grouping, x, w), jax.ShapeDtypeStruct(shape, x.dtype))(
    y
  )[0]
  return lax.platform_dependent(x, y, cpu=bundled, default=of_xla)


trilinear(grouped_conv, grouped_conv_transpose, grouped_kernel_gradient)


def bundles(groups: int, channels: int) -> int:
  """How many bundles so many groups of all the channels are cut into: as many as have `CHANNELS`, but not too many."""
  wanted = max(1, min(MOST_BUNDLES, channels // CHANNELS))
  return max(count for count in range(1, wanted + 1) if groups % count == 0)


def _of_xla(grouping: Grouping, x: jax.Array, w: jax.Array) -> jax.Array:
  return lax.conv_general_dilated(
    x,
    w,
    grouping.geometry.strides,
    grouping.geometry.padding,
    dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
    feature_group_count=grouping.groups,
  )


def _by_bundle(form: Callable[..., jax.Array], grouping: Grouping, images: jax.Array, kernels: jax.Array) -> jax.Array:
  parts = jnp.split(images, len(kernels), axis=-1)
  return jnp.concatenate([form(grouping.geometry, *pair) for pair in zip(parts, kernels, strict=True)], axis=-1)


def _bundled(groups: int, w: jax.Array) -> jax.Array:
  """[h, w, I / G, O] -> the kernels of B bundles, [B, h, w, I / B, O / B], zero between groups."""
  height, width, inputs, outputs = w.shape
  count = bundles(groups, outputs)
  each = groups // count  # groups of a bundle
  w = jnp.moveaxis(w.reshape(height, width, inputs, count, each, outputs // groups), 3, 0)
  w = w[:, :, :, None] * jnp.eye(each, dtype=w.dtype)[:, None, :, None]
  return w.reshape(count, height, width, each * inputs, outputs // count)


def _unbundled(groups: int, w: jax.Array) -> jax.Array:
  """The transpose of `_bundled`: what lies between groups is left out."""
  count, height, width, inputs, outputs = w.shape
  each = groups // count
  w = w.reshape(count, height, width, each, inputs // each, each, outputs // each)
  w = jnp.stack([w[:, :, :, i, :, i] for i in range(each)], axis=4)  # [B, h, w, I / G, each, O / G]
  return jnp.moveaxis(w, 0, 3).reshape(height, width, inputs // each, count * outputs)
