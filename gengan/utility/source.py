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
  """What `gengan.utility.arms` asks for.

  Attributes:
    stream: (images of a set, seed, means) -> stream of them, all classes alike.
    of_labels: (labels [N], seed) -> images and labels, by the means of the mixed arms.
    draw: see `gengan.generate.stream.make_draw`; without any means, for tests of copying.
  """

  stream: arms.Generate
  of_labels: arms.GenerateOf
  draw: stream.Draw


class _Asked(NamedTuple):
  """How images are drawn and filtered, and who labels those that are left; None: they have the labels asked for."""

  draw: stream.Draw
  filters: tuple[stream.Filter, ...]
  labels_of: Callable[[np.ndarray], np.ndarray] | None


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

  def probabilities(images: np.ndarray) -> np.ndarray:
    return judge()(images)[0]

  relabel = functools.partial(relabelling.relabelled, probabilities, num_classes=opened.num_classes)

  def asked_for(seed: int, means: tuple[str, ...]) -> _Asked:
    draw = draw_of(settings.scale if 'expand' in means else 1.0)
    return _Asked(
      lambda slots, attempt, labels: draw(np.asarray(slots) + (seed + 1) * SLOTS_A_SEED, attempt, labels),
      (filters.confidence(probabilities, settings.min_agreement),) if 'filter' in means else (),
      relabel if 'relabel' in means else None,
    )

  def generate(size: int, seed: int, means: str) -> mixing.Stream:
    chosen = arms.split_means(means)
    draw, kept, labels_of = asked_for(seed, chosen)
    return recycling.recycled(
      draw,
      classes=range(opened.num_classes),
      size=size,
      seed=seed,
      every_epochs=settings.every_epochs if 'recycle' in chosen else 0,
      filters=kept,
      relabel=labels_of,
    )

  def generate_of(labels: np.ndarray, seed: int) -> mixing.Examples:
    draw, kept, labels_of = asked_for(seed, arms.split_means(settings.mixed_means))
    attempts = stream.MAX_ATTEMPTS if kept else 1
    found = stream.fill(draw, np.arange(len(labels)), labels, filters=kept, max_attempts=attempts)
    if lost := sorted(set(labels.tolist()) - set(found.labels.tolist())):
      raise recycling.NothingLeft(f'the filters dropped every image of class {lost[0]}')
    return found.images, labels_of(found.images) if labels_of else found.labels

  return Generated(generate, generate_of, draw_of(1.0))
