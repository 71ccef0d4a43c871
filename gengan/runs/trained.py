"""A trained model, opened from the folder of its run alone: to sample, to encode and to score."""

import dataclasses
import functools
import os
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from gengan import core, sharding
from gengan.config import recipes, saved
from gengan.config.trust import require as require_trust
from gengan.core import ArgumentError
from gengan.host import files
from gengan.host.errors import reason
from gengan.runs import finished
from gengan.runs.checkpoint import Checkpointer, Restored
from gengan.runs.folder import open_checkpoints

ROWS = 64  # images that go through the model at once
WEIGHTS = ('averaged', 'trained')
TRIES = 3  # to read a checkpoint of a run that goes on


@dataclasses.dataclass(frozen=True, eq=False)
class Run:
  """A trained model and what it was trained on."""

  config: ConfigDict  # as it was resolved
  algorithm: core.Algorithm
  state: core.State  # of one checkpoint; `ema_params` are the weights that were asked for
  step: int  # train steps done
  num_classes: int  # of the data
  class_names: tuple[str, ...]
  _jitted: dict[Any, Callable] = dataclasses.field(default_factory=dict, init=False, repr=False)  # by use

  def sample(self, labels: int | Sequence[int], *, seed: int = 0, truncation: float = 1.0) -> np.ndarray:
    """Draws images, [N, H, W, C] float32 in [-1, 1]; the same for the same seed.

    Args:
      labels: the class of each; or how many images, of the classes in turn where the model knows classes.
      seed: of the latents.
      truncation: below 1: fewer, safer images; above 1: more, wilder ones.

    Raises:
      ArgumentError: a class that there is not, labels for a model without classes, a truncation that it cannot do.
    """
    classes = recipes.classes(self.config)
    if isinstance(labels, (int, np.integer)):
      labels = np.arange(labels) % max(classes, 1)
    elif not classes:
      raise ArgumentError('labels', list(labels), 'a number of images', why='but the model knows no classes')
    labels = self._labels(labels, len(labels))
    draw = jax.jit(functools.partial(core.sample, self.algorithm, truncation=truncation))
    draw = self._jitted.setdefault(('sample', truncation), draw)
    key = jax.random.key(seed)
    return _in_parts(lambda part, labels: draw(self.state, jax.random.fold_in(key, part), labels), labels)

  def encode(self, images: np.ndarray, labels: Sequence[int] | None = None) -> core.PyTree:
    """Latents of images [N, H, W, C] float in [-1, 1], as NumPy; `labels` where the model knows classes.

    Raises:
      ArgumentError: the model has no encoder, or images or labels that do not fit.
    """
    return self._of_images('encode', images, labels)

  def score(self, images: np.ndarray, labels: Sequence[int] | None = None) -> np.ndarray:
    """The discriminator's logits of images, [N] float32; arguments and errors are those of `encode`."""
    return self._of_images('score', images, labels)

  def _of_images(self, name: str, images: np.ndarray, labels: Sequence[int] | None) -> core.PyTree:
    function = getattr(self.algorithm, name)
    if function is None:
      raise ArgumentError('run', self.config.model.name, f'a model that can {name} images')
    images, shape = np.asarray(images, np.float32), example_batch(self.config)['image'].shape[1:]
    if images.ndim != 4 or images.shape[1:] != shape or not len(images):
      raise ArgumentError('images', list(images.shape), f'[N, {", ".join(map(str, shape))}]')
    compiled = self._jitted.setdefault(name, jax.jit(function))
    return _in_parts(lambda _, *rows: compiled(self.state, *rows), images, self._labels(labels, len(images)))

  def _labels(self, labels: Sequence[int] | None, count: int) -> np.ndarray:
    """[N] int32; zeros where the model knows no classes."""
    classes = recipes.classes(self.config)
    if labels is None and not classes:
      return np.zeros(count, np.int32)
    found = np.asarray(labels)
    whole = found.dtype.kind in 'iu' and found.shape == (count,) and count > 0
    if not whole or found.min() < 0 or found.max() >= max(classes, 1):
      known = f'from 0 to {classes - 1}' if classes else '0, for the model knows no classes'
      raise ArgumentError('labels', labels if labels is None else found.tolist(), f'one for each image, {known}')
    return found.astype(np.int32)


