"""Publishing a finished set: its images are counted anew, a data card describes it, and it gets its name."""

import importlib.metadata
import pathlib
from collections import Counter
from collections.abc import Sequence
from typing import Any

import jax

from gengan.config import load_dataset_facts
from gengan.generate.formats import FORMATS, card, ledger
from gengan.host.files import read_json

PLACES = ('workdir', 'source', 'exclude', 'network', 'init_from')  # keys of texts that may hold a path
VERSION = importlib.metadata.version('gengan')
GENERATOR = f'gengan {VERSION}'


def publish(job, book: ledger.Ledger, copying: dict[str, Any]) -> dict[str, Any]:
  """Completes the files, counts the images in them anew, writes the card and gives the set its name.

  There must be a receipt for every shard of the `request.Job`. Returns the counts of the card.

  Raises:
    RuntimeError: the files do not hold what was written.
  """
  receipts = [book.receipt(shard) for shard in range(job.about.num_shards)]
  files = FORMATS[job.request.format].finish(book.root, job.about, [receipt['kept'] for receipt in receipts])
  counts = _counts(job, book, receipts)
  content = {
    'name': job.about.name,
    'synthetic': True,
    'format': job.request.format,
    'image_shape': list(job.about.image_shape),
    'class_names': list(job.about.class_names),
    'licence': job.request.licence,
    'generator': GENERATOR,
    'software': {name: importlib.metadata.version(name) for name in ('jax', 'flax', 'numpy', 'pillow')},
    'platform': jax.devices()[0].platform,
    'model': job.model,
    'config': job.run.config.to_dict(),
    'training_data': load_dataset_facts(job.workdir),
    'evaluation': evaluation_of(job, book),
    'request': job.plan,
    'counts': counts,
    'copying': copying,
    'load': FORMATS[job.request.format].load_command(job.about, job.out.name),
  }
  book.publish(job.about.num_shards, files + card.write(book.root, job.about, without_places(content)))
  return counts


def _counts(job, book: ledger.Ledger, receipts: Sequence[dict[str, Any]]) -> dict[str, Any]:
  """What the receipts say, if the files say the same."""
  total = lambda key: sum(receipt[key] for receipt in receipts)
  by_label, dropped = Counter(), Counter()
  for receipt in receipts:
    by_label.update({int(label): count for label, count in receipt['labels'].items()})
    dropped.update(receipt['dropped'])
  found = FORMATS[job.request.format].read_back(book.root / 'data', job.about)
  if found != by_label:
    raise RuntimeError(f'{book.root / "data"} reads back as {dict(found)}, but {dict(by_label)} was written')
  counts = {
    'asked': job.request.num,
    'drawn': total('drawn'),
    'kept': total('kept'),
    'empty': total('empty'),
    'dropped': dict(dropped),
    'by_class': {name: by_label[label] for label, name in enumerate(job.about.class_names)},
  }
  return {**counts, 'relabelled': total('relabelled')} if job.request.relabel and job.classes else counts


def environment(job) -> dict[str, str]:
  """What the bytes depend on beside `job.plan`; it must stay the same from a set's first shard to its last."""
  return {
    'run': job.model['run'],
    'gengan': VERSION,
    'jax': jax.__version__,
    'device': jax.devices()[0].device_kind,
  }


def evaluation_of(job, book: ledger.Ledger) -> dict[str, Any] | None:
  """The run's evaluation if it measured the very weights of this set; None without one.

  What the first call finds is kept in the ledger, so an evaluation made while a job is stopped changes no byte.
  """
  return book.once('evaluation', lambda: {'found': _read_evaluation(job)})['found']


def _read_evaluation(job) -> dict[str, Any] | None:
  try:
    found = read_json(job.workdir / 'evaluation' / 'evaluation.json')
    same = found['about']['weights_sha256'] == job.model['weights_sha256']
  except (OSError, ValueError, KeyError, TypeError):  # there is none, or it does not say what it measured
    return None
  return found if same else None


def without_places(content: Any) -> Any:
  """The same JSON without the places of files and folders, which mean nothing on another machine.

  A path under one of the keys `PLACES` is reduced to its last part: 'idx:/home/someone/mnist' to 'idx:mnist',
  'runs/dcgan' to 'dcgan'. 'data_dir' becomes ''.
  """
  if isinstance(content, dict):
    reduced = {
      key: _last_part(value) if key in PLACES and isinstance(value, str) else without_places(value)
      for key, value in content.items()
    }
    return reduced | ({'data_dir': ''} if isinstance(reduced.get('data_dir'), str) else {})
  return [without_places(each) for each in content] if isinstance(content, (list, tuple)) else content


def _last_part(text: str) -> str:
  kind, colon, location = text.partition(':')
  if colon and '/' not in kind:
    return f'{kind}:{pathlib.PurePath(location).name}'
  return pathlib.PurePath(text).name
