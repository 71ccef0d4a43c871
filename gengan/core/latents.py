"""Ways from one set of latents to another, and truncation."""

from typing import Any

import jax
import jax.numpy as jnp

from gengan.host.errors import ArgumentError

PyTree = Any


def spherical(start: PyTree, end: PyTree, t: jax.Array | float) -> PyTree:
  """Turns from one direction to the other at constant speed, which keeps the length that a Gaussian prior gives.

  Slerp (Shoemake 1985; for generative models White 2016, "Sampling Generative Networks", section 2.1):
    sin((1 - t) w) / sin(w) * a + sin(t w) / sin(w) * b,  w the angle between a and b.
  Where a and b are parallel or opposite it is the straight line. Whole numbers (codes) have no in-between: they step
  from one to the other half-way.

  Args:
    start: pytree of [N, ...]; every leaf's row is one vector with an angle of its own.
    end: the same tree and shapes.
    t: in [0, 1].

  Raises:
    ArgumentError: leaves of two shapes or dtypes.
  """

  def between(a, b):
    a, b, time, straight = _straight(a, b, t)
    if not jnp.issubdtype(a.dtype, jnp.floating):
      return straight
    u, v = a.astype(jnp.float32), b.astype(jnp.float32)
    axes = tuple(range(1, a.ndim))
    total = lambda x: jnp.sum(x, axes, keepdims=True)
    lengths = jnp.sqrt(total(u * u) * total(v * v))
    angle = jnp.arccos(jnp.clip(total(u * v) / jnp.maximum(lengths, 1e-12), -1, 1))
    sine = jnp.sin(angle)
    arc = (jnp.sin((1 - time) * angle) * u + jnp.sin(time * angle) * v) / jnp.where(sine > 1e-4, sine, 1)
    return jnp.where((sine > 1e-4) & (time > 0) & (time < 1), arc.astype(a.dtype), straight)

  return jax.tree.map(between, start, end)


def linear(start: PyTree, end: PyTree, t: jax.Array | float) -> PyTree:
  """The straight line, for latents whose prior is no sphere (w of a style-based generator); else as `spherical`."""
  return jax.tree.map(lambda a, b: _straight(a, b, t)[3], start, end)


def _straight(a, b, t):
  a, b, time = jnp.asarray(a), jnp.asarray(b), jnp.asarray(t, jnp.float32)
  if a.shape != b.shape or a.dtype != b.dtype:
    raise ArgumentError('end', f'{b.dtype}{list(b.shape)}', f'{a.dtype}{list(a.shape)}, as the start is')
  if not jnp.issubdtype(a.dtype, jnp.floating):
    return a, b, time, jnp.where(time < 0.5, a, b)
  return a, b, time, ((1 - time) * a.astype(jnp.float32) + time * b.astype(jnp.float32)).astype(a.dtype)


def truncated(latents: PyTree, truncation: float) -> PyTree:
  """Latents of a zero-mean prior times the truncation: pulled to the mean below 1, driven from it above.

  The psi of Karras et al. 2019 (appendix B) with the mean at 0; the temperature of Kingma and Dhariwal 2018. It is not
  the truncation trick of Brock et al. 2019, which draws again whatever lies beyond a threshold.

  Raises:
    ArgumentError: it is not positive, or the latents are not float: codes have no mean to be pulled to.
  """
  if not truncation > 0:
    raise ArgumentError('truncation', truncation, 'above 0')
  if truncation == 1:
    return latents
  if not all(jnp.issubdtype(leaf.dtype, jnp.floating) for leaf in jax.tree.leaves(latents)):
    raise ArgumentError('truncation', truncation, '1', why='but this model draws codes, which have no mean')
  return jax.tree.map(lambda z: (truncation * z).astype(z.dtype), latents)
