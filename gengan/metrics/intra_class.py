"""Within classes: one Fréchet distance each, for models that are asked for a class."""

import numpy as np

from gengan.metrics import checks
from gengan.metrics.family import CONDITIONAL, Family, Images, Inputs, Meaning, Scores
from gengan.metrics.frechet import BIASED, ENOUGH, distance_of_factors, mean_and_factor, warn_of_few

LEAST = 2  # images of a class, which have a covariance


def intra_class_frechet_distance(
  real: np.ndarray, real_labels: np.ndarray, fake: np.ndarray, fake_labels: np.ndarray
) -> tuple[float, dict[int, float]]:
  """`frechet_distance` within every class, and the mean over the classes (Miyato and Koyama 2018, section 4.1).

  Args:
    real: [N, D] features.
    real_labels: [N] whole numbers; two samples or more of every class.
    fake: [M, D] features of samples that were asked for by label.
    fake_labels: [M], of the same classes.

  Returns:
    The unweighted mean and the distance by class.

  Raises:
    ValueError: a class of which one of the sets has fewer than two samples.

  Warns:
    FewSamplesWarning: once, for the smallest class.
  """
  real, fake = checks.pair(real, fake, ('real', 'fake'), at_least=2)
  real_labels = checks.labels(real_labels, len(real), 'real_labels')
  fake_labels = checks.labels(fake_labels, len(fake), 'fake_labels')
  classes = np.union1d(real_labels, fake_labels)
  given = {'real': real_labels, 'fake': fake_labels}
  counts = {(name, label): np.count_nonzero(given[name] == label) for name in given for label in classes}
  for (name, label), rows in counts.items():
    if rows < 2:
      raise ValueError(f'{name}: class {label} has {rows} samples, at least 2 are needed')
  warn_of_few(min(counts.values()), real.shape[1])
  by_class = {
    int(label): distance_of_factors(
      *mean_and_factor(real[real_labels == label], 'real'), *mean_and_factor(fake[fake_labels == label], 'fake')
    )
    for label in classes
  }
  return float(np.mean(list(by_class.values()))), by_class


def scores(inputs: Inputs) -> Scores:
  """`intra_fd_<network>`: the mean over classes, and every class; those with fewer than two images are left out.

  Raises:
    ValueError: there is no class with two.
  """
  real, generated, name = inputs.real, inputs.generated, f'intra_fd_{inputs.network.name}'
  lacks = {}
  for label in np.union1d(real.row_labels, generated.row_labels).tolist():
    counts = {'held-out image': np.sum(real.row_labels == label), 'sample': np.sum(generated.row_labels == label)}
    lacks[label] = ' and '.join(f'{count or "no"} {kind}' for kind, count in counts.items() if count < LEAST)
  judged = [label for label, lack in lacks.items() if not lack]
  if not judged:
    raise ValueError(f'there is no class with {LEAST} held-out images and {LEAST} samples')
  kept_real, kept_generated = (np.isin(each.row_labels, judged) for each in (real, generated))
  mean, by_class = intra_class_frechet_distance(
    real.rows[kept_real],
    real.row_labels[kept_real],
    generated.rows[kept_generated],
    generated.row_labels[kept_generated],
  )
  left_out = {label: f'{lack}, of the {LEAST} needed' for label, lack in lacks.items() if lack}
  return Scores({name: mean}, by_class={name: by_class}, left_out=left_out)


FAMILY = Family(
  scores,
  {'intra_fd_': Meaning('lower', 'mean Fréchet distance within a class')},
  needs=(CONDITIONAL,),
  images=Images(of_class=LEAST, enough=ENOUGH, few=BIASED),
  reference=True,
)
