"""Variational autoencoders: an encoder, a decoder, a posterior, a likelihood and a bound make an `Algorithm`."""

import functools
import itertools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn

from gengan import core, latent
from gengan.core import ArgumentError, PyTree, ScalarOrSchedule
from gengan.likelihoods import Likelihood
from gengan.optimizers import Gradient, whole_batch


class Passes(NamedTuple):
  """What a bound is made of, at the posterior's samples."""

  step: jax.Array  # train steps done
  outputs: PyTree  # of the encoder
  recon: jax.Array  # [K, N], log p(x | z) of each sample, nats
  kl_terms: jax.Array  # [N, ...], see `latent.Posterior`
  log_weights: jax.Array | None  # [K, N], log p(x, z) - log q(z | x); None where q is a point
  axis_name: str | None  # the pmap axis over which the rows are cut


class Bound(NamedTuple):
  """What training minimises."""

  loss: Callable[[Passes], tuple[jax.Array, core.Metrics]]  # -> (scalar, metrics)
  samples: int = 1  # of the posterior, K an image


def evidence(*, beta: ScalarOrSchedule = 1.0, free_bits: float = 0.0) -> Bound:
  """beta KL - recon, with one sample an image: the negative evidence lower bound at beta 1 (Kingma and Welling 2014).

  Args:
    beta: weight of the KL term (Higgins et al. 2017, eq. 4); a schedule from 0 warms it up (Sønderby et al. 2016).
    free_bits: nats for every latent dimension, as a mean over the batch, below which its KL term is not reduced
      (lambda in Kingma et al. 2016, eq. 15).

  Raises:
    ArgumentError: a number below 0.
  """
  for name, value in (('beta', beta), ('free_bits', free_bits)):
    if not callable(value) and not 0 <= value < math.inf:
      raise ArgumentError(name, value, 'a number of at least 0')

  def loss(passes: Passes):
    weight = jnp.asarray(core.value_at(beta, passes.step), jnp.float32)
    kl_terms = passes.kl_terms.mean(axis=0)
    value = weight * _with_free_bits(kl_terms, free_bits, passes.axis_name) - passes.recon.mean()
    return value, {'beta': weight}

  return Bound(loss)


def importance_weighted(samples: int) -> Bound:
  """-log mean_k w_k with K samples an image, w = p(x, z) / q(z | x) (Burda et al. 2016, eq. 8).

  Raises:
    ArgumentError: samples below 1; at trace time, latents whose posterior is a point.
  """
  if samples < 1:
    raise ArgumentError('samples', samples, 'at least 1')

  def loss(passes: Passes):
    if passes.log_weights is None:
      raise ArgumentError('bound', 'importance_weighted', 'another, for the posterior of these latents is a point')
    bound = (jax.nn.logsumexp(passes.log_weights, axis=0) - math.log(samples)).mean()
    return -bound, {'iw_bound': bound}

  return Bound(loss, samples)


def quantized(*, commitment: ScalarOrSchedule = 0.25) -> Bound:
  """commitment ||z - sg(e)||^2 - recon (van den Oord et al. 2017, eq. 3, for a codebook that moves by averages)."""

  def loss(passes: Passes):
    distance = passes.outputs.commitment.mean()
    return core.value_at(commitment, passes.step) * distance - passes.recon.mean(), {'commitment': distance}

  return Bound(loss)


class Model(NamedTuple):
  """What a train step is made of; the arguments of `make`."""

  networks: dict[str, nn.Module]
  posterior: latent.Posterior
  likelihood: Likelihood
  optimizer: optax.GradientTransformation
  bound: Bound
  gradient: Gradient
  decay_at: Callable[[jax.Array, core.Batch], jax.Array]
  dtype: Any
  axis_name: str | None

  def apply(self, state: core.State, name: str, *inputs: PyTree, **settings: Any) -> PyTree:
    """What an averaged network gives."""
    return self.networks[name].apply(state.ema_params[name], *inputs, train=False, **settings)


