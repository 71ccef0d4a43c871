"""The end of a job: files completed and counted anew, the data card, and the name."""

import importlib.metadata
import json
import pathlib
from collections import Counter
from typing import Any

import jax

from gengan.formats import FORMATS, card, ledger


def publish(job, book: ledger.Ledger, copying: dict[str, Any]) -> dict[str, Any]:
  """Completes the files, counts them anew, writes the card and gives the set its name.

  Args:
    job: see `gengan.generation.job.Job`.
    book: with a receipt for every shard.
    copying: report of the copying guard.

  Returns:
    The counts of the card.

  Raises:
    RuntimeError: the files do not hold what was written.
  """
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
    'generator': generator(),
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


def generator() -> str:
  """This program and its version."""
  return f'gengan {importlib.metadata.version("gengan")}'


def _without_place(source: str) -> str:
  """'idx:/home/someone/mnist' -> 'idx:mnist': where it lay says nothing to others."""
  kind, _, location = source.partition(':')
  return f'{kind}:{pathlib.PurePath(location).name}' if location else kind
