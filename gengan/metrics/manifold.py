"""Precision and recall, density and coverage: how far real and generated samples reach into each other's support."""

import numpy as np

from gengan.metrics import checks, neighbours
from gengan.metrics.family import Family, Images, Inputs, Meaning, Scores

# Blurred digits (a Gaussian of one pixel) had a precision of 0.97 among 179 real ones and of 0.24 among 900, which real
# digits had 0.91 of among either.
ENOUGH = 1000


def precision_recall(real: np.ndarray, fake: np.ndarray, *, k: int = 3) -> dict[str, float]:
  """Improved precision and recall (Kynkaanniemi et al. 2019, eq. 1 and 2).

  The support of a set is the union of closed balls around its samples, each as large as the distance to the k-th
  nearest other sample. Precision is the share of generated samples in the support of the real ones, recall the share
  of real samples in the support of the generated ones.

  Args:
    real: [N, D] features, N > k.
    fake: [M, D] features, M > k; both depend on the numbers of samples, so compare equal ones.
    k: which neighbour.

  Returns:
    `precision` and `recall`, in [0, 1].
  """
  hits = _hits(real, fake, k, closed=True)
  return {'precision': _share(hits.x_balls_at_y), 'recall': _share(hits.y_balls_at_x)}


def precision_recall_density_coverage(real: np.ndarray, fake: np.ndarray, *, k: int = 5) -> dict[str, float]:
  """Precision, recall, density and coverage (Naeem et al. 2020, section 3), with open balls as in their package.

  With B(x) the ball around a sample up to its k-th nearest other sample of the same set,
  precision = mean_j any_i [fake_j in B(real_i)], recall = mean_i any_j [real_i in B(fake_j)],
  density = 1/k mean_j sum_i [fake_j in B(real_i)], coverage = mean_i any_j [fake_j in B(real_i)].
  A sample with k duplicates in its own set has an empty ball.

  Args:
    real: [N, D] features, N > k.
    fake: [M, D] features, M > k.
    k: which neighbour.

  Returns:
    `precision`, `recall` and `coverage` in [0, 1] and `density`, which is 1 in expectation for samples of the real
    distribution and may be larger.

  Examples:
    >>> real = [[0.0], [1.0], [2.0], [3.0]]
    >>> precision_recall_density_coverage(real, [[0.5], [9.0]], k=1)
    {'precision': 0.5, 'recall': 1.0, 'density': 1.0, 'coverage': 0.5}
  """
  hits = _hits(real, fake, k, closed=False)
  return {
    'precision': _share(hits.x_balls_at_y),
    'recall': _share(hits.y_balls_at_x),
    'density': float(np.mean(hits.x_balls_at_y) / k),
    'coverage': _share(hits.y_in_x_balls),
  }


def _hits(real: np.ndarray, fake: np.ndarray, k: int, *, closed: bool) -> neighbours.Hits:
  checks.count(k, 'k')
  real, fake = checks.pair(real, fake, ('real', 'fake'), at_least=k + 1)
  real_radii, fake_radii = (neighbours.nearest_others(each, k)[1][:, -1] for each in (real, fake))
  return neighbours.balls(real, fake, real_radii, fake_radii, closed=closed)


def _share(counts: np.ndarray) -> float:
  return float(np.mean(counts > 0))


def scores(inputs: Inputs) -> Scores:
  """precision and recall (k=3), density and coverage (k=5), each `..._<network>`."""
  real, generated = inputs.real.rows, inputs.generated.rows
  values = precision_recall_density_coverage(real, generated) | precision_recall(real, generated)
  return Scores({f'{name}_{inputs.network.name}': value for name, value in values.items()})


FAMILY = Family(
  scores,
  {
    'precision_': Meaning('higher', 'share of samples inside the manifold of real images'),
    'recall_': Meaning('higher', 'share of real images inside the manifold of samples'),
    'density_': Meaning('higher', 'how many real neighbourhoods a sample lies in, 1 for equal distributions'),
    'coverage_': Meaning('higher', 'share of real neighbourhoods with a sample'),
  },
  images=Images(
    least=6,  # a fifth neighbour beside each
    enough=ENOUGH,
    few='the balls around them are wide, and blurred samples lie in them: precision, density and coverage are too high',
  ),
  reference=True,
)
