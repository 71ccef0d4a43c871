"""A request for a data set, and the job that it becomes once the run is open and nothing is left to a default."""

import dataclasses
import functools
import hashlib
import importlib
import json
import logging
import pathlib
import re
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from gengan import runs
from gengan.config import load_dataset_facts
from gengan.generate import classes, publishing, stream
from gengan.generate.formats.shards import About
from gengan.host.names import distinct
from gengan.runs.leaves import state_sha256

log = logging.getLogger(__name__)

SHARD_BYTES, SHARD_IMAGES = 64 << 20, 16384  # of pixels and of images in a shard, at most: what a kill can cost


@dataclasses.dataclass(frozen=True)
class Request:
  """What the bytes of the set depend on, beside the weights; each field is a flag of the command."""

  num: int  # images
  format: str  # a key of `gengan.generate.formats.FORMATS`
  labels: tuple[int, ...] = ()  # classes, in turn; empty: all that a conditional model has seen
  seed: int = 0  # of the whole set
  truncation: float = 1.0  # see `core.Prior`
  classifier: str = ''  # `module:function`, the judge for min_confidence and relabel; empty: gengan's own
  min_confidence: float = 0.0  # 0: no such filter
  relabel: bool = False  # the labels are those that the judge finds; see `gengan.generate.relabelling`
  discriminator_percentile: float = 0.0  # 0: no such filter
  unique: int = -1  # bits of 64 by which perceptual hashes of near duplicates differ at most; -1: no such filter
  drop_copies: bool = False  # draw again what the copying guard takes for a copy
  max_attempts: int = 0  # candidates a slot; 0: `stream.MAX_ATTEMPTS` with filters, else 1
  shard_size: int = 0  # images, a multiple of `stream.ROWS`; 0: as many as `SHARD_BYTES` and `SHARD_IMAGES` allow
  licence: str = 'not stated'  # as the user states it

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
  data: ConfigDict  # the section of the run's config, with the place where that data is now

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
  trust: str | Sequence[str] = (),
  source: str = '',
) -> Job:
  """Opens the run, see `runs.load`, and settles what the request to make the folder `out` leaves open.

  `source` is where the data that the run was trained on is now; '': where it was.

  Raises:
    FileNotFoundError, ValueError: as `runs.load`; or the request does not fit the run.
  """
  if request.classifier:
    find(request.classifier)
  run = runs.load(workdir, checkpoint=checkpoint, weights=weights, trust=trust)
  if request.discriminator_percentile and run.algorithm.score is None:
    raise ValueError('--discriminator_percentile needs the logits of a discriminator, and this model has none')
  # Raises an ArgumentError before anything is written where the model cannot be truncated so.
  key, label = jax.eval_shape(lambda: jax.random.key(0)), jax.ShapeDtypeStruct((1,), np.int32)
  jax.eval_shape(functools.partial(run.algorithm.prior, truncation=request.truncation), run.state, key, label)
  flags = ['labels'] if request.labels else []
  turns = classes.in_turn(run.config, load_dataset_facts(workdir), request.labels, flags=flags)
  shape = (run.config.data.image_size, run.config.data.image_size, run.config.data.channels)
  size = request.shard_size or min(SHARD_IMAGES, max(SHARD_BYTES // int(np.prod(shape)), stream.ROWS))
  request = dataclasses.replace(
    request,
    labels=turns,
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
  names = _told_apart(run.class_names) if turns or request.relabel else ()
  about = _about(request, out, shape, names, model)
  return Job(run, workdir, out, request, turns, model, about, runs.data_now(run.config, source))


def _told_apart(class_names: tuple[str, ...]) -> tuple[str, ...]:
  """Names that no two classes share, in place of those with which a run was trained; what changes is logged."""
  found = distinct(name.strip() or f'class {label}' for label, name in enumerate(class_names))
  pairs = enumerate(zip(class_names, found, strict=True))
  if changed := [f'label {label}, {old!r}, is called {new!r}' for label, (old, new) in pairs if old != new]:
    log.warning('classes share a name, or have one that cannot be written: %s', '; '.join(changed))
  return found


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
      'generator': publishing.GENERATOR,
      **{'model' if key == 'name' else key: str(value) for key, value in model.items()},
      'seed': str(request.seed),
    },
    description=f'Images drawn by {model["name"]} (run {model["run"]}, step {model["step"]}) with gengan.',
    licence=request.licence,
  )


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
