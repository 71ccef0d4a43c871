"""What an evaluation leaves: `evaluation.json`, and a page for people with everything in one file."""

import dataclasses
import html
import pathlib
from collections.abc import Sequence

import numpy as np

from gengan import data, runs
from gengan.data import images
from gengan.evaluate import pages
from gengan.evaluate.evaluator import Evaluator
from gengan.evaluate.images import generated_batches, labels_like
from gengan.evaluate.protocol import Evaluation, cell
from gengan.host import files
from gengan.metrics import family, neighbours
from gengan.metrics.frechet import ENOUGH
from gengan.runs import curves

SAMPLES = 64
SHEET_ROWS, SHEET_NEAREST = 12, 3


def write(
  folder: pathlib.Path, evaluation: Evaluation, run: runs.Run, dataset: data.Dataset, evaluator: Evaluator
) -> tuple[pathlib.Path, pathlib.Path]:
  """Draws the pictures and writes both files, each in one piece; returns the paths of the page and of the JSON."""
  folder.mkdir(parents=True, exist_ok=True)
  samples, labels = _samples(run, dataset, evaluator)
  images.save_png(folder / 'samples.png', images.grid(samples[:SAMPLES], scale=_scale(samples)))
  images.save_png(folder / 'neighbours.png', neighbour_sheet(samples, labels, dataset, evaluator))
  pictures = {name: pages.picture(folder / f'{name}.png') for name in ('samples', 'neighbours')}
  metrics = pathlib.Path(evaluation.about['workdir']) / 'metrics.jsonl'
  if metrics.exists():
    curves.plot(metrics, folder / 'curves.png')
    pictures['curves'] = pages.picture(folder / 'curves.png', pixels=False)
  page, record = folder / 'index.html', folder / 'evaluation.json'
  files.write_text(record, evaluation.to_json())
  files.write_text(page, render(evaluation, pictures, evaluator.settings.families))
  return page, record


def render(evaluation: Evaluation, pictures: dict[str, str], families: Sequence[str]) -> str:
  """The page as text; `pictures` are <img> elements by name, `families` the names of those measured."""
  about, protocol = evaluation.about, dataclasses.asdict(evaluation.protocol)
  measured = [family.find(name) for name in families]
  scores = [(name, cell(evaluation, name), *family.meaning(name, measured)) for name in evaluation.scores]
  fields = [(name.replace('_', ' '), f'<code>{html.escape(str(value))}</code>') for name, value in protocol.items()]
  title = f'{about["workdir"]}, step {about["step"]}'
  body = pages.template('evaluation.html').substitute(
    title=html.escape(title),
    about=html.escape(f'{about["model"]}, trained on {about["source"]} for {about["kimg"]:,.0f} thousand images'),
    warnings=''.join(f'<p class="warning">{html.escape(text)}</p>' for text in warnings(evaluation)),
    split=protocol['split'],
    sets=len(protocol['seeds']),
    scores=pages.table(('Score', 'Value', 'Better', 'Meaning'), scores, numbers=(1,)),
    by_class=_by_class(about.get('by_class', {})),
    samples=pictures['samples'],
    neighbours=pictures['neighbours'],
    curves=pictures.get('curves', '<p class="quiet">The run keeps no metrics.</p>'),
    protocol=pages.table((), fields),
  )
  return pages.whole(f'Evaluation: {title}', body)


def warnings(evaluation: Evaluation) -> list[str]:
  """What a reader must know before believing the scores."""
  protocol, scores = evaluation.protocol, evaluation.scores
  found = []
  fewest = min(protocol.num_real, protocol.num_generated)
  if fewest < ENOUGH:
    found.append(
      f'{fewest:,} images are few: a Fréchet distance is biased upwards below {ENOUGH:,}; compare it only with '
      'one of equally many images.'
    )
  network_size = evaluation.about.get('features')
  if network_size and ENOUGH <= fewest <= network_size:
    found.append(
      f'{fewest:,} images are no more than the {network_size:,} features: a Fréchet distance is biased upwards.'
    )
  z = next((value for name, value in scores.items() if name.startswith('data_copying_z')), 0.0)
  if z < -3:
    found.append(f'The data-copying test gives z = {z:.1f}: samples are significantly too close to training images.')
  if protocol.split == 'validation':
    found.append('These are validation scores, which may have steered the training; report those of the test split.')
  return found


def neighbour_sheet(samples: np.ndarray, labels: np.ndarray, dataset: data.Dataset, evaluator: Evaluator) -> np.ndarray:
  """A picture [H, W, C] uint8: a sample a row, its nearest training images, its nearest held-out images."""
  drawn = evaluator.features_of_images(samples, labels).rows
  train_nearest, distances = neighbours.nearest_neighbours(drawn, evaluator.train.rows, SHEET_NEAREST)
  split = getattr(dataset, evaluator.settings.split)
  split_nearest, _ = neighbours.nearest_neighbours(drawn, evaluator.real.rows, SHEET_NEAREST)
  rows, gap = [], np.full_like(samples[:1], 255)
  for sample in np.argsort(distances[:, 0])[:SHEET_ROWS]:
    train = dataset.train.images[evaluator.train.positions[train_nearest[sample]]]
    held_out = split.images[evaluator.real.positions[split_nearest[sample]]]
    rows.append(np.concatenate([samples[sample : sample + 1], gap, train, gap, held_out]))
  return images.grid(np.concatenate(rows), columns=len(rows[0]), scale=_scale(samples))


def _samples(run, dataset, evaluator) -> tuple[np.ndarray, np.ndarray]:
  seed = evaluator.settings.seeds[0]
  labels = labels_like(dataset.train.labels, 256, seed=seed)
  batches = generated_batches(
    run.algorithm, run.state, labels, seed=seed, truncation=evaluator.settings.truncation, mesh=evaluator.mesh
  )
  return np.concatenate([part for part, _ in batches]), labels


def _by_class(scores: dict[str, dict[str, float]]) -> str:
  if not scores:
    return ''
  names = list(next(iter(scores.values())))
  rows = [(html.escape(name), *(f'{values[name]:.4g}' for values in scores.values())) for name in names]
  return '<h2>By class</h2>' + pages.table(('Class', *scores), rows, numbers=range(1, 1 + len(scores)))


def _scale(samples: np.ndarray) -> int:
  return max(1, 64 // samples.shape[1])
