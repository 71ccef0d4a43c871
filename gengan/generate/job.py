"""The work of a job: the copying guard is asked, shard after shard is generated, and the whole set is published."""

import functools
import json
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from rich import console, progress

from gengan import runs
from gengan.evaluate.classifiers import data_classifier
from gengan.generate import filters, guard, publishing, relabelling, space, stream
from gengan.generate.formats import FORMATS, ledger
from gengan.generate.formats.shards import Shard
from gengan.generate.request import Job, find
from gengan.host import checksums, errors
from gengan.metrics import copying_guard

CALIBRATION_SAMPLES = 2048, 64  # of discriminator rejection: at least so many, and of each class
POLL_SECONDS = 0.5  # between two looks for the receipts of other processes

Judge = Callable[[], filters.Classifier]


def run(job: Job, *, batch_size: int = 256, allow_copies: bool = False) -> str:
  """Generates the shards that have no receipt yet; publishes the set when all processes have done so.

  Args:
    batch_size: images that this process's devices draw at once.
    allow_copies: publish although the generator copies its training images, or although nobody can tell.

  Returns:
    What there is now, for a person.

  Raises:
    ValueError: there is something else at the place, the generator copies, or the filters drop all of its images.
  """
  if job.out.exists():
    return _found(job)
  if job.request.unique >= 0 and jax.process_count() > 1:
    raise ValueError('--unique compares every image with all before it; run it in one process')
  with errors.about(job.out):
    book = ledger.Ledger(job.out, {**job.plan, **publishing.environment(job)}, rank=jax.process_index())
  try:
    return _run(job, book, batch_size, allow_copies)
  except OSError as error:
    made = book.finished
    book.discard_if_empty()
    kept = (
      f'{made} of {job.about.num_shards} shards are kept, and the same command goes on' if made else 'nothing is kept'
    )
    raise ValueError(f'{job.out} is not finished: {errors.reason(error)}; {kept}') from error
  except Exception:  # no signal: this command cannot work, and no other one could use its ledger
    book.discard_if_empty()
    raise
  finally:
    book.close()


def _found(job: Job) -> str:
  """What to say where `out` exists already: an error, unless it is this very set."""
  path = job.out / 'card.json'
  if not path.exists():
    raise ValueError(f'--out is {job.out}, which exists already')
  try:
    found = json.loads(path.read_text())
    request = found['request']
  except (ValueError, KeyError, TypeError) as error:
    raise ValueError(f'{path} is damaged: {error!r}. Delete {job.out} and generate it again') from error
  ledger.require_same(request, job.plan, f'{job.out} holds a set that was made', 'Delete it')
  checksums.verify(job.out)
  ledger.clean(job.out)
  return f'{job.out}: complete already, {found["counts"]["kept"]:,} images'


def _run(job: Job, book: ledger.Ledger, batch_size: int, allow_copies: bool) -> str:
  request = job.request
  if jax.process_index() == 0:
    publishing.evaluation_of(job, book)
  draw = stream.make_draw(
    job.run.algorithm, job.run.state, seed=request.seed, truncation=request.truncation, batch_size=batch_size
  )
  mine = range(jax.process_index(), job.about.num_shards, jax.process_count())
  left = [shard for shard in mine if not book.intact(shard)]
  if left and request.unique >= 0:  # a shard depends on all before it
    left = [shard for shard in mine if shard >= left[0]]
  if left:
    _require_space(job, book, draw, left)
  training = functools.cache(lambda: guard.training_features(job.data, job.workdir))
  copying = guard.check(book, lambda: guard.samples(draw, job.classes), training, allow=allow_copies)
  if left:
    judge = functools.cache(lambda: _judge(job, book))
    chosen = _filters(job, book, draw, judge, copying, training)
    _write_shards(job, book, draw, chosen, judge, left, sum(_slots(job, shard).size for shard in mine))
  # The other processes may still be at work; if one dies, jax.distributed ends this one.
  if jax.process_index() > 0:
    while not job.out.exists():
      time.sleep(POLL_SECONDS)
    return f'{job.out}: complete'
  while any(book.receipt(shard) is None for shard in range(job.about.num_shards)):
    time.sleep(POLL_SECONDS)
  counts = publishing.publish(job, book, copying)
  return f'{job.out}: {counts["kept"]:,} images' + (f', {counts["empty"]:,} not found' if counts['empty'] else '')


def _require_space(job: Job, book, draw: stream.Draw, left: list[int]) -> None:
  """Raises a ValueError where the shards that are left, to each process about as many, do not fit on the disk."""
  slots = _slots(job, 0)[: stream.ROWS]
  few = stream.fill(draw, slots, stream.labels_of(slots, job.classes))
  missing = jax.process_count() * sum(_slots(job, shard).size for shard in left)
  space.require(job.request.format, job.about, few, missing, book.root / 'tmp')


def _slots(job: Job, shard: int) -> np.ndarray:
  size = job.request.shard_size
  return np.arange(shard * size, min((shard + 1) * size, job.request.num))


