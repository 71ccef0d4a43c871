"""Sheets of images that are sorted and named by class, and how much small images are enlarged."""

import math
from collections.abc import Sequence

import numpy as np

from gengan.data import images, lettering

SIDE = 64  # pixels of an image on a sheet, about
MOST_ROWS = 12  # classes that have rows of their own; beyond, every image bears its name
CAPTION = 12  # pixels of the letters


def scale(drawn: np.ndarray) -> int:
  """The whole number by which images [..., H, W, C] are enlarged so that a person sees them; 1 from 64 pixels on."""
  return max(1, SIDE // max(drawn.shape[-3:-1]))


def square(drawn: np.ndarray) -> np.ndarray:
  """Images [N, H, W, C], enlarged, in the smallest square that holds them: [H', W', C] uint8."""
  return images.grid(drawn, scale=scale(drawn))


def by_class(
  drawn: np.ndarray, labels: Sequence[int], class_names: Sequence[str], *, most_rows: int = MOST_ROWS
) -> np.ndarray:
  """Images sorted and named by class, enlarged: a person compares two sheets of the same labels cell by cell.

  With up to `most_rows` classes each has rows of its own, as many for all of them, with its name on the left. Of more,
  images follow each other in a square, each with its name above.

  Args:
    drawn: [N, H, W, C], float in [-1, 1] or uint8.
    labels: [N] ints; images of one class stay in their order.
    class_names: one for every label; none: an unconditional model's, and the images are a plain square.

  Returns:
    [H', W', C] uint8.

  Raises:
    ValueError: a wrong shape, or not as many labels as images.
  """
  labels = np.asarray(labels)
  if labels.shape != (len(drawn),):
    raise ValueError(f'{labels.size} labels for {len(drawn)} images')
  if not class_names:
    return square(drawn)
  names, order = lettering.legible(class_names), np.argsort(labels, kind='stable')
  drawn, labels = images.as_uint8(drawn)[order], labels[order]
  present, counts = np.unique(labels, return_counts=True)
  if len(present) > most_rows:
    return images.grid(_captioned(drawn, [names[label] for label in labels]))
  rows = max(1, round(math.sqrt(len(drawn)) / len(present)))  # of a class
  columns = math.ceil(counts.max() / rows)
  cells = np.full((len(present), rows * columns, *drawn.shape[1:]), 255, np.uint8)
  for row, label in enumerate(present):
    cells[row, : counts[row]] = drawn[labels == label]
  beside = [text for label in present for text in (names[label], *[''] * (rows - 1))]
  return images.grid(cells.reshape(-1, *drawn.shape[1:]), columns=columns, scale=scale(drawn), row_labels=beside)


def _captioned(drawn: np.ndarray, texts: Sequence[str]) -> np.ndarray:
  """Enlarged uint8 images, each with a line of text above it."""
  large = drawn.repeat(scale(drawn), axis=1).repeat(scale(drawn), axis=2)
  above = np.full((len(drawn), round(lettering.HEIGHT * CAPTION), *large.shape[2:]), 255, np.uint8)
  for strip, text in zip(above, texts, strict=True):
    written = lettering.line(text, CAPTION, most=strip.shape[1])
    strip[:, : written.shape[1]] = written if strip.shape[-1] == 3 else written.mean(axis=-1, keepdims=True)
  return np.concatenate([above, large], axis=1)
