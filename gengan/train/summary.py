"""What a person is told in words when a run begins and when it ends."""

import math
import pathlib
from collections.abc import Mapping

import jax
import numpy as np

from gengan import core, data
from gengan.config import arguments, recipes
from gengan.train.preparation import Training
from gengan.train.reference import Reference

LISTED = 10  # classes that are listed one by one


def beginning(training: Training, reference: Reference, *, step: int) -> dict[str, str]:
  """What a run of `step` steps so far is about to do, as texts by name: where it computes, on what, where all goes."""
  config, workdir = training.config, training.workdir
  if step >= config.num_steps:
    asked = f'config.num_steps is {config.num_steps:,}; ' if step > config.num_steps else ''
    text = f'the run in {workdir} is complete at step {step:,}; {asked}raise config.num_steps to go on'
    return {'complete': text}
  kimg = config.num_steps * config.batch_size / 1000
  asked = ', asked for classes' if recipes.classes(config) else ''
  split = 'held-out images of the validation split' if reference.split == 'validation' else 'images of the train split'
  real = f'{len(reference.batch["label"])} {split}, laid out as the samples are'
  if config.private_data:
    real = 'none is shown: config.private_data'
  table = _table(
    {
      'model': config.model.name + asked,
      'devices': _devices(training.setup.mesh),
      'images': _images(training.dataset),
      'classes': _classes(training.dataset),
      'networks': ', '.join(f'{name} {count:,}' for name, count in parameters(training).items()) + ' parameters',
      'steps': f'{config.num_steps:,} of {config.batch_size:,} images ({kimg:,.1f} kimg)',
      'writes': f'to {workdir}: metrics.jsonl, tensorboard/ every {config.log_every_steps:,} steps, '
      f'samples/ every {config.sample_every_steps:,}, checkpoints/ every {config.checkpoint.every_steps:,}',
      'real.png': real,
    }
  )
  going_on = {'resume': f'continuing the run in {workdir} at step {step} of {config.num_steps}'} if step else {}
  return {'training': table, **going_on}


def ending(training: Training, made: Mapping[pathlib.Path, str]) -> dict[str, str]:
  """Where everything is, by what `made` says of the files, and what can be done next, as commands to copy."""
  workdir = training.workdir
  files = {
    workdir / 'samples': 'grids of samples over time',
    **made,
    workdir / 'metrics.jsonl': 'every metric; the same for TensorBoard in tensorboard/',
    workdir / 'checkpoints': 'the trained model',
  }
  return {'done': _table(files), 'next': ''.join(f'\n  {command}' for command in suggestions(training))}


def suggestions(training: Training) -> list[str]:
  """Commands for what one does with a trained model; they run as they stand, in this folder and environment."""
  workdir, held_out = training.workdir, len(training.dataset.test) > 1
  return [
    arguments.command('sample', workdir=workdir, out=workdir / 'grid.png'),
    *([arguments.command('evaluate', workdir=workdir)] if held_out else []),
    arguments.command('generate', workdir=workdir, num=1000, format='folder', out=workdir / 'generated'),
  ]


def parameters(training: Training) -> dict[str, int]:
  """How many numbers are trained, by network; a frozen first stage is not."""
  state = training.setup.abstract_state
  count = lambda tree: sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(tree))
  found = {name: count(tree) for name, tree in state.params.items()}
  if core.FIRST_STAGE in state.extra:
    found[f'{core.FIRST_STAGE} (frozen)'] = count(state.extra[core.FIRST_STAGE])
  return found


def _devices(mesh: jax.sharding.Mesh) -> str:
  first, processes = mesh.devices.flat[0], jax.process_count()
  kind = first.platform if first.device_kind.lower() == first.platform else f'{first.platform} ({first.device_kind})'
  return f'{mesh.size} x {kind}' + (f', of {processes} processes' if processes > 1 else '')


def _images(dataset: data.Dataset) -> str:
  height, width, channels = dataset.image_shape
  splits = ', '.join(f'{name} {count:,}' for name, count in dataset.statistics['examples'].items())
  return f'{splits}; {width} x {height} pixels, {"grey" if channels == 1 else "RGB"}, of {dataset.statistics["source"]}'


def _classes(dataset: data.Dataset) -> str:
  """The training images of every class, or where there are many, of the smallest and the largest."""
  counts = dataset.statistics['train_by_class']
  if not dataset.statistics['labelled']:
    return 'none: the images have no labels'
  names = dataset.class_names
  if len(names) <= LISTED:
    return f'{len(names)}, training images of each: ' + ', '.join(map('{} {:,}'.format, names, counts))
  low, high = int(np.argmin(counts)), int(np.argmax(counts))
  return f'{len(names):,}, of {counts[low]:,} ({names[low]}) to {counts[high]:,} ({names[high]}) training images'


def _table(rows: Mapping[object, str]) -> str:
  """Lines of a name and what it is, below each other."""
  width = max(len(str(name)) for name in rows)
  return ''.join(f'\n  {name!s:{width}}  {text}' for name, text in rows.items())