def make(
  encoder: nn.Module,
  decoder: nn.Module,
  *,
  posterior: latent.Posterior,
  likelihood: Likelihood,
  optimizer: optax.GradientTransformation,
  bound: Bound | None = None,
  gradient: Gradient = whole_batch,
  ema_half_life_kimg: ScalarOrSchedule = 10.0,
  ema_rampup: float = 0.05,
  dtype: Any = jnp.float32,
  axis_name: str | None = None,
) -> core.Algorithm:
  """Builds auto-encoding variational Bayes (Kingma and Welling, 2014).

  Metrics are means over the batch, in nats an image: `recon` is E log p(x | z), `kl` is KL(q(z | x) || p(z)),
  `elbo = recon - kl` whatever the bound is, and `loss` is what was minimised. `bpd` is -elbo in bits a pixel and
  channel, where the likelihood is discrete.

  Args:
    encoder: linen module `(images [N, H, W, C], labels [N], *, train) -> what the posterior reads`.
    decoder: linen module `(input, labels, *, train) -> [N, H, W, likelihood.parameters_per_pixel]`.
    posterior: `latent.gaussian(size)` or `latent.codes(number, shape)`.
    likelihood: how the decoder's output is read, see `gengan.likelihoods`.
    optimizer: one for both networks; anything it computes over all leaves, such as a norm, is per network.
    bound: what is minimised; None: `evidence()`.
    gradient: how the gradient is taken, see `gengan.optimizers`.
    ema_half_life_kimg, ema_rampup: see `core.ema_decay`.
    dtype: in which the networks compute in training; parameters and losses are float32.
    axis_name: the pmap axis that the step will run under; None for a global-view `jit`.

  Returns:
    An Algorithm. `eval_step` gives elbo, recon, kl and bpd of every image, whatever the bound is and with the averaged
    weights, and, where q is no point, `log_weight`, log p(x, z) / q(z | x) of one z, of which several make the
    importance-weighted bound. `encode` gives the posterior's mean or the codes, `decode` the likelihood's mean.

  Raises:
    ArgumentError: a setting out of range; from `init`, networks whose outputs do not fit.

  >>> from gengan import likelihoods
  >>> from gengan.models.conv_vae import MlpDecoder, MlpEncoder
  >>> parts = {'posterior': latent.gaussian(5), 'likelihood': likelihoods.bernoulli(1), 'optimizer': optax.adam(1e-3)}
  >>> algorithm = make(MlpEncoder(5, 16), MlpDecoder(8, 1, 16), **parts)
  >>> batch = {'image': jnp.ones((2, 8, 8, 1)), 'label': jnp.zeros(2, jnp.int32)}
  >>> state = algorithm.init(jax.random.key(0), batch)
  >>> algorithm.encode(state, **{'images': batch['image'], 'labels': batch['label']}).shape
  (2, 5)
  """
  networks, decay_at = (
    {'encoder': encoder, 'decoder': decoder},
    core.averaging(ema_half_life_kimg, ema_rampup, axis_name),
  )
  model = Model(networks, posterior, likelihood, optimizer, bound or evidence(), gradient, decay_at, dtype, axis_name)
  prior = lambda state, key, labels, *, truncation=1.0: posterior.prior(key, labels.shape[0], truncation)
  init, train_step, eval_step, decode, encode = (
    functools.partial(function, model) for function in (_init, _train_step, _eval_step, _decode, _encode)
  )
  return core.Algorithm(init, train_step, eval_step, prior, decode, encode, interpolate=posterior.interpolate)


def _init(model: Model, key: jax.Array, batch: core.Batch) -> core.State:
  images, labels, posterior = batch['image'], batch['label'], model.posterior
  encoder_key, decoder_key = jax.random.split(key)
  outputs, encoder = model.networks['encoder'].init_with_output(encoder_key, images, labels, train=False)
  posterior.check(outputs, len(labels))
  z = jnp.zeros_like(posterior.sample(outputs, posterior.noise(key, len(labels))))
  parameters, decoder = model.networks['decoder'].init_with_output(decoder_key, z, labels, train=False)
  expected = (*images.shape[:-1], model.likelihood.parameters_per_pixel)
  latent.check_shape('decoder output', parameters, expected)
  found = {'encoder': encoder, 'decoder': decoder}
  return core.init_state(found, dict.fromkeys(found, model.optimizer), averaged=list(found))