def _write_shards(
  job: Job, book, draw, chosen: tuple[stream.Filter, ...], judge: Judge, left: list[int], total: int
) -> None:
  """Generates and writes one shard after the other; the progress bar counts images, up to the total."""
  unique = None
  if job.request.unique >= 0:
    kept = [code for earlier in range(left[0]) for code in book.receipt(earlier)['hashes']]
    unique = filters.NearDuplicates(job.request.unique, kept)
  terminal = console.Console(stderr=True)
  columns = [*progress.Progress.get_default_columns(), progress.MofNCompleteColumn()]
  hidden = not terminal.is_terminal or jax.process_index() > 0
  with progress.Progress(*columns, console=terminal, disable=hidden) as bar:
    todo = sum(_slots(job, shard).size for shard in left)
    task = bar.add_task('generating', total=total, completed=total - todo)
    for shard in left:
      before, slots = len(unique.hashes) if unique else 0, _slots(job, shard)
      labels, attempts = stream.labels_of(slots, job.classes), job.request.max_attempts
      report = functools.partial(bar.advance, task)
      filled = stream.fill(draw, slots, labels, filters=chosen, unique=unique, max_attempts=attempts, report=report)
      if not (shard or len(filled.slots)):  # a later shard may stay empty, so that what was found before is not lost
        dropped = ', '.join(f'{count:,} by {name}' for name, count in filled.dropped.items()) or 'none'
        raise ValueError(
          f'none of the images {slots[0]} to {slots[-1]} was found in {attempts} attempts each; '
          f'dropped: {dropped}. Loosen the filters'
        )
      _write(job, book, judge, shard, filled, {'hashes': unique.hashes[before:].tolist()} if unique else {})


def _write(job: Job, book, judge: Judge, shard: int, filled: stream.Filled, facts: dict[str, Any]) -> None:
  """Writes a shard, and its receipt with these facts and its counts."""
  labels = filled.labels
  if job.request.relabel:
    labels = relabelling.relabelled(judge(), filled.images, num_classes=len(job.about.class_names))
    if job.classes:
      facts = {**facts, 'relabelled': int(np.sum(labels != filled.labels))}
  written = Shard(shard, filled.images, labels, filled.slots, filled.attempts)
  names = FORMATS[job.request.format].write_shard(book.root, job.about, written)
  counts = {
    'kept': len(filled.slots),
    'empty': _slots(job, shard).size - len(filled.slots),
    'drawn': filled.drawn,
    'dropped': filled.dropped,
    'labels': dict(Counter(map(str, labels.tolist()))),
  }
  book.record(shard, names, {**counts, **facts})


def _filters(job: Job, book, draw, judge: Judge, copying: dict[str, Any], training) -> tuple[stream.Filter, ...]:
  """The filters of the request, in the order in which they are asked."""
  request, chosen = job.request, []
  if request.discriminator_percentile:
    compiled = jax.jit(job.run.algorithm.score)
    score = lambda images, labels: np.asarray(compiled(job.run.state, images, labels))
    calibration = book.once('calibration', lambda: list(_calibrate(job, draw, score).items()))
    chosen.append(filters.discriminator(score, seed=request.seed, limits=dict(calibration)))
  if request.min_confidence:
    chosen.append(filters.confidence(judge(), request.min_confidence))
  if request.drop_copies:
    if copying['refused'] is None:
      raise ValueError(f'--drop_copies cannot tell what is a copy: {copying["text"].rstrip(".")}')
    limits = {name: copying[name] for name in ('distance', 'ratio')}
    chosen.append(filters.not_a_copy(copying_guard.pooled, training()[0], **limits))
  return tuple(chosen)


def _calibrate(job: Job, draw: stream.Draw, score: filters.Score) -> dict[int, tuple[float, float]]:
  """The constants of discriminator rejection by label, from the first candidates of the set."""
  together, each = CALIBRATION_SAMPLES
  slots = np.arange(-(-max(together, each * len(job.classes)) // stream.ROWS) * stream.ROWS)
  labels = stream.labels_of(slots, job.classes)
  drawn = [(labels[rows], score(images, labels[rows])) for rows, images in draw(slots, 0, labels)]
  labels, logits = map(np.concatenate, zip(*drawn, strict=True))
  return filters.calibrate(logits, labels, percentile=job.request.discriminator_percentile)


def _judge(job: Job, book) -> filters.Classifier:
  """The classifier that the request names, or else one that is trained on the real training images and then cached.

  Raises:
    ValueError: the data cannot be read or is not what the run was trained on, or the classifier has been trained anew
      since the first shards were written.
  """
  if job.request.classifier:
    return find(job.request.classifier)
  try:
    images = runs.training_data(job.data, job.workdir)
  except (ValueError, OSError) as error:
    flag = '--relabel' if job.request.relabel else '--min_confidence'
    raise ValueError(f'{flag} without --classifier trains one on the real images, and {error}') from error
  own = data_classifier(images, job.run.config)
  if book.once('classifier_sha256', lambda: own.sha256) != own.sha256:
    raise ValueError(
      'the classifier was trained anew and differs from that of the shards which exist; delete the unfinished set, or '
      'bring back the cache ($GENGAN_CACHE)'
    )
  return lambda images: own(images)[0]
