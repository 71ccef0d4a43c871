"""Families of metrics by name, each from the features of real, training and generated images to scores by name."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from gengan.metrics import copying, frechet, kernel, manifold
from gengan.metrics.inception_score import inception_score
from gengan.metrics.vendi import vendi_score
from gengan.networks.features import Features
from gengan.networks.network import Network

KERNEL_SUBSETS, KERNEL_SUBSET_SIZE = 100, 1000  # as in clean-fid, torch-fidelity and StyleGAN3
SPLITS, SPLIT_ROWS = 10, 500  # of the inception score; published are 10 of 5,000
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
  return {f'intra_fd_{inputs.network.name}': _intra_class(inputs)[0]}


def kernel_scores(inputs: Inputs) -> dict[str, float]:
  """`kid` or `kd_<network>`: mean over 100 subsets of 1,000; all rows at once where there are fewer."""
  x, y = inputs.real.rows, inputs.generated.rows
  enough = min(len(x), len(y)) >= KERNEL_SUBSET_SIZE
  subsets = {'subsets': KERNEL_SUBSETS, 'subset_size': KERNEL_SUBSET_SIZE} if enough else {}
  return {_name(inputs.network, 'kid', 'kd'): kernel.kernel_distance(x, y, **subsets, seed=inputs.seed)}


def inception_scores(inputs: Inputs) -> dict[str, float]:
  """exp of the mean divergence of predictions from their mean: over all samples at once, and as a mean of ten splits.

  Publications have used both; see `inception_score`. Ten splits are left out where they would be small.
  """
  probabilities, name = inputs.generated.probabilities, inputs.network.name
  scores = {f'is_{name}': inception_score(probabilities)[0]}
  if len(probabilities) >= SPLITS * SPLIT_ROWS:
    scores[f'is_{SPLITS}_splits_{name}'] = inception_score(probabilities, splits=SPLITS)[0]
  return scores


def manifold_scores(inputs: Inputs) -> dict[str, float]:
  """precision, recall (k=3), density and coverage (k=5)."""
  real, generated = inputs.real.rows, inputs.generated.rows
  scores = manifold.precision_recall_density_coverage(real, generated)
  scores |= manifold.precision_recall(real, generated)
  return {f'{name}_{inputs.network.name}': value for name, value in scores.items()}


def vendi_scores(inputs: Inputs) -> dict[str, float]:
  """The effective number of different images among 2,000, as a share of that of real ones."""
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
    **{f'data_copying_{key}_{name}': test[key] for key in ('z', 'c_t') if key in test},
    f'closer_to_train_{name}': closest['share_closer_to_train'],
    f'closest_train_distance_{name}': closest['median_to_train'],
    f'closest_train_distance_real_{name}': closest['median_holdout_to_train'],
  }


def consistency_scores(inputs: Inputs) -> dict[str, float]:
  """Share of generated images that the network takes for the class that was asked for, a mean over classes.

  Beside it the worst class, and the same share of held-out real images: what the network itself is worth.
  """
  per_class = class_accuracies(inputs.generated)
  return {
    'label_consistency': float(np.mean(per_class)),
    'label_consistency_worst_class': min(per_class),
    'label_consistency_real': float(np.mean(class_accuracies(inputs.real))),
  }


def class_accuracies(features: Features) -> list[float]:
  """One accuracy a class, in [0, 1].

  Raises:
    ValueError: a class without an image.
  """
  right = features.logits.argmax(axis=1) == features.labels
  return accuracies_by_class(right, features.labels, features.logits.shape[1])


def accuracies_by_class(right: np.ndarray, labels: np.ndarray, num_classes: int) -> list[float]:
  """Share of right answers [N] (bool) within every class of labels [N].

  Raises:
    ValueError: a class without an image.
  """
  counts = np.bincount(labels, minlength=num_classes)
  if not counts.all():
    raise ValueError(f'there is no image of class {int(counts.argmin())} to judge; it takes some of every class')
  return (np.bincount(labels, weights=right, minlength=num_classes) / counts).tolist()


def _intra_class(inputs: Inputs) -> tuple[float, dict[int, float]]:
  real, generated = inputs.real, inputs.generated
  return frechet.intra_class_frechet_distance(real.rows, real.row_labels, generated.rows, generated.row_labels)


def _name(network: Network, published: str, general: str) -> str:
  """The published name for the published network alone; with another resizer it says so, with another network too."""
  if network.name != 'inception_fid':
    return f'{general}_{network.name}'
  return published if network.resizer == 'tensorflow' else f'{network.resizer}_{published}'


class Family(NamedTuple):
  """A group of scores that is asked for by one name.

  Attributes:
    measure: from `Inputs` to scores by name; None where not samples are measured but the model itself is asked, which
      `gengan.evaluate.model_scores` does.
    names: how the names of its scores begin, whatever the network.
    by_class: likewise to one value a class, in the order of the labels; None where there is none.
    needs: of 'conditional' (a model that is asked for a class), 'encoder' (a model that has one), 'classes' (a network
      that tells classes apart) and 'own classes' (one that knows those of the data).
  """

  measure: Callable[[Inputs], dict[str, float]] | None
  names: tuple[str, ...]
  by_class: Callable[[Inputs], dict[str, list[float]]] | None = None
  needs: tuple[str, ...] = ()


FAMILIES: dict[str, Family] = {
  'frechet': Family(frechet_scores, ('fd_', 'fid', 'clean_fid')),
  'frechet_infinity': Family(frechet_infinity_scores, ('fd_infinity_',)),
  'intra_class': Family(
    intra_class_scores,
    ('intra_fd_',),
    lambda inputs: {f'intra_fd_{inputs.network.name}': list(_intra_class(inputs)[1].values())},
    needs=('conditional',),
  ),
  'kernel': Family(kernel_scores, ('kd_', 'kid', 'clean_kid')),
  'inception_score': Family(inception_scores, ('is_',), needs=('classes',)),
  'manifold': Family(manifold_scores, ('precision_', 'recall_', 'density_', 'coverage_')),
  'vendi': Family(vendi_scores, ('vendi_ratio_',)),
  'copying': Family(copying_scores, ('authenticity_', 'data_copying_', 'closer_to_train_', 'closest_train_distance_')),
  'consistency': Family(
    consistency_scores,
    ('label_consistency',),
    lambda inputs: {'label_consistency': class_accuracies(inputs.generated)},
    needs=('conditional', 'own classes'),
  ),
  'likelihood': Family(
    None,
    ('elbo', 'recon', 'kl', 'bpd', 'iw_bound_', 'active_units'),
    needs=('encoder',),
  ),
  'classification_accuracy': Family(None, ('classification_accuracy_score',), needs=('conditional',)),
  'path_length': Family(None, ('path_length_',)),
}
MISSING = {
  'conditional': 'a class-conditional model',
  'classes': 'a network that classifies: classifier, or inception with its file',
  'own classes': 'the network that knows the labels of this data: classifier',
  'encoder': 'a model with an encoder',
}


def measure(families: Sequence[str], inputs: Inputs) -> dict[str, float]:
  """The scores of the named families.

  Raises:
    ValueError: too few images for one of them, or of a class.
  """
  return {name: value for family in families for name, value in FAMILIES[family].measure(inputs).items()}


def by_class(families: Sequence[str], inputs: Inputs) -> dict[str, list[float]]:
  """One value a class of those scores of the named families that are means over classes."""
  found = [FAMILIES[family].by_class for family in families]
  return {name: values for each in found if each is not None for name, values in each(inputs).items()}


def check(families: Sequence[str], *, network: str, conditional: bool, encoder: bool) -> None:
  """Refuses what cannot be measured, before anything is.

  Args:
    families: of `FAMILIES`.
    network: its name, or what a user calls it ('inception:FILE').
    conditional: whether the model is.
    encoder: whether it has one.

  Raises:
    ValueError: names the first family that does not exist, or that this model or network cannot give.
  """
  kind = network.partition(':')[0]
  there = {'conditional': conditional, 'encoder': encoder}
  there |= {'classes': kind == 'classifier' or kind.startswith('inception'), 'own classes': kind == 'classifier'}
  for family in families:
    if family not in FAMILIES:
      raise ValueError(f'unknown metrics {family!r}; it must be some of {", ".join(FAMILIES)}')
    for need in FAMILIES[family].needs:
      if not there[need]:
        raise ValueError(f'{family} needs {MISSING[need]}')
