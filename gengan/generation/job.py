"""From a trained run to a published data set: what is asked for, shard by shard, checked and described at the end."""

import dataclasses
import functools
import hashlib
import importlib
import importlib.metadata
import json
import pathlib
import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from rich import console, progress

from gengan import data, runs
from gengan.core import Algorithm, State
from gengan.evaluators import copying_guard
from gengan.formats import FORMATS, card, ledger
from gengan.formats.shards import About, Shard
from gengan.generation import filters, stream

SHARD_BYTES, SHARD_IMAGES = 64 << 20, 16384  # pixels of a shard, and images at most: what a kill can cost
GUARD_SAMPLES = 2048  # samples, and held-out images, whose distances to the training set the guard looks at
GUARD_IMAGES = 200_000  # training images it looks at, at most
CALIBRATION_SAMPLES = 2048  # for discriminator rejection
MAX_ATTEMPTS = 100  # candidates a slot, where something may be rejected
POLL_SECONDS = 0.5  # between two looks for the shards of other processes


@dataclasses.dataclass(frozen=True)
class Request:
  """What the bytes of the set depend on, beside the weights.

  Attributes:
    num: images.
    format: a key of `gengan.formats.FORMATS`.
    labels: classes, in turn; empty: all that a conditional model has.
    seed: of the whole set.
    latent_scale: factor of the latents: below 1 truncation, above 1 expansion.
    classifier: import path `module:function` of the judge for min_confidence.
    min_confidence: 0: no such filter.
    discriminator_percentile: 0: no such filter.
    unique_bits: near duplicates differ in at most as many bits of their perceptual hashes; -1: no such filter.
    drop_copies: leave out samples that the copying guard takes for copies.
    max_attempts: candidates a slot; 0: `MAX_ATTEMPTS` with filters, else 1.
    shard_size: images, a multiple of `stream.ROWS`; 0: chosen by their size.
    licence: as the user states it.
  """

  num: int
  format: str
  labels: tuple[int, ...] = ()
  seed: int = 0
  latent_scale: float = 1.0
  classifier: str = ''
  min_confidence: float = 0.0
  discriminator_percentile: float = 0.0
  unique_bits: int = -1
  drop_copies: bool = False
  max_attempts: int = 0
  shard_size: int = 0
  licence: str = 'not stated'

  @property
  def filtered(self) -> bool:
    return bool(self.min_confidence or self.discriminator_percentile or self.unique_bits >= 0 or self.drop_copies)


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
    """Everything that the bytes depend on."""
    weights = {key: self.model[key] for key in ('step', 'weights', 'weights_sha256', 'config_sha256')}
    return {**dataclasses.asdict(self.request), **weights, 'rows': stream.ROWS}


