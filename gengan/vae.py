"""Variational autoencoders: an encoder, a decoder, a posterior, a likelihood and a bound make an `Algorithm`."""

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
  """What a bound is made of, at the posterior's samples.

  Attributes:
    step: train steps done.
    outputs: of the encoder.
    recon: [K, N], log p(x | z) of each sample, nats.
    kl_terms: [N, ...], see `latent.Posterior`.
    log_weights: [K, N], log p(x, z) - log q(z | x); None where q is a point.
    axis_name: the pmap axis over which the rows are cut, or None.
  """

  step: jax.Array
  outputs: PyTree
  recon: jax.Array
  kl_terms: jax.Array
  log_weights: jax.Array | None
  axis_name: str | None


class Bound(NamedTuple):
  """What training minimises.

  Attributes:
    loss: `Passes -> (scalar, metrics)`.
    samples: of the posterior, K an image.
  """

  loss: Callable[[Passes], tuple[jax.Array, core.Metrics]]
  samples: int = 1


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
  ema_rampup: float | None = 0.05,
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
    ema_half_life_kimg: see `core.ema_decay`.
    ema_rampup: see `core.ema_decay`.
    dtype: in which the networks compute in training; parameters and losses are float32.
    axis_name: the pmap axis that the step will run under; None for a global-view `jit`.

  Returns:
    An Algorithm. `eval_step` gives elbo, recon, kl and bpd of every image, whatever the bound is and with the averaged
    weights, and, where q is no point, `log_weight`, log p(x, z) / q(z | x) of one z, of which several make the
    importance-weighted bound. `encode` gives the posterior's mean or the codes, `decode` the likelihood's mean.

  Raises:
    ArgumentError: a setting out of range; from `init`, networks whose outputs do not fit.
  """
  core.check_ema(ema_half_life_kimg, ema_rampup)
  bound = bound or evidence()
  networks = {'encoder': encoder, 'decoder': decoder}

  def init(key, batch):
    images, labels = batch['image'], batch['label']
    encoder_key, decoder_key = jax.random.split(key)
    outputs, encoder_variables = encoder.init_with_output(encoder_key, images, labels, train=False)
    posterior.check(outputs, len(labels))
    z = jnp.zeros_like(posterior.sample(outputs, posterior.noise(key, len(labels))))
    parameters, decoder_variables = decoder.init_with_output(decoder_key, z, labels, train=False)
    latent.check_shape('decoder output', parameters, (*images.shape[:-1], likelihood.parameters_per_pixel))
    found = {'encoder': encoder_variables, 'decoder': decoder_variables}
    return core.init_state(found, dict.fromkeys(networks, optimizer), averaged=list(networks))

  def passes_of(encode, decode, batch, noise, step):
    """What the bound reads, from the two networks as functions and noise [K, N, ...]."""
    outputs = encode(batch['image'], batch['label'])
    recon, log_weights = [], []
    for drawn in noise:
      z = posterior.sample(outputs, drawn)
      recon.append(likelihood.log_prob(decode(z, batch['label']), batch['image']))
      if posterior.log_ratio is not None:
        log_weights.append(recon[-1] + posterior.log_ratio(outputs, z))
    stacked = jnp.stack(log_weights) if log_weights else None
    return Passes(step, outputs, jnp.stack(recon), posterior.kl_terms(outputs), stacked, axis_name)

  def train_step(state, batch, key):
    rows = batch['image'].shape[0]
    keys = [key, *(jax.random.fold_in(key, k) for k in range(1, bound.samples))]
    noise = [core.local_rows(lambda n, k=k: posterior.noise(k, n), rows, axis_name) for k in keys]
    examples = {**batch, 'noise': jnp.stack(noise, axis=1)}

    def objective(params, examples, key):
      after, number = dict(state.model_state), itertools.count()

      def run(name, *inputs):  # the decoder runs once a sample, each time on the collections of the last
        pass_key = core.local_key(jax.random.fold_in(key, next(number)), axis_name)
        outputs, after[name] = core.forward(
          networks[name], params[name], after[name], *inputs, key=pass_key, dtype=dtype
        )
        return outputs

      encode, decode = (lambda *inputs, name=name: run(name, *inputs) for name in networks)
      passes = passes_of(encode, decode, examples, jnp.moveaxis(examples['noise'], 1, 0), state.step)
      loss, metrics = bound.loss(passes)
      recon, kl = passes.recon.mean(), passes.kl_terms.mean(axis=0).sum()
      metrics = {'loss': loss, 'elbo': recon - kl, 'recon': recon, 'kl': kl, **metrics}
      return loss, (after, posterior.statistics(passes.outputs), metrics)

    grads, aux = gradient(objective, state.params, examples, jax.random.fold_in(key, bound.samples))
    grads, (model_state, statistics, metrics) = core.pmean((grads, aux), axis_name)
    metrics |= posterior.report(statistics)
    decay = core.ema_decay(
      state.step, rows * core.axis_size(axis_name), half_life_kimg=ema_half_life_kimg, rampup=ema_rampup
    )
    params, opt_state, ema_params = {}, {}, {}
    for name in state.params:
      params[name], opt_state[name], found = core.update(
        optimizer, grads[name], state.opt_state[name], state.params[name]
      )
      metrics |= {f'{name}_{metric}': value for metric, value in found.items()}
      trained = {'params': params[name], **model_state[name]}
      ema_params[name] = core.ema(state.ema_params[name], trained, decay)
    state = core.State(state.step + 1, params, opt_state, model_state, ema_params, state.extra)
    return state, _with_bits(metrics, batch['image'])

  def apply(state, name, *inputs, **settings):
    return networks[name].apply(state.ema_params[name], *inputs, train=False, **settings)

  def eval_step(state, batch, key):
    encode, decode = (lambda *inputs, name=name: apply(state, name, *inputs) for name in networks)
    noise = posterior.noise(key, len(batch['label']))
    passes = passes_of(encode, decode, batch, [noise], state.step)
    recon, kl = passes.recon[0], passes.kl_terms.reshape(len(noise), -1).sum(axis=1)
    values = {'elbo': recon - kl, 'recon': recon, 'kl': kl}
    if passes.log_weights is not None:
      values['log_weight'] = passes.log_weights[0]
    return _with_bits(values, batch['image'])

  def _with_bits(metrics, images):
    if not likelihood.discrete:
      return metrics
    return {**metrics, 'bpd': -metrics['elbo'] / (math.prod(images.shape[1:]) * math.log(2.0))}

  def prior(state, key, labels, *, truncation=1.0):
    return posterior.prior(key, labels.shape[0], truncation)

  def decode(state, found, labels):
    z = posterior.embed(lambda found: apply(state, 'encoder', found, method='embed'), found)
    return likelihood.mean(apply(state, 'decoder', z, labels))

  def encode(state, images, labels):
    return posterior.point(apply(state, 'encoder', images, labels))

  return core.Algorithm(init, train_step, eval_step, prior, decode, encode, interpolate=posterior.interpolate)


def _with_free_bits(kl_terms, free_bits, axis_name):
  """sum_j max(lambda, KL_j), with KL_j the mean over the batch of every device.

  Written as a choice, so that no gradient passes through the mean over devices.
  """
  if not free_bits:
    return kl_terms.sum()
  enough = core.pmean(jax.lax.stop_gradient(kl_terms), axis_name) > free_bits
  return jnp.where(enough, kl_terms, free_bits).sum()
