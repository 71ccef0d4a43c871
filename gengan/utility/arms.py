"""The arms of a comparison: on which images each classifier is trained; all else is the same.

In a balanced regime:
  real          the real images, for a fixed number of passes: no more steps than they give
  oversampled   the same images again and again, for as many steps as all arms below
  augmented     as `oversampled`, with classical augmentation
  synthetic     generated images alone (Ravuri and Vinyals 2019, classification accuracy score)
  synthetic_M   the same with the means M of Lampis et al. (2023), such as recycle+filter
  mixed_R       R generated images for a real one, with the same augmentation as `augmented`

In a long-tailed regime, all with that augmentation:
  augmented     as it is
  weighted      the loss of a class weighted with the inverse of its size
  oversampled   images of small classes again and again, until all classes are as large as the largest
  balanced      generated images instead, as many as each class lacks
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from gengan.core import ArgumentError
from gengan.data import mixing
from gengan.data.mixing import Examples, Stream

# A new set every few epochs; only images that a classifier recognises; its labels for all images; truncation above 1.
MEANS = ('recycle', 'filter', 'relabel', 'expand')

Generate = Callable[[int, int, str], Stream]  # (images of a set, seed, means) -> stream of them, all classes alike
GenerateOf = Callable[[np.ndarray, int], Examples]  # (labels [N], seed) -> generated images and labels


class Arm(NamedTuple):
  """What a classifier is trained on."""

  stream: Stream
  num_generated: int = 0  # images of the generated set; of a recycled one, at a time
  augmented: bool = True  # with classical augmentation
  passes: int = 0  # over the real images at most; 0: as many as the steps give
  class_weights: np.ndarray | None = None  # [K], of the loss
  real_alone: bool = False  # the real images, each as often as any other, and nothing else


def balanced_names(ratios: Sequence[float], means: Sequence[str]) -> tuple[str, ...]:
  """The arms of a balanced regime, in the order of the report."""
  alone = (f'synthetic_{each}' if each else 'synthetic' for each in means)
  return ('real', 'oversampled', 'augmented', *alone, *(f'mixed_{ratio:g}' for ratio in ratios))


def split_means(means: str) -> tuple[str, ...]:
  """'recycle+filter' to ('recycle', 'filter'); '' to ().

  Raises:
    ArgumentError: an unknown name, one that comes twice, or two that exclude each other.
  """
  found = tuple(means.split('+')) if means else ()
  if set(found) - set(MEANS) or len(set(found)) < len(found):
    raise ArgumentError('means', means, f'made of {", ".join(MEANS)} joined by +, each once')
  if {'filter', 'relabel'} <= set(found):
    why = 'but what the filter keeps has the label already that the classifier would give it'
    raise ArgumentError('means', means, 'without filter or without relabel', why=why)
  return found


LONG_TAILED = ('augmented', 'weighted', 'oversampled', 'balanced')


def make_balanced(
  name: str, real: Examples, generate: Generate, *, num_synthetic: int, mixed_means: str, passes: int, seed: int
) -> Arm:
  """An arm of a balanced regime.

  Args:
    name: of `balanced_names`.
    real: the regime's training images.
    generate: draws generated ones.
    num_synthetic: images of the arms without real ones.
    mixed_means: of the generated images beside real ones, see `split_means`.
    passes: of the arm `real`.
    seed: of the order.

  Raises:
    ValueError: an unknown name.
  """
  stream = mixing.shuffled(*real, seed=seed)
  match name.partition('_'):
    case ('real', '', ''):
      return Arm(stream, augmented=False, passes=passes, real_alone=True)
    case ('oversampled', '', ''):
      return Arm(stream, augmented=False, real_alone=True)
    case ('augmented', '', ''):
      return Arm(stream, real_alone=True)
    case ('synthetic', _, means):
      return Arm(generate(num_synthetic, seed, means), num_synthetic)
    case ('mixed', '_', ratio):
      ratio = float(ratio)
      size = max(1, round(ratio * len(real[1])))
      return Arm(mixing.mix(stream, generate(size, seed, mixed_means), share=ratio / (1 + ratio)), size)
  raise ValueError(f'there is no arm {name!r}')


def make_long_tailed(name: str, real: Examples, generate_of: GenerateOf, *, num_classes: int, seed: int) -> Arm:
  """An arm of a long-tailed regime, `LONG_TAILED` one; all K classes are among the real images.

  Raises:
    ValueError: an unknown name.
  """
  images, labels = real
  counts = np.bincount(labels, minlength=num_classes)
  stream = mixing.shuffled(images, labels, seed=seed)
  match name:
    case 'augmented':
      return Arm(stream, real_alone=True)
    case 'weighted':
      return Arm(stream, class_weights=len(labels) / (num_classes * counts))
    case 'oversampled':
      rows = np.concatenate([np.resize(np.flatnonzero(labels == k), counts.max()) for k in range(num_classes)])
      return Arm(mixing.shuffled(images[rows], labels[rows], seed=seed))
    case 'balanced':
      lacking = np.repeat(np.arange(num_classes, dtype=np.int32), counts.max() - counts)
      if not len(lacking):
        return Arm(stream)
      more = generate_of(lacking, seed)
      together = [np.concatenate(pair) for pair in zip(real, more, strict=True)]
      return Arm(mixing.shuffled(*together, seed=seed), len(more[1]))
  raise ValueError(f'there is no arm {name!r}')
