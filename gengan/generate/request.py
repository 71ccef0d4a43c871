"""A request for a data set, and the job that it becomes once the run is open and nothing is left to a default."""

import dataclasses
import functools
import hashlib
import importlib
import json
import pathlib
import re
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from gengan import runs
from gengan.config import load_dataset_facts, recipes
from gengan.generate import publishing, stream
from gengan.generate.formats.shards import About
from gengan.runs.weights import state_sha256

SHARD_BYTES, SHARD_IMAGES = 64 << 20, 16384  # of pixels and of images in a shard, at most: what a kill can cost


@dataclasses.dataclass(frozen=True)
class Request:
  """What the bytes of the set depend on, beside the weights; each field is a flag of the command.

  Attributes:
    num: images.
    format: a key of `gengan.generate.formats.FORMATS`.
    labels: classes, in turn; empty: all that a conditional model has seen.
    seed: of the whole set.
    truncation: see `core.Prior`; above 1 it is expansion.
    classifier: import path `module:function` of the judge for min_confidence and relabel; empty: gengan's own.
    min_confidence: 0: no such filter.
    relabel: the labels are those that the judge finds; see `gengan.generate.relabelling`.
    discriminator_percentile: 0: no such filter.
    unique: bits of 64; images whose perceptual hashes differ in no more are near duplicates. -1: no such filter.
    drop_copies: draw again what the copying guard takes for a copy.
    max_attempts: candidates a slot; 0: `stream.MAX_ATTEMPTS` with filters, else 1.
    shard_size: images, a multiple of `stream.ROWS`; 0: as many as `SHARD_BYTES` and `SHARD_IMAGES` allow.
    licence: as the user states it.
  """

  num: int
  format: str
  labels: tuple[int, ...] = ()
  seed: int = 0
  truncation: float = 1.0
  classifier: str = ''
  min_confidence: float = 0.0
  relabel: bool = False
  discriminator_percentile: float = 0.0
  unique: int = -1
  drop_copies: bool = False
  max_attempts: int = 0
  shard_size: int = 0
  licence: str = 'not stated'

  @property
  def filtered(self) -> bool:
    return bool(self.min_confidence or self.discriminator_percentile or self.unique >= 0 or self.drop_copies)


@dataclasses.dataclass(frozen=True)
class Job:
  """A request, bound to a run and a place."""

  run: runs.Run
  workdir: pathlib.Path
  out: pathlib.Path
  request: Request  # resolved: nothing in it is left to a default
  classes: tuple[int, ...]  # in turn; empty: unconditional
  model: dict[str, Any]  # for the card
  about: About

  @property
  def plan(self) -> dict[str, Any]:
    """All that the bytes depend on, except for `publishing.environment`."""
    weights = {key: self.model[key] for key in ('step', 'weights', 'weights_sha256', 'config_sha256')}
    return {**dataclasses.asdict(self.request), **weights, 'rows': stream.ROWS}


def prepare(
  request: Request,
  *,
  workdir: pathlib.Path,
  out: pathlib.Path,
  checkpoint: str | int = 'latest',
  weights: str = 'averaged',
) -> Job:
  """Opens the run and settles what the request leaves open.

  Args:
    request: as the user has it.
    workdir: of the run.
    out: folder to make.
    checkpoint: 'latest', 'best' or a step.
    weights: 'averaged' or 'trained'.

  Raises:
    FileNotFoundError, ValueError: as `runs.load`; or the request does not fit the run.
  """
  if request.classifier:
    find(request.classifier)
  run = runs.load(workdir, checkpoint=checkpoint, weights=weights)
  if request.discriminator_percentile and run.algorithm.score is None:
    raise ValueError('--discriminator_percentile needs the logits of a discriminator, and this model has none')
  # Raises an ArgumentError before anything is written where the model cannot be truncated so.
  key, label = jax.eval_shape(lambda: jax.random.key(0)), jax.ShapeDtypeStruct((1,), np.int32)
  jax.eval_shape(functools.partial(run.algorithm.prior, truncation=request.truncation), run.state, key, label)
  seen = load_dataset_facts(workdir).get('train_by_class')
  names = run.class_names if recipes.classes(run.config) else ()
  classes = classes_of(names, request.labels, seen=seen)
  shape = (run.config.data.image_size, run.config.data.image_size, run.config.data.channels)
  size = request.shard_size or min(SHARD_IMAGES, max(SHARD_BYTES // int(np.prod(shape)), stream.ROWS))
  request = dataclasses.replace(
    request,
    labels=classes,
    shard_size=size // stream.ROWS * stream.ROWS,
    max_attempts=(request.max_attempts or stream.MAX_ATTEMPTS) if request.filtered else 1,
  )
  model = {
    'name': run.config.model.name,
    'run': workdir.resolve().name,
    'step': run.step,
    'weights': weights,
    'weights_sha256': state_sha256(run.state),
    'config_sha256': hashlib.sha256(json.dumps(run.config.to_dict(), sort_keys=True).encode()).hexdigest(),
  }
  names = run.class_names if classes or request.relabel else ()
  return Job(run, workdir, out, request, classes, model, _about(request, out, shape, names, model))


def _about(request: Request, out: pathlib.Path, image_shape, class_names: tuple[str, ...], model) -> About:
  """What every shard is told of a settled request."""
  name = re.sub(r'\W+', '_', out.name.lower(), flags=re.ASCII).strip('_') or 'generated'
  return About(
    name=f'set_{name}' if name[0].isdigit() else name,
    image_shape=image_shape,
    class_names=class_names,
    num_shards=-(-request.num // request.shard_size),
    provenance={
      'synthetic': 'true',
      'generator': publishing.generator(),
      'model': model['name'],
      **{key: str(value) for key, value in model.items() if key != 'name'},
      'seed': str(request.seed),
    },
    description=f'Images drawn by {model["name"]} (run {model["run"]}, step {model["step"]}) with gengan.',
    licence=request.licence,
  )


def classes_of(
  class_names: Sequence[str], wanted: Sequence[int], *, seen: Sequence[int] | None = None
) -> tuple[int, ...]:
  """The classes that slots are given in turn; none where the model is unconditional.

  Args:
    class_names: that the model can be asked for.
    wanted: classes; none: all of which the model has seen an image.
    seen: training images by class; None: some of each.

  Raises:
    ValueError: there is no such class, or the model has never seen an image of it.
  """
  if wanted and not class_names:
    raise ValueError('--labels and --balanced need classes, and this run is of an unconditional model')
  if outside := [label for label in wanted if not 0 <= label < len(class_names)]:
    raise ValueError(f'--labels has {outside[0]}; the classes of this run are 0 to {len(class_names) - 1}')
  known = [label for label in range(len(class_names)) if seen is None or seen[label]]
  if unknown := [label for label in wanted if label not in known]:
    name = class_names[unknown[0]]
    raise ValueError(f'--labels has {unknown[0]} ({name!r}), a class of which the run was trained on no image')
  return tuple(wanted or known)


def find(path: str) -> Callable:
  """The function at an import path such as `my_package.judge:probabilities`.

  Raises:
    ValueError: there is none.
  """
  module, _, name = path.partition(':')
  try:
    found = getattr(importlib.import_module(module), name)
  except Exception as error:  # somebody's module raises what it pleases
    raise ValueError(f'--classifier is {path!r}: {error}; it must be module:function') from error
  if not callable(found):
    raise ValueError(f'--classifier is {path!r}, which cannot be called; it must be module:function')
  return found
