"""Posteriors: how what an encoder gives is read as a distribution over latents, Gaussian or codes."""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from gengan import core, likelihoods
from gengan.core import ArgumentError, Interpolate, PyTree
from gengan.latent.spaces import check_latent_size

ACTIVE_VARIANCE = 0.01  # of a posterior mean over images, above which a latent dimension counts as used


class Posterior(NamedTuple):
  """How what an encoder gives is read as a distribution over latents."""

  noise: Callable[[jax.Array, int], jax.Array]  # (key, rows) -> [rows, ...], what `sample` draws from
  sample: Callable[[PyTree, jax.Array], jax.Array]  # (outputs, noise) -> input of the decoder, differentiable
  kl_terms: Callable[[PyTree], jax.Array]  # outputs -> [N, ...], nats of KL(q(z | x) || p(z)), a dimension or code each
  log_ratio: Callable[[PyTree, jax.Array], jax.Array] | None  # (outputs, z) -> log p(z) / q(z | x), [N]; None: a point
  point: Callable[[PyTree], PyTree]  # outputs -> latents, what `encode` gives
  embed: Callable[[Callable[..., jax.Array], PyTree], jax.Array]  # (the encoder's `embed`, latents) -> decoder's input
  prior: Callable[[jax.Array, int, float], PyTree]  # (key, rows, truncation) -> latents
  interpolate: Interpolate
  statistics: Callable[[PyTree], PyTree]  # outputs -> means over rows
  report: Callable[[PyTree], core.Metrics]  # of those
  check: Callable[[PyTree, int], None]  # (outputs, rows): an ArgumentError for an encoder that gives something else


def gaussian(latent_size: int) -> Posterior:
  """z [N, Z] with a standard normal prior; the encoder gives the mean and the log-variance of q, [N, Z] each.

  The metric `active_units` counts the dimensions whose posterior mean varies over the batch by more than 0.01 (Burda et
  al. 2016, section 5.2).

  Raises:
    ArgumentError: latent_size below 1.
  """
  check_latent_size(latent_size)
  normal = lambda key, rows: jax.random.normal(key, (rows, latent_size))

  def log_ratio(outputs, z):
    mean, logvar = outputs
    log_prior = likelihoods.gaussian_log_likelihood(jnp.zeros_like(z), z, logvar=0.0)
    return log_prior - likelihoods.gaussian_log_likelihood(mean, z, logvar=logvar)

  def active_units(moments):
    first, second = moments
    return {'active_units': jnp.sum(second - jnp.square(first) > ACTIVE_VARIANCE).astype(jnp.float32)}

  def check(outputs, rows):
    for what, found in zip(('mean', 'log-variance'), outputs, strict=True):
      check_shape(f'encoder {what}', found, (rows, latent_size))

  return Posterior(
    noise=normal,
    sample=lambda outputs, noise: outputs[0] + jnp.exp(0.5 * outputs[1]) * noise,
    kl_terms=lambda outputs: likelihoods.gaussian_kl_terms(*outputs),
    log_ratio=log_ratio,
    point=lambda outputs: outputs[0],
    embed=lambda embed, z: z,
    prior=lambda key, rows, truncation: core.truncated(normal(key, rows), truncation),
    interpolate=core.spherical,
    statistics=lambda outputs: (outputs[0].mean(axis=0), jnp.square(outputs[0]).mean(axis=0)),
    report=active_units,
    check=check,
  )


class Quantized(NamedTuple):
  """What the encoder of a vector-quantised model gives (van den Oord et al. 2017)."""

  codes: jax.Array  # [N, ...] int32, the nearest entry of the codebook
  embedded: jax.Array  # [N, ..., D], that entry, with the gradient of the encoder's own output (straight-through)
  commitment: jax.Array  # [N], squared distance between the two, summed (eq. 3, third term)


def codes(num_codes: int, shape: tuple[int, ...]) -> Posterior:
  """Codes [N, *shape] with a uniform prior; the encoder gives a `Quantized` and has a method `embed(codes, *, train)`.

  The metric `perplexity` is the effective number of codes in use, exp of the entropy of their shares.

  Raises:
    ArgumentError: fewer than 2 codes.
  """
  if num_codes < 2:
    raise ArgumentError('num_codes', num_codes, 'at least 2')
  uniform = lambda key, rows: jax.random.randint(key, (rows, *shape), 0, num_codes)

  def check(outputs, rows):
    check_shape('encoder codes', outputs.codes, (rows, *shape))

  def perplexity(shares):
    return {'perplexity': jnp.exp(-jnp.sum(shares * jnp.log(jnp.maximum(shares, 1e-10))))}

  return Posterior(
    noise=lambda key, rows: jnp.zeros((rows, 0)),
    sample=lambda outputs, noise: outputs.embedded,
    kl_terms=lambda outputs: jnp.full(outputs.codes.shape, math.log(num_codes)),
    log_ratio=None,
    point=lambda outputs: outputs.codes,
    embed=lambda embed, found: embed(found),
    prior=lambda key, rows, truncation: core.truncated(uniform(key, rows), truncation),
    interpolate=core.spherical,
    statistics=lambda outputs: jax.nn.one_hot(outputs.codes, num_codes).mean(axis=tuple(range(1 + len(shape)))),
    report=perplexity,
    check=check,
  )


def check_shape(what: str, array: jax.Array, expected: tuple[int, ...]) -> None:
  """Raises an ArgumentError unless an array has this shape."""
  if array.shape != expected:
    raise ArgumentError(f'the shape of the {what}', array.shape, f'{expected}')
