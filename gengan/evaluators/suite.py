"""Families of metrics by name, each from the features of real, training and generated images to scores by name."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from gengan.evaluators import copying, frechet, kernel, manifold
from gengan.evaluators.features import Features
from gengan.evaluators.inception_score import inception_score
from gengan.evaluators.network import Network
from gengan.evaluators.vendi import vendi_score

KERNEL_SUBSETS, KERNEL_SUBSET_SIZE = 100, 1000  # as in clean-fid, torch-fidelity and StyleGAN3
VENDI_ROWS = 2000


class Inputs(NamedTuple):
  """What the families read: features of held-out, training (for copying alone) and generated images, and a seed."""

  real: Features
  train: Features | None
  generated: Features
  network: Network
  seed: int = 0


def frechet_scores(inputs: Inputs) -> dict[str, float]:
  """`fid` for the published Inception network and resizer, `fd_<network>` for any other: never one for the other."""
  return {
    _name(inputs.network, 'fid', 'fd'): frechet.frechet_distance_of_moments(
      inputs.real.moments, inputs.generated.moments
    )
  }


def frechet_infinity_scores(inputs: Inputs) -> dict[str, float]:
  """The Fréchet distance extrapolated to endless samples."""
  distance = frechet.frechet_distance_infinity(inputs.real.moments, inputs.generated.rows, seed=inputs.seed)
  return {f'fd_infinity_{inputs.network.name}': distance}


def intra_class_scores(inputs: Inputs) -> dict[str, float]:
  """The mean over classes of the Fréchet distance within a class."""
  real, generated = inputs.real, inputs.generated
  mean, _ = frechet.intra_class_frechet_distance(
    real.rows, real.labels[: len(real.rows)], generated.rows, generated.labels[: len(generated.rows)]
  )
  return {f'intra_fd_{inputs.network.name}': mean}


def kernel_scores(inputs: Inputs) -> dict[str, float]:
  """`kid` or `kd_<network>`: mean over 100 subsets of 1,000; all rows at once where there are fewer."""
  x, y = inputs.real.rows, inputs.generated.rows
  enough = min(len(x), len(y)) >= KERNEL_SUBSET_SIZE
  subsets = {'subsets': KERNEL_SUBSETS, 'subset_size': KERNEL_SUBSET_SIZE} if enough else {}
  return {_name(inputs.network, 'kid', 'kd'): kernel.kernel_distance(x, y, **subsets, seed=inputs.seed)}


def inception_scores(inputs: Inputs) -> dict[str, float]:
  """exp of the mean divergence of predictions from their mean, over all samples at once (one split)."""
  if inputs.generated.logits is None:
    raise ValueError(f'the network {inputs.network.name!r} does not classify, so it gives no inception score')
  return {_name(inputs.network, 'is', 'is'): inception_score(inputs.generated.probabilities)[0]}


def manifold_scores(inputs: Inputs) -> dict[str, float]:
  """precision, recall (k=3), density and coverage (k=5)."""
  real, generated = inputs.real.rows, inputs.generated.rows
  scores = manifold.precision_recall_density_coverage(real, generated)
  scores |= manifold.precision_recall(real, generated)
  return {f'{name}_{inputs.network.name}': value for name, value in scores.items()}


def vendi_scores(inputs: Inputs) -> dict[str, float]:
  """The effective number of different images among the first 2,000, as a share of that of real ones."""
  rows = min(VENDI_ROWS, len(inputs.real.rows), len(inputs.generated.rows))
  ratio = vendi_score(inputs.generated.rows[:rows]) / vendi_score(inputs.real.rows[:rows])
  return {f'vendi_ratio_{inputs.network.name}': ratio}


def copying_scores(inputs: Inputs) -> dict[str, float]:
  """Authenticity, the data-copying test and the distance to the closest record, with held-out images as the measure."""
  train, real, generated = inputs.train.rows, inputs.real.rows, inputs.generated.rows
  name = inputs.network.name
  test = copying.data_copying(train, real, generated)
  closest = copying.distance_to_closest_record(train, real, generated)
  return {
    f'authenticity_{name}': copying.authenticity(train, generated),
    f'data_copying_z_{name}': test['z'],
    f'closer_to_train_{name}': closest['share_closer_to_train'],
  }


def consistency_scores(inputs: Inputs) -> dict[str, float]:
  """Share of generated images that the network takes for the class that was asked for: mean, and the worst class."""
  if inputs.generated.logits is None or inputs.network.name != 'classifier':
    raise ValueError('label consistency needs the network that knows the labels of this data: --network=classifier')
  per_class = class_accuracies(inputs.generated)
  present = [value for value in per_class if not np.isnan(value)]
  return {'label_consistency': float(np.mean(present)), 'label_consistency_worst_class': float(np.min(present))}


def class_accuracies(features: Features) -> list[float]:
  """One accuracy a class in [0, 1]; NaN for a class of which there is no image."""
  right = features.logits.argmax(axis=1) == features.labels
  classes = range(features.logits.shape[1])
  return [
    float(right[features.labels == label].mean()) if np.any(features.labels == label) else np.nan for label in classes
  ]


def _name(network: Network, published: str, general: str) -> str:
  """The published name for the published network alone; with another resizer it says so, with another network too."""
  if network.name != 'inception_fid':
    return f'{general}_{network.name}'
  return published if network.resizer == 'tensorflow' else f'{network.resizer}_{published}'


FAMILIES: dict[str, Callable[[Inputs], dict[str, float]]] = {
  'frechet': frechet_scores,
  'frechet_infinity': frechet_infinity_scores,
  'intra_class': intra_class_scores,
  'kernel': kernel_scores,
  'inception_score': inception_scores,
  'manifold': manifold_scores,
  'vendi': vendi_scores,
  'copying': copying_scores,
  'consistency': consistency_scores,
}


def measure(families: Sequence[str], inputs: Inputs) -> dict[str, float]:
  """The scores of the named families.

  Raises:
    ValueError: an unknown family, or one that this network cannot give.
  """
  check(families)
  scores: dict[str, float] = {}
  for family in families:
    scores |= FAMILIES[family](inputs)
  return scores


def check(families: Sequence[str], allowed: Mapping[str, object] = FAMILIES) -> None:
  """Raises a ValueError that names the first family that does not exist."""
  for family in families:
    if family not in allowed:
      raise ValueError(f'unknown metrics {family!r}; it must be some of {", ".join(allowed)}')
