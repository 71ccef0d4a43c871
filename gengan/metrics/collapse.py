"""The collapse monitor: has the generator lost the variety of the data, its tones, or its gradient?"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy.spatial.distance import pdist, squareform

METRICS = ('diversity', 'diversity_ratio', 'nearest_ratio', 'contrast_ratio', 'tone_distance')
WINDOW = 3  # checks of which the median counts, for one check is noisy


DRIFTS = {
  'tone_distance': 'samples have drifted from the brightness and contrast of real images',
  'diversity_ratio': 'samples have grown alike',
  'nearest_ratio': 'samples have begun to repeat',
}


class Report(NamedTuple):
  """What `check` found: metrics by name, and one line of text for every alarm."""

  metrics: dict[str, float]
  warnings: list[str]


def diversity(images: np.ndarray, *, size: int = 8) -> float:
  """Mean distance of all pairs of images: root mean square over pixels pooled to size x size.

  Pooling keeps fine noise from passing for variety.

  Args:
    images: [N, H, W, C] in [-1, 1], N >= 2. The cost grows with N^2; a few hundred are enough.
    size: side of the pooled images in pixels; smaller images stay as they are.

  Returns:
    Between 0 (all alike) and 2 (black and white halves differ everywhere).
  """
  return float(_distances(images, size).mean())


def nearest(images: np.ndarray, *, size: int = 8) -> float:
  """Median distance of an image to its nearest neighbour in the batch, in the units of `diversity`.

  A generator with a few modes keeps a good part of the mean distance (half of it with two modes), but none of this.
  """
  distances = squareform(_distances(images, size))
  np.fill_diagonal(distances, np.inf)
  return float(np.median(distances.min(axis=1)))


def tone_distance(images: np.ndarray, real: np.ndarray) -> float:
  """How far the grey levels of two sets lie apart: the 1-Wasserstein distance of their pixels over the real deviation.

  A background that turns grey, pictures that fade or darken, colours that shift all move it. It is the mean difference
  of the sorted values, each channel on its own.

  Args:
    images: [N, H, W, C].
    real: the same shape.

  Returns:
    0 where the levels are the same; 1: apart by one standard deviation of the real pixels.
  """
  levels = [np.sort(np.asarray(x, np.float32).reshape(-1, x.shape[-1]), axis=0) for x in (images, real)]
  apart, deviation = np.abs(levels[0] - levels[1]).mean(), levels[1].std()
  return float(apart / deviation) if deviation > 0 else 0.0


def drift(
  history: Mapping[int, Mapping[str, float]], *, min_tone: float = 0.2, tone_growth: float = 2.0, kept: float = 0.67
) -> list[tuple[str, str]]:
  """Says whether samples once were better, and when that ended.

  A run can get slowly worse while every single look at it finds nothing wrong. The median of three checks counts.

  Args:
    history: metrics of `check` by step, in order.
    min_tone: least `tone_distance` that matters.
    tone_growth: how many times its smallest value it must be.
    kept: least share of the best `diversity_ratio` and `nearest_ratio`; above 1 these count as 1.

  Returns:
    Every metric that is worse, with a line that says so.
  """
  steps, found = list(history), []
  for name in ('tone_distance', 'diversity_ratio', 'nearest_ratio'):
    values = [min(history[step][name], 1.0) if name != 'tone_distance' else history[step][name] for step in steps]
    medians = [float(np.median(values[i - WINDOW : i])) for i in range(WINDOW, len(values) + 1)]
    if not medians:
      continue
    best = min(medians) if name == 'tone_distance' else max(medians)
    limit = max(min_tone, tone_growth * best) if name == 'tone_distance' else kept * best
    worse = [value > limit if name == 'tone_distance' else value < limit for value in medians]
    if worse[-1]:
      end = steps[WINDOW - 1 :]
      since = end[len(worse) - next((i for i, bad in enumerate(worse[::-1]) if not bad), len(worse))]
      values_then_and_now = f'{name} {best:.2f} at step {end[medians.index(best)]}, now {medians[-1]:.2f}'
      found.append((name, f'{DRIFTS[name]} since step {since}: {values_then_and_now}'))
  return found


def check(
  samples: np.ndarray,
  real: np.ndarray,
  *,
  d_accuracy_real: Sequence[float] = (),
  d_accuracy_fake: Sequence[float] = (),
  min_diversity: float = 0.5,
  min_nearest: float = 0.25,
  min_contrast: float = 0.1,
  max_accuracy: float = 0.99,
) -> Report:
  """Compares samples with as many real images and says in words what looks like collapse.

  Args:
    samples: [N, H, W, C] in [-1, 1]; for class-conditional models with the same mix of labels as `real`.
    real: [N, H, W, C], the same N (a nearest neighbour is nearer among more) and shape, from data.
    d_accuracy_real: the discriminator's recent accuracies on real images, for example those since the last check.
    d_accuracy_fake: likewise on generated ones. Both empty: not looked at (VAEs).
    min_diversity: least `diversity`, as a share of the real images'.
    min_nearest: least `nearest`, likewise.
    min_contrast: least mean standard deviation of the pixels within an image, likewise.
    max_accuracy: where all the recent accuracies on both reach this, the generator has no gradient to learn from
      (Arjovsky & Bottou 2017, "Towards Principled Methods for Training Generative Adversarial Networks", theorem 2.4).

  Returns:
    Metrics `diversity`, `diversity_ratio`, `nearest_ratio`, `contrast_ratio` (a ratio is 1 where the real images have
    none either), `tone_distance`, and the warnings; none where all is well. Samples that are not finite are a
    warning, too.
  """
  if np.shape(samples) != np.shape(real):
    raise ValueError(f'samples {list(np.shape(samples))} and real images {list(np.shape(real))} differ in shape')
  if not np.isfinite(np.asarray(samples, np.float32)).all():
    return Report({}, ['samples hold values that are NaN or infinite'])
  metrics, warnings = _compared(samples, real), []
  if metrics['contrast_ratio'] < min_contrast:
    warnings.append(
      f'samples are nearly blank: their contrast is {metrics["contrast_ratio"]:.1%} of that of real images'
    )
  if metrics['diversity_ratio'] < min_diversity:
    warnings.append(
      f'samples are alike: their mean distance is {metrics["diversity_ratio"]:.1%} of that of real images '
      f'(below {min_diversity:.0%}); the generator may have collapsed to one mode'
    )
  elif metrics['nearest_ratio'] < min_nearest:
    warnings.append(
      f'samples repeat: the distance to the nearest one is {metrics["nearest_ratio"]:.1%} of that of real images '
      f'(below {min_nearest:.0%}); the generator may have collapsed to a few modes'
    )
  accuracies = [*d_accuracy_real, *d_accuracy_fake]
  if len(d_accuracy_real) and len(d_accuracy_fake) and min(accuracies) >= max_accuracy:
    warnings.append(
      f'the discriminator tells all images apart (accuracy at least {min(accuracies):.1%} on real and on generated '
      'ones); the generator has little left to learn from'
    )
  return Report(metrics, warnings)


def _compared(samples: np.ndarray, real: np.ndarray) -> dict[str, float]:
  """METRICS by name."""
  variety = diversity(samples)
  values = (
    variety,
    _share(variety, diversity(real)),
    _share(nearest(samples), nearest(real)),
    _share(_contrast(samples), _contrast(real)),
    tone_distance(samples, real),
  )
  return dict(zip(METRICS, values, strict=True))


def _distances(images: np.ndarray, size: int) -> np.ndarray:
  """[N (N - 1) / 2] of all pairs: root mean square differences of area averages, at most size x size."""
  images = np.asarray(images, np.float32)
  if images.ndim != 4 or len(images) < 2:
    raise ValueError(f'expected two or more images [N, H, W, C], not {list(images.shape)}')
  if not np.isfinite(images).all():
    raise ValueError('images hold values that are NaN or infinite')
  rows, columns = (_pooling(length, min(size, length)) for length in images.shape[1:3])
  flat = np.einsum('ih,nhwc,jw->nijc', rows, images, columns, optimize=True).reshape(len(images), -1)
  return pdist(flat) / np.sqrt(flat.shape[1])


def _pooling(length: int, size: int) -> np.ndarray:
  """[size, length] weights: the share of each pixel in each of `size` equal parts of a line."""
  edges = np.linspace(0, length, size + 1)
  pixels = np.arange(length)
  overlap = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
  return np.maximum(overlap, 0) * size / length


def _contrast(images: np.ndarray) -> float:
  """Mean over images of the standard deviation of an image's pixels."""
  return float(np.asarray(images, np.float64).std(axis=(1, 2)).mean())


def _share(part: float, whole: float) -> float:
  return part / whole if whole > 0 else 1.0