def _passes(model: Model, run: Callable[..., PyTree], batch: core.Batch, noise, step: jax.Array) -> Passes:
  """What the bound reads, from `run(name, *inputs)` of the networks and the noise of each sample, [N, ...]."""
  outputs = run('encoder', batch['image'], batch['label'])
  recon, log_weights = [], []
  for drawn in noise:
    z = model.posterior.sample(outputs, drawn)
    recon.append(model.likelihood.log_prob(run('decoder', z, batch['label']), batch['image']))
    if model.posterior.log_ratio is not None:
      log_weights.append(recon[-1] + model.posterior.log_ratio(outputs, z))
  weights = jnp.stack(log_weights) if log_weights else None
  return Passes(step, outputs, jnp.stack(recon), model.posterior.kl_terms(outputs), weights, model.axis_name)


def _objective(model: Model, state: core.State, params: PyTree, examples: PyTree, key: jax.Array):
  """The loss; aux: the collections, statistics of the posterior, metrics."""
  after, number = dict(state.model_state), itertools.count()

  def run(name, *inputs):  # the decoder runs once a sample, each time on the collections of the last
    settings = {'key': jax.random.fold_in(key, next(number)), 'dtype': model.dtype, 'axis_name': model.axis_name}
    outputs, after[name] = core.forward(model.networks[name], params[name], after[name], *inputs, **settings)
    return outputs

  passes = _passes(model, run, examples, jnp.moveaxis(examples['noise'], 1, 0), state.step)
  loss, metrics = model.bound.loss(passes)
  recon, kl = passes.recon.mean(), passes.kl_terms.mean(axis=0).sum()
  metrics = {'loss': loss, 'elbo': recon - kl, 'recon': recon, 'kl': kl, **metrics}
  return loss, (after, model.posterior.statistics(passes.outputs), metrics)


def _train_step(model: Model, state: core.State, batch: core.Batch, key: jax.Array) -> tuple[core.State, core.Metrics]:
  rows, samples = batch['image'].shape[0], model.bound.samples
  keys = [key, *(jax.random.fold_in(key, k) for k in range(1, samples))]
  noise = [core.local_rows(lambda n, k=k: model.posterior.noise(k, n), rows, model.axis_name) for k in keys]
  examples = {**batch, 'noise': jnp.stack(noise, axis=1)}
  objective = lambda *inputs: _objective(model, state, *inputs)
  grads, aux = model.gradient(objective, state.params, examples, jax.random.fold_in(key, samples))
  grads, (model_state, statistics, metrics) = core.pmean((grads, aux), model.axis_name)
  metrics |= model.posterior.report(statistics)
  state, norms = core.advance(state, grads, model_state, model.optimizer, model.decay_at(state.step, batch))
  return state, _with_bits(model, metrics | norms, batch['image'])


def _eval_step(model: Model, state: core.State, batch: core.Batch, key: jax.Array) -> core.Metrics:
  noise = [model.posterior.noise(key, len(batch['label']))]
  passes = _passes(model, functools.partial(model.apply, state), batch, noise, state.step)
  recon, kl = passes.recon[0], passes.kl_terms.reshape(len(batch['label']), -1).sum(axis=1)
  weights = {} if passes.log_weights is None else {'log_weight': passes.log_weights[0]}
  return _with_bits(model, {'elbo': recon - kl, 'recon': recon, 'kl': kl, **weights}, batch['image'])


def _decode(model: Model, state: core.State, latents: PyTree, labels: jax.Array) -> jax.Array:
  z = model.posterior.embed(lambda codes: model.apply(state, 'encoder', codes, method='embed'), latents)
  return model.likelihood.mean(model.apply(state, 'decoder', z, labels))


def _encode(model: Model, state: core.State, images: jax.Array, labels: jax.Array) -> PyTree:
  return model.posterior.point(model.apply(state, 'encoder', images, labels))


def _with_bits(model: Model, metrics: core.Metrics, images: jax.Array) -> core.Metrics:
  if not model.likelihood.discrete:
    return metrics
  return {**metrics, 'bpd': -metrics['elbo'] / (math.prod(images.shape[1:]) * math.log(2.0))}


def _with_free_bits(kl_terms, free_bits, axis_name):
  """sum_j max(lambda, KL_j), with KL_j the mean over the batch of every device.

  Written as a choice, so that no gradient passes through the mean over devices.
  """
  if not free_bits:
    return kl_terms.sum()
  enough = core.pmean(jax.lax.stop_gradient(kl_terms), axis_name) > free_bits
  return jnp.where(enough, kl_terms, free_bits).sum()
