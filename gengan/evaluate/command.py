"""What the command does: measures a run as the flags say, or puts several evaluated runs in one table."""

import argparse
import dataclasses
import pathlib
from collections.abc import Sequence

import jax

from gengan import data, runs, sharding
from gengan.config import arguments, classes
from gengan.evaluate import protocol, report
from gengan.evaluate.evaluator import Evaluator, Settings
from gengan.evaluate.feature_network import make_network
from gengan.evaluate.model import fulfilled, given
from gengan.metrics import family
from gengan.runs.leaves import state_sha256

FOLDER = 'evaluation'
DEFAULT = ('frechet', 'kernel', 'manifold', 'vendi', 'copying')
WHERE_POSSIBLE = ('consistency', 'likelihood')  # added to the default where model and network give them


def compare(workdirs: Sequence[pathlib.Path]) -> str:
  """The scores of several evaluated runs side by side.

  Raises:
    FileNotFoundError: a run that was not evaluated.
    ValueError: two protocols; names every difference.
  """
  evaluations = {}
  for workdir in workdirs:
    path = workdir / FOLDER / 'evaluation.json'
    if not path.exists():
      raise FileNotFoundError(f'{path} does not exist; first: python -m gengan.evaluate --workdir={workdir}')
    try:
      evaluations[str(workdir)] = protocol.Evaluation.from_json(path.read_text())
    except ValueError as error:
      raise ValueError(f'{path}: {error}') from error
  return protocol.as_text(*protocol.table(evaluations))


def evaluate(args: argparse.Namespace) -> tuple[pathlib.Path, pathlib.Path]:
  """Measures what the flags ask for; returns the paths of the page and of the JSON file.

  Raises:
    ValueError, FileNotFoundError: a flag, the run or the data is unusable.
  """
  _check(args)
  run = runs.load(args.workdir, checkpoint=args.checkpoint, weights=args.weights)
  weights_sha256 = state_sha256(run.state)
  mesh = sharding.make_mesh()
  run = dataclasses.replace(run, state=jax.device_put(run.state, sharding.replicated(mesh)))
  dataset = data.load(run.config.data)
  runs.require_same(args.workdir, run.config, dataset)
  network_name = args.network or ('classifier' if dataset.num_classes > 1 else 'pixels')
  there = fulfilled(network_name, run.config) | given(run.algorithm, dataset.image_shape)
  families = args.metrics or _default(network_name, there)
  family.check(families, there)
  settings = Settings(
    families=families,
    split=args.split,
    num_generated=args.num or min(10_000, max(len(getattr(dataset, args.split)), 2048)),
    num_pairwise=args.num_pairwise,
    seeds=tuple(range(args.seed, args.seed + args.sets)),
    truncation=args.truncation,
    weights=args.weights,
  )
  network = make_network(network_name, dataset, run.config)
  evaluator = Evaluator(settings, network=network, dataset=dataset, config=run.config, mesh=mesh)
  measured = evaluator.evaluate(run.state, run.algorithm)
  about = {
    'workdir': str(args.workdir),
    'model': run.config.model.name,
    'conditional': bool(classes(run.config)),
    'step': run.step,
    'weights_sha256': weights_sha256,
    'kimg': run.step * run.config.batch_size / 1000,
    'source': run.config.data.source,
    'features': network.size,
    'by_class': {
      name: dict(zip(dataset.class_names, each, strict=True)) for name, each in measured.about['by_class'].items()
    },
  }
  measured = dataclasses.replace(measured, about=about)
  return report.write(args.out or args.workdir / FOLDER, measured, run, dataset, evaluator)


def _default(network_name: str, there: set[str]) -> tuple[str, ...]:
  """The families that are quick, and those that this model and network happen to give."""
  names = ('inception_score', *WHERE_POSSIBLE) if network_name == 'classifier' else WHERE_POSSIBLE
  return (*DEFAULT, *(name for name in names if there.issuperset(family.find(name).needs)))


def _check(args: argparse.Namespace) -> None:
  """What can be said before the run is opened."""
  arguments.check_run(args.workdir)
  for flag, least in (('num', 2), ('num_pairwise', 2), ('sets', 1)):
    value = getattr(args, flag)
    if value is not None and value < least:
      raise ValueError(f'--{flag} is {value}; it must be at least {least}')
  if args.out is not None and args.out.exists() and not args.out.is_dir():
    raise ValueError(f'--out is {args.out}, which is a file; it must be a folder')
  if not 0 < args.truncation <= 10:
    raise ValueError(f'--truncation is {args.truncation}; it must be above 0 and at most 10')
  for name in args.metrics:
    family.find(name)
