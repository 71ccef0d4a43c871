"""Where the generated images of a comparison come from: one generator, by seed and by means."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from ml_collections import ConfigDict

from gengan import mixing, runs
from gengan.evaluators.classifier import Classifier
from gengan.generation import filters, recycling, stream
from gengan.trials import arms

SLOTS_A_SEED = 1 << 26  # of the generated set that each seed has for itself; a multiple of `stream.ROWS`
MAX_SEEDS = 62  # slots are 32-bit numbers


class Generated(NamedTuple):
  """What `gengan.trials.arms` asks for.

  Attributes:
    stream: (images of a set, seed, means) -> stream of them, all classes alike.
    of_labels: (labels [N], seed) -> images and labels, by the means of the mixed arms.
    draw: see `gengan.generation.stream.make_draw`; as the model gives them, for tests of copying.
  """

  stream: arms.Generate
  of_labels: arms.GenerateOf
  draw: stream.Draw


def make(opened: runs.Run, judge: Callable[[], Classifier], settings: ConfigDict) -> Generated:
  """Images of a generator; each seed has slots of its own.

  Args:
    opened: a conditional model.
    judge: a classifier of the regime's real images; asked where images are filtered (Lampis et al. 2023).
    settings: `config.synthetic`.
  """

  @functools.cache
  def draw_of(scale: float) -> stream.Draw:
    return stream.make_draw(opened.algorithm, opened.state, seed=0, scale=scale)

  def candidates(seed: int, means: tuple[str, ...]) -> tuple[stream.Draw, tuple[stream.Filter, ...]]:
    draw = draw_of(settings.scale if 'expand' in means else 1.0)
    agree = lambda images: judge()(images)[0]
    return (
      lambda slots, attempt, labels: draw(np.asarray(slots) + (seed + 1) * SLOTS_A_SEED, attempt, labels),
      (filters.confidence(agree, settings.min_agreement),) if 'filter' in means else (),
    )

  def generate(size: int, seed: int, means: str) -> mixing.Stream:
    chosen = arms.split_means(means)
    draw, kept = candidates(seed, chosen)
    again = settings.every_epochs if 'recycle' in chosen else 0
    classes = range(opened.num_classes)
    return recycling.recycled(draw, classes=classes, size=size, seed=seed, every_epochs=again, filters=kept)

  def generate_of(labels: np.ndarray, seed: int) -> mixing.Examples:
    draw, kept = candidates(seed, arms.split_means(settings.mixed_means))
    attempts = stream.MAX_ATTEMPTS if kept else 1
    found = stream.fill(draw, np.arange(len(labels)), labels, filters=kept, max_attempts=attempts)
    return found.images, found.labels

  return Generated(generate, generate_of, draw_of(1.0))
