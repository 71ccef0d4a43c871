"""Scores that ask the model and not only its samples: likelihood, what its labels teach a classifier, smoothness."""

import jax
import numpy as np
from ml_collections import ConfigDict

from gengan import core, data
from gengan.evaluation.evaluator import BATCH_SIZE, generated_batches, real_images, train_classifier
from gengan.evaluators import likelihood, path_length
from gengan.evaluators.averages import average
from gengan.evaluators.network import Network

WALK_STEP = 1e-4  # of the path, in perceptual path length


def likelihood_scores(
  algorithm: core.Algorithm, state: core.State, split: data.Split, config: ConfigDict, *, samples: int, seed: int
) -> dict[str, float]:
  """elbo, recon, kl, bpd (means over a split), the importance-weighted bound, reconstruction error and active units.

  Args:
    algorithm: one with an encoder, whose `eval_step` gives `log_weight`.
    state: what is evaluated.
    split: held-out images.
    config: of the run.
    samples: K of the bound `iw_bound_K`, in nats an image (Burda et al. 2016, eq. 8).
    seed: of the posterior's samples.
  """
  key = jax.random.key(seed)
  eval_step, encode = jax.jit(algorithm.eval_step), jax.jit(algorithm.encode)
  decode = jax.jit(algorithm.decode)
  batches = lambda: data.eval_batches(split, config.data, batch_size=min(BATCH_SIZE, len(split)))
  scores = average(eval_step, state, batches(), key)
  scores.pop('log_weight')
  bounds, means, errors = [], [], []  # the last with its number of images
  for number, (batch, mask) in enumerate(batches()):
    keys = jax.random.split(jax.random.fold_in(key, number), samples)
    log_weights = np.stack([np.asarray(eval_step(state, batch, k)['log_weight'])[mask] for k in keys])
    bounds.append(likelihood.importance_weighted_bounds(log_weights))
    latents = encode(state, batch['image'], batch['label'])
    means.append(np.asarray(latents)[mask])
    reconstructions = np.asarray(decode(state, latents, batch['label']))
    errors.append((likelihood.reconstruction_error(batch['image'][mask], reconstructions[mask]), mask.sum()))
  return scores | {
    f'iw_bound_{samples}': float(np.mean(np.concatenate(bounds))),
    'reconstruction_error': float(np.average([e for e, _ in errors], weights=[n for _, n in errors])),
    'active_units': float(likelihood.active_units(np.concatenate(means))),
  }


def classification_accuracy_score(
  algorithm: core.Algorithm,
  state: core.State,
  dataset: data.Dataset,
  config: ConfigDict,
  *,
  seed: int,
  truncation: float,
  mesh: jax.sharding.Mesh,
) -> tuple[float, list[float]]:
  """Accuracy on real test images of a classifier that was trained on generated ones alone (Ravuri and Vinyals 2019).

  As many images are generated as there are training images, all classes alike; one classifier is trained on them, with
  real validation images for early stopping.

  Returns:
    The accuracy in [0, 1], and that of every class.

  Raises:
    ValueError: an unconditional model, or data without classes.
  """
  if not config.model.get('conditional', False):
    raise ValueError('a classification accuracy score needs a class-conditional model')
  labels = np.arange(len(dataset.train), dtype=np.int32) % dataset.num_classes
  parts = generated_batches(algorithm, state, labels, seed=seed, truncation=truncation, mesh=mesh)
  generated = np.concatenate([part for part, _ in parts])
  trained = train_classifier(generated, labels, dataset, config, seed=seed)
  test = real_images(dataset.test, config)
  right = trained(test[0])[0].argmax(axis=1) == test[1]
  by_class = [float(right[test[1] == label].mean()) for label in range(dataset.num_classes)]
  return float(right.mean()), by_class


def path_length_score(
  algorithm: core.Algorithm, state: core.State, network: Network, *, num_classes: int, paths: int, seed: int
) -> float:
  """Perceptual path length in the latent space: squared distances of features, a mean over classes with equal shares.

  Args:
    algorithm: one whose latents are one array [N, Z].
    state: what is evaluated.
    network: whose features stand for perception; images reach it unquantised.
    num_classes: 1 for an unconditional model.
    paths: in all, at least one a class.
    seed: of the latents and of the places along the paths.
  """
  each = max(1, paths // num_classes)
  features = jax.jit(lambda latents, labels: network.apply(algorithm.decode(state, latents, labels))['features'])
  distance = lambda first, second: np.sum((first.astype(np.float64) - second) ** 2, axis=1)
  lengths = []
  for label in range(num_classes):
    key = jax.random.fold_in(jax.random.key(seed), label)
    labels = np.full(2 * each, label, np.int32)
    start, end = np.split(np.asarray(algorithm.prior(state, key, labels)), 2)
    decode = lambda latents, label=label: np.asarray(features(latents, np.full(len(latents), label, np.int32)))
    lengths.append(path_length.perceptual_path_length(decode, distance, start, end, epsilon=WALK_STEP, seed=seed))
  return float(np.mean(lengths))
