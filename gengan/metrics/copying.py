"""Are samples new, or copies of the training set? What Frechet distances reward and these metrics catch."""

import math

import numpy as np
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA

from gengan.metrics import checks, neighbours
from gengan.metrics.family import Family, Images, Inputs, Meaning, Scores
from gengan.metrics.neighbours import nearest_neighbours, nearest_others

COMPONENTS = 64  # principal components in which cells are found
LEAST = 20  # generated samples, below which a cell is not counted


def authenticity(train: np.ndarray, generated: np.ndarray) -> float:
  """Share of generated samples that are not noisy copies of training samples (authenticity of Alaa et al. 2022).

  A sample g whose nearest training sample is t is authentic where t has a training neighbour nearer than g:
  min_{t' != t} d(t, t') < d(t, g). (Released code looks that distance up at the index of a generated sample instead of
  that of t, which gives another number.)

  Args:
    train: [N, D] features, N >= 2.
    generated: [M, D].

  Returns:
    In [0, 1]: 0 for copies; for new samples of the same distribution about a half or somewhat more, since their
    nearest training sample tends to be in a dense place. Compare with `authenticity(train, held_out)`.

  Examples:
    >>> train = [[0.0], [1.0], [2.0]]
    >>> authenticity(train, [[1.01], [5.0]])  # a copy and a new one
    0.5
  """
  train, generated = checks.pair(train, generated, ('train', 'generated'), at_least=(2, 1))
  return float(np.mean(_authentic(train, generated)))


def data_copying(
  train: np.ndarray, test: np.ndarray, generated: np.ndarray, *, cells: int = 3, least: int = LEAST, seed: int = 0
) -> dict[str, float | list[float]]:
  """The three-sample test of copying (Meehan, Chaudhuri and Dasgupta 2020, section 3).

  U counts the pairs with d(generated, train) > d(test, train), distances to the nearest training sample (a tie counts
  half), and Z_U = (U - (n m / 2 - 1/2)) / sqrt(n m (n + m + 1) / 12) for n test and m generated samples. C_T is the
  mean of the Z_U within cells of the training set (k-means of its principal components, at most 64), weighted by
  their shares of the test samples, over the cells with at least `least` generated samples. It finds copying in one
  region that too distant samples elsewhere make up for.

  Args:
    train: [L, D] features.
    test: [N, D] of held-out data, never trained on.
    generated: [M, D].
    cells: how many.
    least: generated samples that a counted cell has (tau times M in the paper).
    seed: of the k-means.

  Returns:
    `z`: Z_U over everything, about N(0, 1) for samples as good as held-out data. Far below 0 (-3, say): copying;
      far above: samples farther from the data than held-out ones (underfitting).
    `c_t`: C_T, read likewise. It is left out where no cell counts, so that it is nothing to take a mean of: there
      are then too few generated samples for what happens within cells, and `z` is all that they tell.
    `cells`: Z_U of every cell, NaN where it does not count.

  Raises:
    ValueError: more cells than distinct training samples.

  Examples:
    >>> train, test = np.arange(100.0)[:, None], np.arange(100.0)[:, None] + 0.5
    >>> round(data_copying(train, test, train + 0.1)['z'], 1)  # copies, with a little noise
    -12.2
  """
  train, test = checks.pair(train, test, ('train', 'test'))
  train, generated = checks.pair(train, generated, ('train', 'generated'))
  cells, least = checks.count(cells, 'cells'), checks.count(least, 'least')
  seed = checks.seed(seed)
  if cells > _distinct(train, at_most=cells):
    raise ValueError(f'cells is {cells}, but there are fewer distinct training samples')
  train_cells, test_cells, generated_cells = _cells(train, test, generated, cells, seed)
  by_cell, shares = [], []
  for cell in range(cells):
    own_test, own_generated = test[test_cells == cell], generated[generated_cells == cell]
    counts = len(own_test) and len(own_generated) >= least
    by_cell.append(_z(train[train_cells == cell], own_test, own_generated) if counts else math.nan)
    shares.append(len(own_test) if counts else 0)
  result = {'z': _z(train, test, generated), 'cells': by_cell}
  if any(shares):
    result['c_t'] = sum(share * z for share, z in zip(shares, by_cell, strict=True) if share) / sum(shares)
  return result


