"""What a latent-variable model knows of its data: bounds of the likelihood, use of the latents, reconstruction."""

import math
from collections.abc import Callable, Sequence

import jax
import numpy as np
from scipy.special import logsumexp

from gengan.metrics import checks
from gengan.metrics.bootstrap import bootstrap
from gengan.metrics.family import Family, Images, Inputs, Meaning, Model, Scores, evaluated

ACTIVE_VARIANCE = 0.01  # of a posterior mean over the data, above which a latent dimension is used
LOG_WEIGHT = 'log_weight'  # log p(x, z) - log q(z | x) of one z from q, among the values of `eval_step`
SAMPLES = 50  # K of the bound


def importance_weighted_bounds(log_weights: np.ndarray) -> np.ndarray:
  """log 1/K sum_k w_kn of every example, float64 [N] in nats; their mean is L_K (Burda et al. 2016, eq. 8).

  With K = 1 it is the ELBO; it grows with K towards log p(x). Publications use K = 5,000, or 200 and so on: print K.

  Args:
    log_weights: [K, N], log p(x_n | z_kn) + log p(z_kn) - log q(z_kn | x_n) with z_kn drawn from q(z | x_n).

  Raises:
    ValueError: values that are NaN or infinite (but for log w = -inf, unless a whole column is).
  """
  log_weights = checks.numbers(log_weights, 'log_weights').astype(np.float64)
  if log_weights.ndim != 2 or not log_weights.size:
    raise ValueError(f'log_weights must be [K, N], samples by examples, not {list(log_weights.shape)}')
  if not np.isfinite(log_weights.max(axis=0)).all():  # a NaN anywhere is also the maximum of its column
    raise ValueError('log_weights holds values that are NaN or infinite')
  return logsumexp(log_weights, axis=0) - math.log(len(log_weights))


def bits_per_dimension(log_likelihood: float, shape: Sequence[int]) -> float:
  """-log p(x) / (D log 2), with D the values of an image.

  Comparable only for discrete likelihoods of the same resolution and the same number of levels.

  Args:
    log_likelihood: mean in nats an image, or a bound of it.
    shape: of one image, [H, W, C].
  """
  if not math.isfinite(log_likelihood):
    raise ValueError(f'log_likelihood is {log_likelihood}')
  if not len(shape):
    raise ValueError(f'shape {list(shape)} is of no image')
  shape = [checks.count(length, 'every length in shape') for length in shape]
  return float(-log_likelihood / (math.prod(shape) * math.log(2.0)))


def active_units(means: np.ndarray, *, threshold: float = ACTIVE_VARIANCE) -> int:
  """Latent dimensions u with Var_x(E[u | x]) > threshold (Burda et al. 2016, section 5.2).

  Args:
    means: [N, Z] means of the posterior, N >= 2; another shape of latents is flattened by the caller.
  """
  means = checks.features(means, 'means', at_least=2).astype(np.float64)
  if not threshold >= 0:
    raise ValueError(f'threshold is {threshold}; it must be at least 0')
  return int(np.count_nonzero(means.var(axis=0, ddof=1) > threshold))


def reconstruction_error(images: np.ndarray, reconstructions: np.ndarray) -> float:
  """Mean squared difference a pixel and channel of [N, H, W, C], in their squared units (4 at most, for [-1, 1])."""
  if np.shape(images) != np.shape(reconstructions) or not np.size(images):
    shapes = f'{list(np.shape(images))} and {list(np.shape(reconstructions))}'
    raise ValueError(f'images and reconstructions must have the same shape, not {shapes}')
  images = checks.finite(images, 'images').astype(np.float64)
  reconstructions = checks.finite(reconstructions, 'reconstructions').astype(np.float64)
  return float(np.mean(np.square(images - reconstructions)))


def scores(inputs: Inputs) -> Scores:
  """What `eval_step` gives (elbo, recon, kl, bpd), `iw_bound_50`, reconstruction error and active units.

  Means over the held-out images with bootstrapped standard errors. Reconstructions need an encoder, active units
  latents that are one array of numbers.
  """
  model, key = inputs.model, jax.random.key(inputs.seed)
  eval_step = model.compiled(model.algorithm.eval_step)
  reconstruct = _reconstructing(model) if model.algorithm.encode else lambda batch, mask: ({}, None)
  values, latents = [], []  # of the images of a batch: by name; and their latents
  for number, (batch, mask) in enumerate(model.batches()):
    batch_key = jax.random.fold_in(key, number)
    found = jax.device_get(eval_step(model.state, batch, batch_key))
    keys = jax.random.split(batch_key, SAMPLES)
    log_weights = np.stack([np.asarray(eval_step(model.state, batch, k)[LOG_WEIGHT])[mask] for k in keys])
    errors, encoded = reconstruct(batch, mask)
    values.append(
      {name: value[mask] for name, value in found.items() if name != LOG_WEIGHT}
      | {f'iw_bound_{SAMPLES}': importance_weighted_bounds(log_weights)}
      | errors
    )
    latents.append(encoded)
  whole = {name: np.concatenate([each[name] for each in values]).astype(np.float64) for name in values[0]}
  means = {name: float(value.mean()) for name, value in whole.items()}
  if latents[0] is not None:
    means['active_units'] = float(active_units(np.concatenate(latents)))
  about = {name: model.settings[name] for name in ('likelihood', 'sigma', 'mixtures') if name in model.settings}
  setting = f'likelihood: {"".join(f"{name} {value}, " for name, value in about.items())}{SAMPLES} importance samples'
  errors = {name: bootstrap(np.mean, value, seed=inputs.seed).standard_error for name, value in whole.items()}
  return Scores(means, errors=errors, setting=setting)


def _reconstructing(model: Model) -> Callable[..., tuple[dict[str, np.ndarray], np.ndarray | None]]:
  """From a batch and its mask to `reconstruction_error` an image, and latents [B, Z], None unless they are floats."""
  encode, decode = model.compiled(model.algorithm.encode), model.compiled(model.algorithm.decode)

  def reconstruct(batch, mask):
    latents = encode(model.state, batch['image'], batch['label'])
    pairs = zip(batch['image'][mask], np.asarray(decode(model.state, latents, batch['label']))[mask], strict=True)
    errors = np.array([reconstruction_error(*pair) for pair in pairs])
    one, *others = jax.tree.leaves(latents)
    means = not others and np.issubdtype(one.dtype, np.floating)
    return {'reconstruction_error': errors}, np.asarray(one)[mask].reshape(mask.sum(), -1) if means else None

  return reconstruct


FAMILY = Family(
  scores,
  {
    'elbo': Meaning('higher', 'evidence lower bound, nats an image'),
    'iw_bound_': Meaning('higher', 'importance-weighted bound, nats an image'),
    'recon': Meaning('higher', 'expected log-likelihood of the reconstruction, nats an image'),
    'reconstruction_error': Meaning('lower', 'mean squared error of the reconstruction, images in [-1, 1]'),
    'kl': Meaning('', 'divergence of posterior from prior, nats an image'),
    'bpd': Meaning('lower', 'bits a dimension'),
    'active_units': Meaning('higher', 'latent dimensions in use'),
  },
  needs=(evaluated(LOG_WEIGHT),),
  once=True,
  images=Images('held_out'),
  by_network=False,
)