def prepare(
  request: Request, *, workdir: pathlib.Path, out: pathlib.Path, checkpoint: str | int = 'latest', ema: bool = True
) -> Job:
  """Opens the run and settles what the request leaves open.

  Raises:
    FileNotFoundError, ValueError: as `runs.load`; or the request does not fit the run.
  """
  run = runs.load(workdir, checkpoint=checkpoint, ema=ema)
  classes = classes_of(run.config.model, run.class_names, request.labels)
  shape = (run.config.data.image_size, run.config.data.image_size, run.config.data.channels)
  size = request.shard_size or min(SHARD_IMAGES, max(SHARD_BYTES // int(np.prod(shape)), stream.ROWS))
  request = dataclasses.replace(
    request,
    labels=classes,
    shard_size=size // stream.ROWS * stream.ROWS,
    max_attempts=(request.max_attempts or MAX_ATTEMPTS) if request.filtered else 1,
  )
  model = {
    'name': run.config.model.name,
    'run': workdir.resolve().name,
    'step': run.step,
    'weights': 'averaged' if ema else 'trained',
    'weights_sha256': state_sha256(run.state),
    'config_sha256': hashlib.sha256(json.dumps(run.config.to_dict(), sort_keys=True).encode()).hexdigest(),
  }
  name = re.sub(r'\W+', '_', out.name.lower(), flags=re.ASCII).strip('_') or 'generated'
  about = About(
    name=f'set_{name}' if name[0].isdigit() else name,
    image_shape=shape,
    class_names=run.class_names if classes else (),
    num_shards=-(-request.num // request.shard_size),
    provenance={
      'synthetic': 'true',
      'generator': _generator(),
      **{key: str(value) for key, value in model.items()},
      'seed': str(request.seed),
    },
    description=f'Images drawn by {model["name"]} (run {model["run"]}, step {run.step}) with gengan.',
    licence=request.licence,
  )
  return Job(run, workdir, out, request, classes, model, about)


def classes_of(model, class_names: Sequence[str], wanted: Sequence[int]) -> tuple[int, ...]:
  """The classes that slots are given in turn; none where the model is unconditional.

  Raises:
    ValueError: classes are wanted that there are not.
  """
  conditional = model.get('conditional', True) and len(class_names) > 1
  if wanted and not conditional:
    raise ValueError('--labels and --balanced need classes, and this run is of an unconditional model')
  if outside := [label for label in wanted if not 0 <= label < len(class_names)]:
    raise ValueError(f'--labels has {outside[0]}; the classes of this run are 0 to {len(class_names) - 1}')
  return tuple(wanted or range(len(class_names))) if conditional else ()


def run(job: Job, *, batch_size: int = 256, allow_copies: bool = False) -> str:
  """Generates what has no receipt yet and publishes the set once every process is through.

  Args:
    job: see `prepare`.
    batch_size: images under way at once on this process's devices.
    allow_copies: export although the generator copies its training images, or although that cannot be found out.

  Returns:
    What is there now, for a person.

  Raises:
    ValueError: the place is taken, the generator copies, or its samples do not pass the filters.
  """
  if job.out.exists():
    return _found(job)
  if job.request.unique_bits >= 0 and jax.process_count() > 1:
    raise ValueError('--unique compares every image with all before it; run it in one process')
  book = ledger.Ledger(job.out, job.plan, rank=jax.process_index())
  try:
    return _run(job, book, batch_size, allow_copies)
  finally:
    book.close()


def _found(job: Job) -> str:
  """What to say where the place is taken: nothing bad if by this very set."""
  path = job.out / 'card.json'
  if not path.exists():
    raise ValueError(f'--out is {job.out}, which exists already')
  found = json.loads(path.read_text())
  ledger.require_same(found['request'], job.plan, f'{job.out} holds a set that was made', 'Delete it')
  ledger.clean(job.out)
  return f'{job.out}: complete already, {found["counts"]["kept"]:,} images'


def _run(job: Job, book: ledger.Ledger, batch_size: int, allow_copies: bool) -> str:
  request = job.request
  draw = stream.make_draw(
    job.run.algorithm, job.run.state, seed=request.seed, scale=request.latent_scale, batch_size=batch_size
  )
  mine = range(jax.process_index(), job.about.num_shards, jax.process_count())
  left = [shard for shard in mine if book.receipt(shard) is None]
  training = functools.cache(lambda: _training_features(job))
  copying = _guard(job, book, draw, training, allow_copies)
  if left:
    kept_by = _filters(job, book, draw, copying, training)
    _write_shards(job, book, draw, kept_by, left, sum(_slots(job, shard).size for shard in mine))
  while missing := [shard for shard in range(job.about.num_shards) if book.receipt(shard) is None]:
    time.sleep(POLL_SECONDS)  # the other processes are at it; if one dies, jax.distributed ends this one
  del missing
  if jax.process_index() == 0:
    counts = _publish(job, book, copying)
    return f'{job.out}: {counts["kept"]:,} images' + (f', {counts["empty"]:,} not found' if counts['empty'] else '')
  while not job.out.exists():
    time.sleep(POLL_SECONDS)
  return f'{job.out}: complete'


def _slots(job: Job, shard: int) -> np.ndarray:
  size = job.request.shard_size
  return np.arange(shard * size, min((shard + 1) * size, job.request.num))


def _write_shards(job: Job, book, draw, kept_by: tuple[stream.Filter, ...], left: list[int], total: int) -> None:
  """Fills, writes and records one shard after the other."""
  unique = None
  terminal = console.Console(stderr=True)
  columns = [*progress.Progress.get_default_columns(), progress.MofNCompleteColumn()]
  with progress.Progress(
    *columns, console=terminal, disable=not terminal.is_terminal or jax.process_index() > 0
  ) as bar:
    todo = sum(_slots(job, shard).size for shard in left)
    task = bar.add_task('generating', total=total, completed=total - todo)
    for shard in left:
      if job.request.unique_bits >= 0 and unique is None:
        kept = [code for earlier in range(shard) for code in book.receipt(earlier)['hashes']]
        unique = filters.NearDuplicates(job.request.unique_bits, kept)
      before = len(unique.hashes) if unique else 0
      slots = _slots(job, shard)
      filled = stream.fill(
        draw,
        slots,
        stream.labels_of(slots, job.classes),
        filters=kept_by,
        unique=unique,
        max_attempts=job.request.max_attempts,
        report=lambda found: bar.advance(task, found),
      )
      if not len(filled.slots):
        raise ValueError(
          f'none of the images {slots[0]} to {slots[-1]} was found in {job.request.max_attempts} attempts each; '
          f'dropped: {_listed(filled.dropped)}. Loosen the filters, and choose another --out'
        )
      written = Shard(shard, filled.images, filled.labels, filled.slots, filled.attempts)
      files = FORMATS[job.request.format].write_shard(book.root, job.about, written)
      facts = {
        'kept': len(filled.slots),
        'empty': len(slots) - len(filled.slots),
        'drawn': filled.drawn,
        'dropped': filled.dropped,
        'labels': dict(Counter(map(str, filled.labels.tolist()))),
      }
      if unique:
        facts['hashes'] = unique.hashes[before:].tolist()
      book.record(shard, files, facts)


def _publish(job: Job, book: ledger.Ledger, copying: dict[str, Any]) -> dict[str, Any]:
  """Completes the files, counts them anew, writes the card and gives the set its name. Returns the counts."""
  receipts = [book.receipt(shard) for shard in range(job.about.num_shards)]
  form = FORMATS[job.request.format]
  files = form.finish(book.root, job.about, [receipt['kept'] for receipt in receipts])
  total = lambda key: sum(receipt[key] for receipt in receipts)
  by_label, dropped = Counter(), Counter()
  for receipt in receipts:
    by_label.update({int(label): count for label, count in receipt['labels'].items()})
    dropped.update(receipt['dropped'])
  found = form.read_back(book.root / 'data', job.about)
  if found != by_label:
    raise RuntimeError(f'{book.root / "data"} reads back as {dict(found)}, but {dict(by_label)} was written')
  names = job.about.class_names
  counts = {
    'asked': job.request.num,
    'drawn': total('drawn'),
    'kept': total('kept'),
    'empty': total('empty'),
    'dropped': dict(dropped),
    'by_class': {name: by_label[label] for label, name in enumerate(names)},
  }
  training = json.loads((job.workdir / 'dataset.json').read_text())
  training['source'] = _without_place(training['source'])
  config = job.run.config.to_dict()
  config['data'] |= {'source': _without_place(config['data']['source']), 'data_dir': ''}
  evaluation = job.workdir / 'evaluation' / 'evaluation.json'
  content = {
    'name': job.about.name,
    'synthetic': True,
    'format': job.request.format,
    'image_shape': list(job.about.image_shape),
    'class_names': list(names),
    'licence': job.request.licence,
    'generator': _generator(),
    'software': {name: importlib.metadata.version(name) for name in ('jax', 'flax', 'numpy', 'pillow')},
    'platform': jax.devices()[0].platform,
    'model': job.model,
    'config': config,
    'training_data': training,
    'evaluation': json.loads(evaluation.read_text()) if evaluation.exists() else None,
    'request': job.plan,
    'counts': counts,
    'copying': copying,
    'load': form.load_command(job.about, job.out.name),
  }
  book.publish(job.about.num_shards, files + card.write(book.root, job.about, content))
  return counts


def _filters(job: Job, book, draw, copying: dict[str, Any], training) -> tuple[stream.Filter, ...]:
  """The filters that are asked for, the cheap ones last where they need the costly ones' verdict on nothing."""
  request, chosen = job.request, []
  if request.discriminator_percentile:
    score = _score(job.run.algorithm, job.run.state)
    calibration = book.note('calibration')
    if calibration is None:
      slots = np.arange(CALIBRATION_SAMPLES)
      labels = stream.labels_of(slots, job.classes)
      logits = [score(images, labels[rows]) for rows, images in draw(slots, 0, labels)]
      calibration = filters.calibrate(np.concatenate(logits), percentile=request.discriminator_percentile)
      book.write_note('calibration', calibration)
    largest, gamma = calibration
    chosen.append(filters.discriminator(score, seed=request.seed, largest=largest, gamma=gamma))
  if request.min_confidence:
    chosen.append(filters.confidence(find(request.classifier), request.min_confidence))
  if request.drop_copies:
    if copying['distance'] is None:
      raise ValueError('--drop_copies needs the training data, and it cannot be read here')
    chosen.append(filters.not_a_copy(copying_guard.pooled, training()[0], copying['distance']))
  return tuple(chosen)


def _guard(job: Job, book, draw, training, allow_copies: bool) -> dict[str, Any]:
  """The copying report; found once and kept.

  Raises:
    ValueError: the generator copies, or it cannot be found out, and that is not allowed.
  """
  found = book.note('copying')
  if found is None:
    try:
      train, held_out = training()
    except (ValueError, FileNotFoundError) as error:
      found = {'refused': None, 'distance': None, 'text': f'Not checked: the training data cannot be read ({error}).'}
    else:
      slots = np.arange(GUARD_SAMPLES)
      samples = stream.fill(draw, slots, stream.labels_of(slots, job.classes)).images
      found = copying_guard.report(train, held_out, copying_guard.pooled(samples)).to_json()
    book.write_note('copying', found)
  if found['refused'] is not False and not allow_copies:
    book.discard_if_empty()
    why = 'the generator copies its training images' if found['refused'] else 'copies cannot be looked for'
    raise ValueError(f'{why}: {found["text"]}. To export all the same, give --allow_copies')
  return found


def _training_features(job: Job) -> tuple[np.ndarray, np.ndarray]:
  """Pooled pixels of the training images and of the held-out images."""
  config = job.run.config.data
  dataset = data.load(config)
  expected = json.loads((job.workdir / 'dataset.json').read_text())
  if dataset.statistics['sha256'] != expected['sha256']:
    raise ValueError(f'{config.source} is no longer what the run was trained on')
  pool = lambda split: _pooled(split, _spread(len(split), GUARD_IMAGES))
  train = pool(dataset.train)
  if config.flip:  # a mirrored training image is a training image
    train = np.concatenate([train, pool(dataclasses.replace(dataset.train, images=_Mirrored(dataset.train.images)))])
  held_out = [pool(split) for split in (dataset.validation, dataset.test) if len(split)]
  held_out = np.concatenate(held_out or [train[:0]])
  return train, held_out[_spread(len(held_out), GUARD_SAMPLES)]


def _spread(count: int, at_most: int) -> np.ndarray:
  """Positions spread over `count`, all of them if there are no more."""
  return np.unique(np.linspace(0, count - 1, min(count, at_most)).astype(np.int64))


def _pooled(split, rows: np.ndarray) -> np.ndarray:
  return np.concatenate([copying_guard.pooled(split.images[rows[i : i + 1024]]) for i in range(0, len(rows), 1024)])


class _Mirrored:
  def __init__(self, images):
    self._images = images

  def __getitem__(self, rows) -> np.ndarray:
    return self._images[rows][:, :, ::-1]


def find(path: str) -> Callable:
  """The function at an import path such as `my_package.judge:probabilities`.

  Raises:
    ValueError: there is none.
  """
  module, _, name = path.partition(':')
  try:
    return getattr(importlib.import_module(module), name)
  except (ImportError, AttributeError, ValueError) as error:
    raise ValueError(f'--classifier is {path!r}: {error}; it must be module:function') from error


def _score(algorithm: Algorithm, state: State) -> filters.Score:
  if algorithm.score is None:
    raise ValueError('--discriminator_percentile needs the logits of a discriminator, and this model has none')
  compiled = jax.jit(algorithm.score)
  return lambda images, labels: np.asarray(compiled(state, images, labels))


def state_sha256(state: State) -> str:
  """Of everything that samples can depend on: the same numbers, the same hash."""
  digest = hashlib.sha256()
  for path, leaf in jax.tree_util.tree_leaves_with_path(state.replace(opt_state={})):
    array = np.ascontiguousarray(leaf)
    digest.update(f'{jax.tree_util.keystr(path)} {array.dtype.name} {array.shape}\n'.encode())
    digest.update(array.tobytes())
  return digest.hexdigest()


def _without_place(source: str) -> str:
  """'idx:/home/someone/mnist' -> 'idx:mnist': where it lay says nothing to others."""
  kind, _, location = source.partition(':')
  return f'{kind}:{pathlib.PurePath(location).name}' if location else kind


def _generator() -> str:
  return f'gengan {importlib.metadata.version("gengan")}'


def _listed(counts: dict[str, int]) -> str:
  return ', '.join(f'{count:,} by {name}' for name, count in counts.items()) or 'none'