def distance_to_closest_record(train: np.ndarray, holdout: np.ndarray, generated: np.ndarray) -> dict[str, float]:
  """Distances of generated samples to the nearest training and to the nearest held-out sample (DCR).

  More training samples are nearer by their number alone. So the larger of the two sets is thinned evenly to the size
  of the smaller for the share; shuffle sets that are sorted by class.

  Args:
    train: [N, D] features.
    holdout: [L, D] never trained on, from the same distribution.
    generated: [M, D].

  Returns:
    `share_closer_to_train`: of generated samples, those nearer to the training than to the held-out set, a tie counts
      half. One half is ideal, 1 is copying.
    `median_to_train`, `median_to_holdout`: medians of the generated samples' distances to those sets, thinned.
    `median_holdout_to_train`: what the distance to the same training samples is for new real samples.
  """
  train, holdout = checks.pair(train, holdout, ('train', 'holdout'))
  train, generated = checks.pair(train, generated, ('train', 'generated'))
  rows = min(len(train), len(holdout))
  train, holdout = (each[np.arange(rows) * len(each) // rows] for each in (train, holdout))
  to_train, to_holdout, reference = (
    nearest_neighbours(queries, references)[1][:, 0]
    for queries, references in ((generated, train), (generated, holdout), (holdout, train))
  )
  return {
    'share_closer_to_train': float(np.mean((to_train < to_holdout) + 0.5 * (to_train == to_holdout))),
    'median_to_train': float(np.median(to_train)),
    'median_to_holdout': float(np.median(to_holdout)),
    'median_holdout_to_train': float(np.median(reference)),
  }


def _distinct(rows: np.ndarray, *, at_most: int) -> int:
  """How many rows differ, looked for until there are so many."""
  found = set()
  for row in rows:
    found.add((row + 0.0).tobytes())  # -0.0 is 0.0
    if len(found) == at_most:
      break
  return len(found)


def _authentic(train: np.ndarray, generated: np.ndarray) -> np.ndarray:
  """[M] bool, see `authenticity`."""
  nearest, distances = nearest_neighbours(generated, train)
  return nearest_others(train)[1][nearest[:, 0], 0] < distances[:, 0]


def _z(train: np.ndarray, test: np.ndarray, generated: np.ndarray) -> float:
  """Z_U, see `data_copying`."""
  ordered = np.sort(nearest_neighbours(test, train)[1][:, 0])
  distances = nearest_neighbours(generated, train)[1][:, 0]
  n, m = len(ordered), len(distances)
  # Test samples nearer than each generated one, and half of those as near.
  u = 0.5 * (np.searchsorted(ordered, distances, 'left') + np.searchsorted(ordered, distances, 'right')).sum()
  return float((u - (n * m / 2 - 0.5)) / math.sqrt(n * m * (n + m + 1) / 12))


def _cells(train: np.ndarray, test: np.ndarray, generated: np.ndarray, cells: int, seed: int) -> list[np.ndarray]:
  """The cell of every row of each set."""
  if cells == 1:
    return [np.zeros(len(each), int) for each in (train, test, generated)]
  frame, dtype = neighbours.frame(train, train), np.result_type(train, test, generated)
  pca = PCA(min(COMPONENTS, *train.shape), copy=False, random_state=seed)
  coordinates = [pca.fit_transform(neighbours.move(train, frame, dtype))]
  coordinates += [pca.transform(neighbours.move(each, frame, dtype)) for each in (test, generated)]
  means = KMeans(cells, n_init=4, random_state=seed).fit(coordinates[0])
  return [means.predict(each) for each in coordinates]


def scores(inputs: Inputs) -> Scores:
  """Authenticity, the data-copying test and the distance to the closest record, with held-out images as the measure."""
  train, real, generated = inputs.train.rows, inputs.real.rows, inputs.generated.rows
  test = data_copying(train, real, generated)
  closest = distance_to_closest_record(train, real, generated)
  authentic = _authentic(train, np.concatenate([generated, real]))  # at once, for the neighbours of train are dear
  values = {
    'authenticity': float(np.mean(authentic[: len(generated)])),
    **{f'data_copying_{key}': test[key] for key in ('z', 'c_t') if key in test},
    'closer_to_train': closest['share_closer_to_train'],
    'closest_train_distance': closest['median_to_train'],
    'closest_train_distance_real': closest['median_holdout_to_train'],
  }
  references = {
    'authenticity': float(np.mean(authentic[len(generated) :])),
    'closest_train_distance': closest['median_holdout_to_train'],
  }
  named = lambda found: {f'{name}_{inputs.network.name}': value for name, value in found.items()}
  lacks = {} if 'c_t' in test else {'data_copying_c_t': f'no cell of the data has {LEAST} samples and a held-out image'}
  return Scores(named(values), real=named(references), left_out=named(lacks))


FAMILY = Family(
  scores,
  {
    'authenticity_': Meaning(
      'higher', 'share of samples farther from their nearest training image than that is from its own'
    ),
    'data_copying_z_': Meaning('0', 'far below 0: samples are nearer to training images than held-out images are'),
    'data_copying_c_t_': Meaning('0', 'the same within cells of the data, averaged'),
    'closer_to_train_': Meaning('0.5', 'share of samples closer to a training image than to a held-out one'),
    'closest_train_distance_': Meaning('', 'median distance of samples to their nearest training image'),
    'closest_train_distance_real_': Meaning('', 'the same of held-out images, which that of samples should be like'),
  },
  images=Images(enough=100, few='a test with so few finds only plain copying; a z near 0 proves nothing'),
)