def load(
  workdir: str | os.PathLike,
  *,
  checkpoint: str | int = 'latest',
  weights: str = 'averaged',
  trust: str | Sequence[str] = (),
) -> Run:
  """Opens a run on one device.

  >>> run = load(workdir)  # the folder of a run, 'runs/dcgan'
  >>> images = run.sample(4, seed=0)
  >>> images.shape, run.score(images).shape
  ((4, 8, 8, 1), (4,))

  Args:
    workdir: the folder that `gengan.main` wrote.
    checkpoint: 'latest', 'best' or a step.
    weights: 'averaged', their moving average, or 'trained', as the last step left them.
    trust: modules or packages outside gengan that the run's config.json may have imported; remembered. A run that this
      user trained on this machine needs none.

  Raises:
    FileNotFoundError: no run, or no checkpoint, in this folder.
    ValueError: the checkpoint is damaged, or was made with other code; or the recipe is not to be trusted.
  """
  if weights not in WEIGHTS:
    raise ArgumentError('weights', weights, ' or '.join(map(repr, WEIGHTS)))
  workdir = files.path(workdir)
  config = saved.load(workdir)
  require_trust(config.to_dict(), trust, where=workdir / 'config.json')
  sharding.all_devices()
  mesh = sharding.make_mesh(devices=jax.local_devices()[:1])
  try:
    algorithm = recipes.make_algorithm(config)
    abstract = sharding.abstract_state(algorithm, example_batch(config), mesh)
    checkpoints = open_checkpoints(workdir, config)
  except (AttributeError, LookupError, TypeError) as error:
    if not config.model.name.startswith('gengan.'):
      raise  # a recipe of one's own may have a fault
    why = f'{type(error).__name__}: {reason(error)}'
    raise ValueError(f'{workdir / "config.json"} is damaged, or of another version of gengan ({why})') from error
  step = None if checkpoint == 'latest' else checkpoint
  with checkpoints:
    restored = _restored(checkpoints, abstract, step)
  class_names = tuple(saved.load_dataset_facts(workdir)['class_names'])
  state = restored.state if weights == 'averaged' else core.with_trained_weights(restored.state)
  state = core.settled(algorithm, state)
  return Run(config, algorithm, state, restored.step, len(class_names), class_names)


def _restored(checkpoints: Checkpointer, abstract: core.State, step: int | str | None) -> Restored:
  """What is read of a checkpoint; once more where one has gone meanwhile, for a training keeps its newest ones only."""
  for left in reversed(range(TRIES)):
    before = finished.steps(checkpoints.directory)
    try:
      return checkpoints.restore(abstract, step=step)
    except (ValueError, OSError):
      if not left or set(before) <= set(finished.steps(checkpoints.directory)):
        raise


def example_batch(config: ConfigDict, rows: int = 1) -> core.Batch:
  """Shapes and dtypes of a batch of this run's images."""
  size = config.data.image_size
  return {
    'image': jax.ShapeDtypeStruct((rows, size, size, config.data.channels), jnp.float32),
    'label': jax.ShapeDtypeStruct((rows,), jnp.int32),
  }


def _in_parts(call: Callable, *arrays: np.ndarray) -> core.PyTree:
  """`call(part, *rows)` for every `ROWS` rows, one shape for one compilation, joined as NumPy arrays."""
  count, parts = len(arrays[0]), []
  for part in range(-(-count // ROWS)):
    rows = np.arange(part * ROWS, (part + 1) * ROWS) % count  # the last part is filled up
    parts.append(jax.device_get(call(part, *(array[rows] for array in arrays))))
  return jax.tree.map(lambda *leaves: np.concatenate(leaves)[:count], *parts)
