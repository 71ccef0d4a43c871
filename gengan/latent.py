"""Latents: how they are drawn, inferred, decoded and walked through; and algorithms on the latents of another."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn

from gengan import core, likelihoods
from gengan.core import FIRST_STAGE, Algorithm, ArgumentError, Batch, Decode, Interpolate, Prior, PyTree, State

ACTIVE_VARIANCE = 0.01  # of a posterior mean over images, above which a latent dimension counts as used


class Space(NamedTuple):
  """The latents of a generator outside of training; see the fields of the same names of `core.Algorithm`."""

  prior: Prior
  decode: Decode
  interpolate: Interpolate


def z_space(generator: nn.Module, latent_size: int) -> Space:
  """Standard normal z [N, latent_size]; truncation scales them, and walks keep their length.

  Raises:
    ArgumentError: latent_size below 1.
  """
  check_latent_size(latent_size)

  def prior(state, key, labels, *, truncation=1.0):
    return core.truncated(jax.random.normal(key, (labels.shape[0], latent_size)), truncation)

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


def on(first_stage: Algorithm, algorithm: Algorithm, *, trained: State | None = None) -> Algorithm:
  """Trains an algorithm on the latents of a frozen first stage, and decodes its samples with it.

  What the first stage needs to encode and decode is kept in `State.extra`, so a checkpoint stands alone: to restore
  one, `trained` is not needed.

  Args:
    first_stage: has an encoder. Its latents are the 'images' of the other, so they are one array [N, ...].
    algorithm: made for data of that shape.
    trained: a state of the first stage; None: as `first_stage.init` makes it, for shapes alone.

  Raises:
    ArgumentError: a first stage without an encoder; at trace time, one whose latents are not one array.

  >>> import optax
  >>> from gengan import gan, losses, vae
  >>> from gengan.models.conv_vae import MlpDecoder, MlpEncoder
  >>> parts = {'posterior': gaussian(5), 'likelihood': likelihoods.bernoulli(1), 'optimizer': optax.adam(1e-3)}
  >>> first = vae.make(MlpEncoder(5, 16), MlpDecoder(8, 1, 16), **parts)
  >>> class Small(nn.Module):
  ...   size: int
  ...   @nn.compact
  ...   def __call__(self, x, labels, *, train):
  ...     return nn.Dense(self.size)(x)
  >>> parts = {'phases': gan.alternating(losses.hinge), 'optimizers': dict.fromkeys(gan.PLAYERS, optax.adam(1e-3))}
  >>> algorithm = on(first, gan.make(Small(5), Small(1), latent_size=2, **parts))
  >>> batch = {'image': jnp.ones((2, 8, 8, 1)), 'label': jnp.zeros(2, jnp.int32)}
  >>> state = algorithm.init(jax.random.key(0), batch)
  >>> sorted(state.params), algorithm.decode(state, jnp.ones((2, 2)), batch['label']).shape
  (['discriminator', 'generator'], (2, 8, 8, 1))
  """
  if first_stage.encode is None:
    raise ArgumentError('first_stage', 'an algorithm without an encoder', 'one that encodes')

  def frozen(state: State) -> State:
    return State(jnp.zeros((), jnp.int32), {}, {}, {}, **state.extra[FIRST_STAGE])

  def encoded(first: State, batch: Batch) -> Batch:
    latents = first_stage.encode(first, batch['image'], batch['label'])
    if not isinstance(latents, jax.Array):
      raise ArgumentError('first_stage', f'an algorithm with latents {jax.tree.map(jnp.shape, latents)}', 'one array')
    return {**batch, 'image': jax.lax.stop_gradient(latents)}

  def inner(state: State) -> State:
    return state.replace(extra=state.extra['algorithm'])

  def outer(state: State, first: Any) -> State:
    return state.replace(extra={'algorithm': state.extra, FIRST_STAGE: first})

  def init(key, batch):
    first_key, key = jax.random.split(key)
    first = first_stage.init(first_key, batch) if trained is None else trained
    return outer(algorithm.init(key, encoded(first, batch)), {'ema_params': first.ema_params, 'extra': first.extra})

  def train_step(state, batch, key):
    after, metrics = algorithm.train_step(inner(state), encoded(frozen(state), batch), key)
    return outer(after, state.extra[FIRST_STAGE]), metrics

  def eval_step(state, batch, key):
    return algorithm.eval_step(inner(state), encoded(frozen(state), batch), key)

  def prior(state, key, labels, *, truncation=1.0):
    return algorithm.prior(inner(state), key, labels, truncation=truncation)

  def decode(state, latents, labels):
    return first_stage.decode(frozen(state), algorithm.decode(inner(state), latents, labels), labels)

  def through(function):  # of the inner algorithm, where it has it, on encoded images
    if function is None:
      return None
    return lambda state, images, labels: function(
      inner(state), encoded(frozen(state), {'image': images, 'label': labels})['image'], labels
    )

  return Algorithm(
    init,
    train_step,
    eval_step,
    prior,
    decode,
    encode=through(algorithm.encode),
    score=through(algorithm.score),
    interpolate=algorithm.interpolate,
  )
