"""Spaces in which the latents of a generator are drawn and walked through: z and w."""

from typing import NamedTuple

import jax
from flax import linen as nn

from gengan import core
from gengan.core import ArgumentError, Decode, Interpolate, Prior


class Space(NamedTuple):
  """The latents of a generator outside of training; see the fields of the same names of `core.Algorithm`."""

  prior: Prior
  decode: Decode
  interpolate: Interpolate


def z_space(generator: nn.Module, latent_size: int, *, redrawn: bool = False) -> Space:
  """Standard normal z [N, latent_size]; walks keep their length.

  Args:
    generator: see `gan.make`.
    latent_size: at least 1.
    redrawn: truncation draws again whatever lies beyond +-2 truncation (Brock et al. 2019, section 3.1; 1 draws from
      the whole normal), where it would scale z otherwise, see `core.truncated`.

  Raises:
    ArgumentError: latent_size below 1; from `prior`, a truncation that is not positive or, redrawn, above 1.
  """
  check_latent_size(latent_size)

  def prior(state, key, labels, *, truncation=1.0):
    shape = labels.shape[0], latent_size
    if not redrawn or truncation == 1:
      return core.truncated(jax.random.normal(key, shape), truncation)
    if not 0 < truncation < 1:
      raise ArgumentError('truncation', truncation, 'above 0 and at most 1, for latents beyond it are drawn again')
    return jax.random.truncated_normal(key, -2 * truncation, 2 * truncation, shape)

  def decode(state, latents, labels):
    return generator.apply(state.ema_params['generator'], latents, labels, train=False)

  return Space(prior, decode, core.spherical)


def w_space(generator: nn.Module, latent_size: int) -> Space:
  """w of a generator with the methods 'mapping' (z, labels) -> w and 'synthesis' (w, labels) -> images.

  Truncation pulls w towards the average that the generator keeps as 'w_avg' in its collection 'w_avg':
  w_avg + psi (w - w_avg) (Karras et al. 2019, appendix B). Walks are straight lines.

  Raises:
    ArgumentError: latent_size below 1.
  """
  check_latent_size(latent_size)

  def prior(state, key, labels, *, truncation=1.0):
    if not truncation > 0:
      raise ArgumentError('truncation', truncation, 'above 0')
    variables = state.ema_params['generator']
    z = jax.random.normal(key, (labels.shape[0], latent_size))
    w = generator.apply(variables, z, labels, train=False, method='mapping')
    average = variables['w_avg']['w_avg']
    return w if truncation == 1 else average + truncation * (w - average)

  def decode(state, latents, labels):
    return generator.apply(state.ema_params['generator'], latents, labels, train=False, method='synthesis')

  return Space(prior, decode, core.linear)


def check_latent_size(latent_size: int) -> None:
  """Raises an ArgumentError unless it is at least 1."""
  if latent_size < 1:
    raise ArgumentError('latent_size', latent_size, 'at least 1')
