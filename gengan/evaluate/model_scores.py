"""Scores that ask the model and not only its samples: likelihood, what its labels teach a classifier, smoothness."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np
from ml_collections import ConfigDict

from gengan import config as configs
from gengan import core, data, sharding
from gengan.evaluate.feature_network import TRAINING, real_images, train_classifier
from gengan.evaluate.samples import BATCH_SIZE, generated_batches
from gengan.metrics import likelihood, path_length
from gengan.metrics.averages import mean_and_deviation
from gengan.metrics.bootstrap import bootstrap
from gengan.metrics.suite import accuracies_by_class
from gengan.networks.network import Network

IMPORTANCE_SAMPLES = 50
PATHS = 1000  # of a path length
WALK_STEP = 1e-4  # of the path


class Measured(NamedTuple):
  """Scores by name with their deviations, see `gengan.metrics.protocol.Evaluation`.

  Attributes:
    scores: by name.
    deviations: by name.
    setting: what the scores depend on, for the protocol.
    by_class: one value a class of those that are means over classes.
  """

  scores: dict[str, float]
  deviations: dict[str, float]
  setting: str
  by_class: dict[str, list[float]]


def measure(
  families: Sequence[str],
  algorithm: core.Algorithm,
  state: core.State,
  *,
  dataset: data.Dataset,
  config: ConfigDict,
  network: Network,
  split: str,
  seeds: Sequence[int],
  truncation: float,
  mesh: jax.sharding.Mesh,
) -> list[Measured]:
  """Those of 'likelihood', 'path_length' and 'classification_accuracy' that are among the families, in this order."""
  found = []
  if 'likelihood' in families:
    held_out = getattr(dataset, split)
    found.append(
      likelihood_scores(algorithm, state, held_out, config, samples=IMPORTANCE_SAMPLES, seed=seeds[0], mesh=mesh)
    )
  if 'path_length' in families:
    num_classes = dataset.num_classes if configs.is_conditional(config) else 1
    found.append(
      path_length_score(algorithm, state, network, num_classes=num_classes, paths=PATHS, seeds=seeds, mesh=mesh)
    )
  if 'classification_accuracy' in families:
    found.append(
      classification_accuracy_score(
        algorithm, state, dataset, config, split=split, seeds=seeds, truncation=truncation, mesh=mesh
      )
    )
  return found


def likelihood_scores(
  algorithm: core.Algorithm,
  state: core.State,
  split: data.Split,
  config: ConfigDict,
  *,
  samples: int,
  seed: int,
  mesh: jax.sharding.Mesh,
) -> Measured:
  """elbo, recon, kl, bpd (means over a split), the importance-weighted bound, reconstruction error and active units.

  Args:
    algorithm: one with an encoder, whose `eval_step` gives `log_weight`.
    state: what is evaluated.
    split: held-out images.
    config: of the run.
    samples: K of the bound `iw_bound_K`, in nats an image (Burda et al. 2016, eq. 8).
    seed: of the posterior's samples.
    mesh: on which the state lies.
  """
  key = jax.random.key(seed)
  eval_step, encode, decode = (
    jax.jit(function, out_shardings=sharding.replicated(mesh))
    for function in (algorithm.eval_step, algorithm.encode, algorithm.decode)
  )
  values, latent_means = [], []  # of the images of a batch, by name; and their latents
  for number, (batch, mask) in enumerate(data.eval_batches(split, config.data, batch_size=min(BATCH_SIZE, len(split)))):
    batch_key = jax.random.fold_in(key, number)
    found = jax.device_get(eval_step(state, batch, batch_key))
    found.pop('log_weight')
    keys = jax.random.split(batch_key, samples)
    log_weights = np.stack([np.asarray(eval_step(state, batch, k)['log_weight'])[mask] for k in keys])
    latents = encode(state, batch['image'], batch['label'])
    reconstructions = np.asarray(decode(state, latents, batch['label']))
    pairs = zip(batch['image'][mask], reconstructions[mask], strict=True)
    values.append(
      {name: value[mask] for name, value in found.items()}
      | {f'iw_bound_{samples}': likelihood.importance_weighted_bounds(log_weights)}
      | {'reconstruction_error': np.array([likelihood.reconstruction_error(*pair) for pair in pairs])}
    )
    latent_means.append(np.asarray(latents)[mask])
  whole = {name: np.concatenate([each[name] for each in values]).astype(np.float64) for name in values[0]}
  scores = {name: float(value.mean()) for name, value in whole.items()}
  scores['active_units'] = float(likelihood.active_units(np.concatenate(latent_means)))
  errors = {name: bootstrap(np.mean, value, seed=seed).standard_error for name, value in whole.items()}
  model = {name: config.model[name] for name in ('likelihood', 'sigma', 'mixtures') if name in config.model}
  setting = f'likelihood: {", ".join(f"{k} {v}" for k, v in model.items())}, {samples} importance samples, seed {seed}'
  return Measured(scores, errors, setting, {})


def classification_accuracy_score(
  algorithm: core.Algorithm,
  state: core.State,
  dataset: data.Dataset,
  config: ConfigDict,
  *,
  split: str,
  seeds: Sequence[int],
  truncation: float,
  mesh: jax.sharding.Mesh,
) -> Measured:
  """Accuracy on real images of a classifier that was trained on generated ones alone (Ravuri and Vinyals 2019).

  For every seed as many images are generated as there are training images, all classes alike, and one classifier is
  trained on them. Real validation images stop it early; where the score is of those, its last step is kept.

  Args:
    algorithm: of a class-conditional model.
    state: what is evaluated.
    dataset: of the run.
    config: of the run.
    split: 'test' or 'validation', whose images are classified.
    seeds: of the images and the classifiers; the deviation is over them.
    truncation: psi of the latents.
    mesh: whose devices draw.

  Raises:
    ValueError: a class without an image in that split.
  """
  images, truth = real_images(getattr(dataset, split), config)
  accuracies_by_class(np.ones(len(truth)), truth, dataset.num_classes)  # refuses an empty class before any training
  stopping = real_images(dataset.validation, config) if split == 'test' else None
  labels = np.arange(len(dataset.train), dtype=np.int32) % dataset.num_classes
  runs, by_class = [], []
  for seed in seeds:
    parts = generated_batches(algorithm, state, labels, seed=seed, truncation=truncation, mesh=mesh)
    generated = np.concatenate([part for part, _ in parts])
    trained = train_classifier(generated, labels, dataset, config, validation=stopping, seed=seed)
    right = trained(images)[0].argmax(axis=1) == truth
    runs.append({'classification_accuracy_score': float(right.mean())})
    by_class.append(accuracies_by_class(right, truth, dataset.num_classes))
  stop = 'early stopping on validation images' if stopping is not None else 'last step'
  flips = 'with flips' if config.data.flip else 'no flips'
  setting = f'classification accuracy: {TRAINING}, {flips}, {stop}, seeds {", ".join(map(str, seeds))}'
  return Measured(
    *mean_and_deviation(runs), setting, {'classification_accuracy_score': np.mean(by_class, axis=0).tolist()}
  )


def path_length_score(
  algorithm: core.Algorithm,
  state: core.State,
  network: Network,
  *,
  num_classes: int,
  paths: int,
  seeds: Sequence[int],
  mesh: jax.sharding.Mesh,
) -> Measured:
  """Perceptual path length in the latent space: squared distances of features, a mean over classes with equal shares.

  Args:
    algorithm: one whose latents are one array [N, Z].
    state: what is evaluated.
    network: whose features stand for perception; images reach it unquantised.
    num_classes: 1 for an unconditional model.
    paths: in all, at least one a class.
    seeds: of the latents and of the places along the paths; the deviation is over them.
    mesh: on which the state lies.
  """
  each = max(1, paths // num_classes)
  decode = jax.jit(algorithm.decode, out_shardings=sharding.replicated(mesh))
  distance = lambda first, second: np.sum((first.astype(np.float64) - second) ** 2, axis=1)

  def of_class(label: int, seed: int) -> float:
    key = jax.random.fold_in(jax.random.key(seed), label)
    start, end = np.split(np.asarray(algorithm.prior(state, key, np.full(2 * each, label, np.int32))), 2)

    def features(latents):  # two programs: within one, the network's weights would be constants
      return np.asarray(network.apply(decode(state, latents, np.full(len(latents), label, np.int32)))['features'])

    return path_length.perceptual_path_length(features, distance, start, end, epsilon=WALK_STEP, seed=seed)

  name = f'path_length_{network.name}'
  runs = [{name: float(np.mean([of_class(label, seed) for label in range(num_classes)]))} for seed in seeds]
  setting = f'path length: {paths} paths, steps of {WALK_STEP:g}, seeds {", ".join(map(str, seeds))}'
  return Measured(*mean_and_deviation(runs), setting, {})
