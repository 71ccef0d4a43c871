"""Endless samples: the Fréchet distance that they would have, from distances of fewer and fewer."""

import numpy as np

from gengan.metrics import checks
from gengan.metrics.family import Family, Images, Inputs, Meaning, Scores
from gengan.metrics.frechet import (
  ENOUGH,
  checked_factor,
  checked_mean,
  distance_of_factors,
  mean_and_factor,
  warn_of_few,
)
from gengan.metrics.moments import Moments

SIZES = 15  # of subsets


def frechet_distance_infinity(
  real: Moments, fake: np.ndarray, *, sizes: int = SIZES, smallest: int | None = None, seed: int = 0
) -> float:
  """Distance that infinitely many generated samples would have (Chong and Forsyth 2020).

  Distances of random subsets of N generated samples, at `sizes` numbers N evenly spaced from `smallest` to all, are
  fitted by a line in 1/N; its value at 1/N = 0 is returned. The bias from the number of real samples remains.

  Args:
    real: moments of the real features.
    fake: [M, D] generated features.
    sizes: how many subsets, 2 or more.
    smallest: samples in the smallest; by default a tenth (5,000 of 50,000 in the paper).
    seed: of the choice of subsets.
  """
  if not isinstance(real, Moments):
    raise ValueError(f'real must be Moments, not {type(real).__name__}; metrics.moments makes them from features')
  real_mean = checked_mean(real.mean, 'the mean of real')
  fake = checks.features(fake, 'fake', at_least=2)
  if fake.shape[1] != len(real_mean):
    raise ValueError(f'real has {len(real_mean)} dimensions and fake {fake.shape[1]}; they must be the same')
  sizes = checks.count(sizes, 'sizes', at_least=2)
  smallest = checks.count(max(2, len(fake) // 10) if smallest is None else smallest, 'smallest', at_least=2)
  if len(fake) < smallest + sizes - 1:
    raise ValueError(f'fake: {len(fake)} rows are too few for subsets of {sizes} sizes from {smallest}')
  warn_of_few(real.count, len(real.mean))
  warn_of_few(smallest, fake.shape[1])
  rng = np.random.default_rng(checks.seed(seed))
  real_factor = checked_factor(real.covariance, len(real.mean), 'real')
  numbers = np.linspace(smallest, len(fake), sizes).astype(int)
  distances = [
    distance_of_factors(real_mean, real_factor, *mean_and_factor(rng.permutation(fake)[:number], 'fake'))
    for number in numbers
  ]
  return float(np.polynomial.Polynomial.fit(1 / numbers, distances, 1)(0.0))


def scores(inputs: Inputs) -> Scores:
  """`fd_infinity_<network>`."""
  distance = frechet_distance_infinity(inputs.real.moments, inputs.generated.rows, seed=inputs.seed)
  return Scores({f'fd_infinity_{inputs.network.name}': distance})


FAMILY = Family(
  scores,
  {'fd_infinity_': Meaning('lower', 'Fréchet distance extrapolated to endless samples')},
  images=Images(
    least=SIZES + 1,
    enough=ENOUGH,
    few='the line in 1/N goes through sets too small for it, and the bias of few real images remains',
  ),
  reference=True,
)
