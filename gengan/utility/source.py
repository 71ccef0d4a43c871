"""The source of a comparison's generated images: one generator, from which every seed and all means draw."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from ml_collections import ConfigDict

from gengan import runs
from gengan.data import mixing
from gengan.generate import filters, recycling, relabelling, stream
from gengan.networks.classifier import Classifier
from gengan.utility import arms

SLOTS_A_SEED = 1 << 26  # of the generated set; a multiple of `stream.ROWS`
MAX_SEEDS = 62  # slots are 32-bit numbers


class Generated(NamedTuple):
  """What `gengan.utility.arms` asks for."""

  stream: arms.Generate
  of_labels: arms.GenerateOf  # by the means of the mixed arms
  draw: stream.Draw  # without any means, for tests of copying


def make(opened: runs.Run, judge: Callable[[], Classifier], settings: ConfigDict) -> Generated:
  """Opens the source; each seed has slots of its own, so no two share an image.

  Args:
    opened: a conditional model.
    judge: gives a classifier of the regime's real images; called only where it filters images (Lampis et al. 2023) or
      labels them.
    settings: `config.synthetic`.
  """

  @functools.cache
  def draw_of(truncation: float) -> stream.Draw:
    return stream.make_draw(opened.algorithm, opened.state, seed=0, truncation=truncation)

  probabilities = lambda images: judge()(images)[0]
  found_labels = functools.partial(relabelling.relabelled, probabilities, num_classes=opened.num_classes)

  def drawn_by(means: str, seed: int):
    """How images are drawn and filtered, and what labels those that are left; None: they have the labels asked for."""
    chosen = arms.split_means(means)
    draw = draw_of(settings.scale if 'expand' in chosen else 1.0)
    shifted = lambda slots, attempt, labels: draw(np.asarray(slots) + (seed + 1) * SLOTS_A_SEED, attempt, labels)
    kept = (filters.confidence(probabilities, settings.min_agreement),) if 'filter' in chosen else ()
    return shifted, kept, found_labels if 'relabel' in chosen else None

  def generate(size: int, seed: int, means: str) -> mixing.Stream:
    draw, kept, relabel = drawn_by(means, seed)
    epochs = settings.every_epochs if 'recycle' in arms.split_means(means) else 0
    classes = range(opened.num_classes)
    return recycling.recycled(
      draw, classes=classes, size=size, seed=seed, every_epochs=epochs, filters=kept, relabel=relabel
    )

  def generate_of(labels: np.ndarray, seed: int) -> mixing.Examples:
    draw, kept, relabel = drawn_by(settings.mixed_means, seed)
    attempts = stream.MAX_ATTEMPTS if kept else 1
    found = stream.fill(draw, np.arange(len(labels)), labels, filters=kept, max_attempts=attempts)
    if lost := sorted(set(labels.tolist()) - set(found.labels.tolist())):
      raise recycling.NothingLeft(f'the filters dropped every image of class {lost[0]}')
    return found.images, relabel(found.images) if relabel else found.labels

  return Generated(generate, generate_of, draw_of(1.0))
