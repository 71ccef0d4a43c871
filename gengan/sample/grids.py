"""Grids, rows of walks and animations of a model's samples."""

import functools
import math
import pathlib
from collections.abc import Mapping, Sequence

import jax
import numpy as np

from gengan import core, runs
from gengan.config import recipes
from gengan.core import Algorithm, PyTree, State
from gengan.data import images, lettering, sheets


def draw(
  run: runs.Run,
  out: pathlib.Path,
  *,
  num: int,
  classes: Sequence[int] = (),
  walk: int = 0,
  truncation: float = 1.0,
  seed: int = 0,
  about: Mapping[str, object] | None = None,
) -> str:
  """Draws images of a run into one file, those of a conditional model sorted and named by class; says what it drew.

  Args:
    out: .png, or .gif or .webp for an animation of all walks at once, there and back.
    num: images at least, rounded up to a full square unless classes are chosen; of an animation walks, rounded up to
      a full square where there are no classes.
    classes: that are drawn alone, each in rows of its own; empty: all in turn.
    walk: images on the way between two random latents; 0: no walks.
    truncation: see `core.Prior`.
    about: metadata of a PNG file.

  Raises:
    ValueError: the model cannot be truncated, or the picture cannot be written.
  """
  animated = out.suffix.lower() in images.ANIMATION_SUFFIXES
  known = len(run.class_names) if recipes.classes(run.config) else 0
  by_class = classes or (known and walk)  # in rows of a class each, which need no square
  count = math.ceil(num / walk) if walk and not animated else num if by_class else math.ceil(math.sqrt(num)) ** 2
  labels = choose_labels(count, classes=classes, num_classes=known)
  shown = lettering.legible(run.class_names) if known else ()
  order = {label: place for place, label in enumerate(classes or range(known))}
  layout = {
    'labels': [order.get(label, 0) for label in labels.tolist()],
    'class_names': [shown[label] for label in order],
    'most_rows': len(classes) or sheets.MOST_ROWS,
  }
  drawn = functools.partial(sample_walks, num=walk) if walk else sample_images
  samples = drawn(run.algorithm, run.state, jax.random.key(seed), labels=labels, truncation=truncation)
  if animated:
    frames = [sheets.by_class(frame, **layout) for frame in (samples.swapaxes(0, 1) if walk else [samples])]
    size = images.save_animation(out, frames + frames[-2:0:-1])  # back again, so that it has no jump
    return f'{len(labels):,} {"walks" if walk else "samples"} ({size})'
  if walk:
    flat, beside = samples.reshape(-1, *samples.shape[2:]), [shown[label] for label in labels] if known else ()
    picture = images.grid(flat, columns=walk, scale=sheets.scale(flat), row_labels=beside)
  else:
    picture = sheets.by_class(samples, **layout)
  images.save_png(out, picture, text={f'gengan.{name}': str(value) for name, value in (about or {}).items()})
  return f'{len(labels):,} walks of {walk:,} images' if walk else f'{len(labels):,} samples'


def sample_images(
  algorithm: Algorithm,
  state: State,
  key: jax.Array,
  *,
  labels: Sequence[int],
  truncation: float = 1.0,
  batch_size: int = 64,
) -> np.ndarray:
  """One image for every label: [N, H, W, C] float32 in [-1, 1]; see `core.Prior` for `truncation`."""
  labels = np.asarray(labels, np.int32)
  latents = jax.jit(functools.partial(algorithm.prior, truncation=truncation))(state, key, labels)
  return decode(algorithm, state, latents, labels, batch_size=batch_size)


def sample_walks(
  algorithm: Algorithm,
  state: State,
  key: jax.Array,
  *,
  labels: Sequence[int],
  num: int,
  truncation: float = 1.0,
  batch_size: int = 64,
) -> np.ndarray:
  """One walk of `num` images between two random latents for every label: [N, num, H, W, C] float32 in [-1, 1]."""
  labels = np.asarray(labels, np.int32)
  count = len(labels)

  @jax.jit
  def draw_walks(state, key):
    ends = algorithm.prior(state, key, np.concatenate([labels, labels]), truncation=truncation)
    start, end = jax.tree.map(lambda z: z[:count], ends), jax.tree.map(lambda z: z[count:], ends)
    walks = core.walk(algorithm, start, end, num)
    return jax.tree.map(lambda z: z.reshape(count * num, *z.shape[2:]), walks)

  decoded = decode(algorithm, state, draw_walks(state, key), labels.repeat(num), batch_size=batch_size)
  return decoded.reshape(count, num, *decoded.shape[1:])


def decode(
  algorithm: Algorithm, state: State, latents: PyTree, labels: np.ndarray, *, batch_size: int = 64
) -> np.ndarray:
  """Images of any number of latents, a batch at a time: [N, H, W, C] float32 on the host."""
  count, compiled, parts = len(labels), jax.jit(algorithm.decode), []
  latents = jax.device_get(latents)
  for start in range(0, count, batch_size):
    # Indices beyond the end repeat the last one, so that every batch has one shape and compiles once.
    rows = np.minimum(np.arange(start, start + min(batch_size, count)), count - 1)
    batch = compiled(state, jax.tree.map(lambda z, rows=rows: z[rows], latents), labels[rows])
    parts.append(np.asarray(batch, np.float32)[: count - start])
  return np.concatenate(parts)


def choose_labels(num: int, *, classes: Sequence[int], num_classes: int) -> np.ndarray:
  """Labels of at least `num` images: an equal number of each class, or all classes in turn when none is named."""
  if classes:
    return np.repeat(np.asarray(classes, np.int32), math.ceil(num / len(classes)))
  return np.arange(num, dtype=np.int32) % max(num_classes, 1)
