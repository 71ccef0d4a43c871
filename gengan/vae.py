"""Variational autoencoders: an encoder, a decoder and a likelihood make an `Algorithm`."""

import math

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn

from gengan import core, losses
from gengan.likelihoods import Likelihood

ACTIVE_VARIANCE = 0.01  # of a posterior mean over images, above which a latent dimension counts as used


def make(
  encoder: nn.Module,
  decoder: nn.Module,
  *,
  likelihood: Likelihood,
  optimizer: optax.GradientTransformation,
  latent_size: int,
  beta: float = 1.0,
  kl_warmup_steps: int = 0,
  free_bits: float = 0.0,
  ema_half_life_kimg: float = 10.0,
  ema_rampup: float | None = 0.05,
  axis_name: str | None = None,
) -> core.Algorithm:
  """Builds auto-encoding variational Bayes (Kingma and Welling, 2014) with a diagonal Gaussian posterior.

  A train step maximises `recon - beta KL` with one sample of the posterior an image. Metrics are means over the batch,
  in nats an image: `recon` is E log p(x | z), `kl` is KL(q(z | x) || N(0, I)), `elbo = recon - kl` whatever beta and
  free bits are, and `loss` is what was minimised. `bpd` is -elbo in bits a pixel and channel, where the likelihood is
  discrete. `active_units` counts the latent dimensions whose posterior mean varies over the batch by more than 0.01
  (Burda et al. 2016, section 5.2).

  Args:
    encoder: linen module `(images [N, H, W, C], labels [N], *, train) -> (mean, logvar)`, each [N, Z].
    decoder: linen module `(latents [N, Z], labels, *, train) -> [N, H, W, likelihood.parameters_per_pixel]`.
    likelihood: how the decoder's output is read, see `gengan.likelihoods`.
    optimizer: one for both networks; anything it computes over all leaves, such as a norm, is per network.
    latent_size: Z, the size of the standard normal prior.
    beta: weight of the KL term (Higgins et al. 2017, eq. 4).
    kl_warmup_steps: steps over which that weight grows linearly from 0 (Sønderby et al. 2016); 0: from the start.
    free_bits: nats for every latent dimension, as a mean over the batch, below which its KL term is not reduced
      (lambda in Kingma et al. 2016, eq. 15).
    ema_half_life_kimg: see `core.ema_decay`.
    ema_rampup: see `core.ema_decay`.
    axis_name: the pmap axis that the step will run under; None for a global-view `jit`.

  Returns:
    An Algorithm. `eval_step` gives elbo, recon, kl and bpd of every image, with beta 1, without free bits and with
    the averaged weights, and `log_weight`, log p(x, z) / q(z | x) of one z, of which several make the
    importance-weighted bound (Burda et al. 2016, eq. 8). `prior` draws from N(0, I), `encode` gives the posterior's
    mean, `decode` the likelihood's.

  Raises:
    ValueError: a setting out of range; from `init`, networks whose outputs do not fit.
  """
  _check(latent_size, beta, kl_warmup_steps, free_bits)
  core.check_ema(ema_half_life_kimg, ema_rampup)

  def init(key, batch):
    images, labels = batch['image'], batch['label']
    encoder_key, decoder_key = jax.random.split(key)
    (mean, logvar), encoder_variables = encoder.init_with_output(encoder_key, images, labels, train=False)
    latents = jnp.zeros((images.shape[0], latent_size))
    parameters, decoder_variables = decoder.init_with_output(decoder_key, latents, labels, train=False)
    _check_shape('encoder mean', mean, latents.shape)
    _check_shape('encoder log-variance', logvar, latents.shape)
    _check_shape('decoder output', parameters, (*images.shape[:-1], likelihood.parameters_per_pixel))

    networks = {'encoder': encoder_variables, 'decoder': decoder_variables}
    params = {name: variables['params'] for name, variables in networks.items()}
    return core.State(
      step=jnp.zeros((), jnp.int32),
      params=params,
      opt_state={name: optimizer.init(params[name]) for name in params},
      model_state={
        name: {collection: value for collection, value in variables.items() if collection != 'params'}
        for name, variables in networks.items()
      },
      ema_params=networks,
      extra={},
    )

  def forward(network, params, model_state, *inputs):
    """A pass in training mode: outputs and the updated collections (batch statistics)."""
    return network.apply({'params': params, **model_state}, *inputs, train=True, mutable=list(model_state))

  def draw_noise(key, rows):
    return core.local_rows(lambda n: jax.random.normal(key, (n, latent_size)), rows, axis_name)

  def objective(params, model_state, batch, noise, weight):
    images, labels = batch['image'], batch['label']
    (mean, logvar), encoder_state = forward(encoder, params['encoder'], model_state['encoder'], images, labels)
    latents = mean + jnp.exp(0.5 * logvar) * noise
    parameters, decoder_state = forward(decoder, params['decoder'], model_state['decoder'], latents, labels)
    recon = likelihood.log_prob(parameters, images).mean()
    kl_terms = losses.gaussian_kl_terms(mean, logvar).mean(axis=0)
    kl = kl_terms.sum()
    loss = weight * _with_free_bits(kl_terms, free_bits, axis_name) - recon
    metrics = {'loss': loss, 'elbo': recon - kl, 'recon': recon, 'kl': kl, 'beta': weight}
    return loss, ({'encoder': encoder_state, 'decoder': decoder_state}, mean, metrics)

  def train_step(state, batch, key):
    images = batch['image']
    weight = jnp.asarray(beta, jnp.float32)
    if kl_warmup_steps:
      weight *= jnp.minimum(state.step / kl_warmup_steps, 1.0)
    noise = draw_noise(key, images.shape[0])
    grads, (model_state, mean, metrics) = jax.grad(objective, has_aux=True)(
      state.params, state.model_state, batch, noise, weight
    )
    grads, model_state, metrics = core.pmean((grads, model_state, metrics), axis_name)
    first, second = core.pmean((mean.mean(axis=0), jnp.square(mean).mean(axis=0)), axis_name)
    metrics['active_units'] = jnp.sum(second - jnp.square(first) > ACTIVE_VARIANCE).astype(jnp.float32)

    params, opt_state, ema_params = {}, {}, {}
    decay = core.ema_decay(
      state.step, images.shape[0] * core.axis_size(axis_name), half_life_kimg=ema_half_life_kimg, rampup=ema_rampup
    )
    for name in state.params:
      params[name], opt_state[name] = core.apply_updates(
        optimizer, grads[name], state.opt_state[name], state.params[name]
      )
      trained = {'params': params[name], **model_state[name]}
      ema_params[name] = core.ema(state.ema_params[name], trained, decay)
    state = core.State(state.step + 1, params, opt_state, model_state, ema_params, state.extra)
    return state, _with_bits(metrics, images)

  def eval_step(state, batch, key):
    images, labels = batch['image'], batch['label']
    mean, logvar = encoder.apply(state.ema_params['encoder'], images, labels, train=False)
    latents = mean + jnp.exp(0.5 * logvar) * jax.random.normal(key, mean.shape)
    recon = likelihood.log_prob(decoder.apply(state.ema_params['decoder'], latents, labels, train=False), images)
    kl = losses.gaussian_kl(mean, logvar)
    log_prior = losses.gaussian_log_likelihood(jnp.zeros_like(latents), latents, logvar=0.0)
    log_weight = recon + log_prior - losses.gaussian_log_likelihood(mean, latents, logvar=logvar)
    return _with_bits({'elbo': recon - kl, 'recon': recon, 'kl': kl, 'log_weight': log_weight}, images)

  def _with_bits(metrics, images):
    if not likelihood.discrete:
      return metrics
    return {**metrics, 'bpd': -metrics['elbo'] / (math.prod(images.shape[1:]) * math.log(2.0))}

  def prior(state, key, labels):
    return jax.random.normal(key, (labels.shape[0], latent_size))

  def decode(state, latents, labels):
    return likelihood.mean(decoder.apply(state.ema_params['decoder'], latents, labels, train=False))

  def encode(state, images, labels):
    return encoder.apply(state.ema_params['encoder'], images, labels, train=False)[0]

  return core.Algorithm(init, train_step, eval_step, prior, decode, encode)


def _with_free_bits(kl_terms, free_bits, axis_name):
  """sum_j max(lambda, KL_j), with KL_j [Z] the mean over the batch of every device.

  Written as a choice, so that no gradient passes through the mean over devices.
  """
  if not free_bits:
    return kl_terms.sum()
  enough = core.pmean(jax.lax.stop_gradient(kl_terms), axis_name) > free_bits
  return jnp.where(enough, kl_terms, free_bits).sum()


def _check(latent_size, beta, kl_warmup_steps, free_bits):
  if latent_size < 1:
    raise ValueError(f'config.model.latent_size is {latent_size}; it must be at least 1')
  for name, value in (('beta', beta), ('kl_warmup_steps', kl_warmup_steps), ('free_bits', free_bits)):
    if not 0 <= value < math.inf:
      raise ValueError(f'config.model.{name} is {value}; it must be a number of at least 0')


def _check_shape(what, array, expected):
  if array.shape != expected:
    raise ValueError(f'the {what} has the shape {array.shape}; it must be {expected}')
