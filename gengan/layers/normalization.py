"""Batch normalisation (Ioffe and Szegedy, 2015) over the whole batch or over parts of it."""

from functools import partial

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax.typing import Initializer
from jax import lax


class BatchNorm(nn.Module):
  """Batch normalisation over all axes but the last, with the variables and values of `flax.linen.BatchNorm`.

  Parameters 'scale' and 'bias' [C]; 'mean' and 'var' [C] in the collection 'batch_stats'. As in flax, 'var' averages
  the biased variance (divided by n), unlike PyTorch (n - 1). The variance is computed in two passes, in float32: it is
  never negative and keeps its digits when the mean is far from zero.

  Attributes:
    use_running_average: normalise with the running statistics and leave them alone.
    momentum: share of the old running statistics that a step keeps.
    epsilon: added to the variance.
    axis_name: the pmap axis over which the batch is cut; None under a global-view `jit`.
    groups: equal consecutive parts of the whole batch, each with its own statistics (ghost batch normalisation; Hoffer
      et al. 2017), as that many separate devices would see them. The running statistics move towards their mean.
    affine: has 'scale' and 'bias'.
  """

  use_running_average: bool
  momentum: float = 0.9
  epsilon: float = 1e-5
  axis_name: str | None = None
  groups: int = 1
  scale_init: Initializer = nn.initializers.ones_init()
  bias_init: Initializer = nn.initializers.zeros_init()
  affine: bool = True

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    """[N, ..., C] -> the same.

    Raises:
      ValueError: the batch, or the devices of the axis, do not divide into the groups.
    """
    shape = x.shape[-1:]
    if self.affine:
      scale, bias = self.param('scale', self.scale_init, shape), self.param('bias', self.bias_init, shape)
    else:
      scale, bias = jnp.ones(shape), jnp.zeros(shape)
    mean = self.variable('batch_stats', 'mean', jnp.zeros, shape)
    var = self.variable('batch_stats', 'var', jnp.ones, shape)
    if self.use_running_average:
      y = (x - mean.value) * (lax.rsqrt(var.value + self.epsilon) * scale) + bias
      return y.astype(x.dtype)

    axis_name = None if self.is_initializing() else self.axis_name
    groups, synchronised = self._local_groups(x.shape[0], axis_name)
    parts = x.reshape(groups, -1, x.shape[-1])
    y, statistics = _normalize(self.epsilon, axis_name if synchronised else None, parts, scale, bias)
    if not self.is_initializing():
      moments = [lax.stop_gradient(value).mean(axis=0) for value in statistics]
      if axis_name is not None and not synchronised:
        moments = lax.pmean(moments, axis_name)
      for running, value in zip((mean, var), moments, strict=True):
        running.value = self.momentum * running.value + (1.0 - self.momentum) * value
    return y.reshape(x.shape)

  def _local_groups(self, rows: int, axis_name: str | None) -> tuple[int, bool]:
    """Groups on this device, and whether they span the devices."""
    devices = 1 if axis_name is None else lax.axis_size(axis_name)
    if self.groups < 1 or rows * devices % self.groups:
      raise ValueError(f'batch_norm_groups is {self.groups}; it must divide the batch, {rows * devices} rows')
    if self.groups == 1:
      return 1, axis_name is not None
    if self.groups % devices:
      raise ValueError(f'batch_norm_groups is {self.groups}; it must be 1 or a multiple of the {devices} devices')
    return self.groups // devices, False


def normal_around_one(stddev: float) -> Initializer:
  """Normal with mean 1: DCGAN's scale of batch norm (Radford et al. 2016; PyTorch's example takes 0.02)."""
  return lambda key, shape, dtype=float: 1.0 + stddev * jax.random.normal(key, shape, dtype)


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _normalize(epsilon: float, axis_name: str | None, x: jax.Array, scale: jax.Array, bias: jax.Array):
  """x [G, R, C], scale and bias [C] -> y [G, R, C] and (mean, var), each [G, C], to which no gradient flows."""
  return _forward(epsilon, axis_name, x, scale, bias)[0]


def _forward(epsilon, axis_name, x, scale, bias):
  mean = _mean(x.astype(jnp.float32), axis_name)
  centred = x - mean[:, None]
  var = _mean(jnp.square(centred), axis_name)
  inverse = lax.rsqrt(var + epsilon)
  y = centred * (inverse * scale)[:, None] + bias
  return (y.astype(x.dtype), (mean, var)), (x, mean, inverse, scale)


def _backward(epsilon, axis_name, residuals, cotangents):
  """With x^ = (x - mean) / sqrt(var + epsilon): dx = scale / sqrt(var + epsilon) * (dy - E[dy] - x^ E[dy x^])."""
  x, mean, inverse, scale = residuals
  dy = cotangents[0].astype(jnp.float32)
  centred = x - mean[:, None]
  # Sums of this device are what the parameters' gradients want; their means over all devices make dx.
  bias_gradient = _mean(dy, None)
  scale_gradient = _mean(dy * centred, None) * inverse
  if axis_name is None:
    dy_mean, product_mean = bias_gradient, scale_gradient
  else:
    dy_mean, product_mean = lax.pmean((bias_gradient, scale_gradient), axis_name)
  dx = (inverse * scale)[:, None] * (dy - dy_mean[:, None] - centred * (inverse * product_mean)[:, None])
  rows = x.shape[1]
  parameters = (scale_gradient.sum(axis=0) * rows, bias_gradient.sum(axis=0) * rows)
  return dx.astype(x.dtype), *(gradient.astype(scale.dtype) for gradient in parameters)


_normalize.defvjp(_forward, _backward)


def _mean(x: jax.Array, axis_name: str | None) -> jax.Array:
  """[G, R, C] -> [G, C], as a product with a row of 1/R: quicker than a reduction over columns on a CPU."""
  weights = jnp.full((x.shape[1],), 1.0 / x.shape[1], x.dtype)
  mean = jnp.einsum('r,grc->gc', weights, x, precision=lax.Precision.HIGHEST)
  return mean if axis_name is None else lax.pmean(mean, axis_name)
