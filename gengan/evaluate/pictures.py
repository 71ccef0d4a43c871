"""The pictures of an evaluation: samples beside real images, reconstructions, and the nearest real neighbours."""

import dataclasses
import pathlib

import jax
import numpy as np

from gengan import data, runs
from gengan.config import classes
from gengan.data import images, sheets
from gengan.evaluate import limits
from gengan.evaluate.evaluator import Evaluator
from gengan.evaluate.images import generated_batches, labels_like, real_images
from gengan.metrics import neighbours
from gengan.runs import curves

SHOWN = 64  # samples, and as many real images
LOOKED_AT = 256  # samples, of which those nearest to training images are shown
SHEET_ROWS, SHEET_NEAREST = 12, 3
NAMES = ('samples', 'real', 'reconstructions', 'neighbours', 'curves')  # .png


def draw(
  folder: pathlib.Path, run: runs.Run, dataset: data.Dataset, evaluator: Evaluator, *, metrics: pathlib.Path
) -> dict[str, pathlib.Path]:
  """Writes those of NAMES that there are, and returns their paths; `metrics` is the run's metrics.jsonl."""
  names = limits.class_names(dataset) if dataset.num_classes > 1 else ()
  conditional, trained = classes(run.config) > 0, np.unique(dataset.train.labels)
  asked = np.sort(np.resize(trained, SHOWN)).astype(np.int32)
  samples = _samples(run, evaluator, asked if conditional else np.zeros_like(asked))
  shown, known = asked, names if conditional else ()
  if not conditional and names and evaluator.network.name == 'classifier':  # as it takes them
    shown, known = evaluator.features_of_images(samples, asked).logits.argmax(axis=1), names
  real, labels = _held_out(getattr(dataset, evaluator.settings.split), asked, run)
  found = {
    'samples': sheets.by_class(samples, shown, known),
    'real': sheets.by_class(real, labels, names),
    'neighbours': _neighbour_sheet(run, dataset, evaluator),
  }
  if run.algorithm.encode:
    found['reconstructions'] = sheets.by_class(_reconstructed(run, real, labels), labels, names)
  for name, picture in found.items():
    images.save_png(folder / f'{name}.png', picture)
  if metrics.exists():
    curves.plot(metrics, folder / 'curves.png')
  return {name: folder / f'{name}.png' for name in (*found, *(['curves'] if metrics.exists() else []))}


def _samples(run: runs.Run, evaluator: Evaluator, labels: np.ndarray) -> np.ndarray:
  """uint8 images of the first sample set's seed."""
  settings = evaluator.settings
  options = {'seed': settings.seeds[0], 'truncation': settings.truncation, 'mesh': evaluator.mesh}
  return np.concatenate([part for part, _ in generated_batches(run.algorithm, run.state, labels, **options)])


def _held_out(split: data.Split, labels: np.ndarray, run: runs.Run) -> tuple[np.ndarray, np.ndarray]:
  """Real images as the model sees them, one for every label while there are some of its class; and their labels."""
  of = {label: np.flatnonzero(split.labels == label)[: np.sum(labels == label)] for label in np.unique(labels)}
  chosen = np.concatenate(list(of.values()))
  if not len(chosen):  # none of the classes that the model was trained on
    chosen = np.arange(min(SHOWN, len(split)))
  names = [split.names[i] for i in chosen]
  part = dataclasses.replace(split, images=split.images[chosen], labels=split.labels[chosen], names=names)
  return real_images(part, run.config)


def _reconstructed(run: runs.Run, real: np.ndarray, labels: np.ndarray) -> np.ndarray:
  """Every uint8 image and what the decoder makes of its latents, beside each other and enlarged."""
  labels = labels if classes(run.config) else np.zeros_like(labels)
  batch = np.asarray(real, np.float32) / 127.5 - 1
  decoded = jax.jit(lambda state: run.algorithm.decode(state, run.algorithm.encode(state, batch, labels), labels))
  pairs = [real, images.to_uint8(np.asarray(decoded(run.state)))]
  scale = sheets.scale(real)
  return np.concatenate([each.repeat(scale, axis=1).repeat(scale, axis=2) for each in pairs], axis=2)


def _neighbour_sheet(run: runs.Run, dataset: data.Dataset, evaluator: Evaluator) -> np.ndarray:
  """A picture [H, W, C] uint8: a sample a row, its nearest training images, its nearest held-out images."""
  labels = labels_like(dataset.train.labels, LOOKED_AT, seed=evaluator.settings.seeds[0])
  samples = _samples(run, evaluator, labels)
  drawn, split = evaluator.features_of_images(samples, labels).rows, getattr(dataset, evaluator.settings.split)
  nearest = lambda features: neighbours.nearest_neighbours(drawn, features.rows, min(SHEET_NEAREST, len(features.rows)))
  (of_train, distances), (of_split, _) = nearest(evaluator.train), nearest(evaluator.real)
  rows, gap = [], np.full_like(samples[:1], 255)
  for sample in np.argsort(distances[:, 0])[:SHEET_ROWS]:
    train = dataset.train.images[evaluator.train.positions[of_train[sample]]]
    held_out = split.images[evaluator.real.positions[of_split[sample]]]
    rows.append(np.concatenate([samples[sample : sample + 1], gap, train, gap, held_out]))
  return images.grid(np.concatenate(rows), columns=len(rows[0]), scale=sheets.scale(samples))
