"""What the command does: measures a run as the flags say, or puts several evaluated runs in one table."""

import argparse
import dataclasses
import pathlib
import shlex
import warnings
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from gengan import data, runs, sharding
from gengan.config import arguments, classes, trust
from gengan.evaluate import cautions, feature_network, limits, protocol, report, several, stages, summary
from gengan.evaluate.evaluator import Evaluator, Settings
from gengan.evaluate.images import generated_batches
from gengan.evaluate.model import fulfilled, given
from gengan.host.regular import require_file
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
      raise FileNotFoundError(f'{path} does not exist; first: {arguments.command("evaluate", workdir=workdir)}')
    require_file(path, 'the evaluation')
    try:
      evaluations[str(workdir)] = protocol.Evaluation.from_json(path.read_text())
    except ValueError as error:
      raise ValueError(f'{path}: {error}') from error
  of = defaultdict(list)  # what is said of several runs is said once
  for name, found in evaluations.items():
    for text in dict.fromkeys(caution.text for caution in found.cautions):
      of[text].append(name)
  whose = {text: '' if len(names) == len(evaluations) else f' ({", ".join(names)})' for text, names in of.items()}
  lines = [f'caution: {text}{names}' for text, names in whose.items()]
  return '\n'.join([protocol.as_text(*protocol.table(evaluations)), *lines])


def evaluate(args: argparse.Namespace) -> int:
  """Measures what the flags ask for, prints the scores, and writes the report; returns how many could not be measured.

  Raises:
    ValueError, FileNotFoundError: a flag, the run or the data is unusable, or the report cannot be written.
  """
  _check(args)
  folder = args.out or args.workdir / FOLDER
  report.require_writable(folder, flag='--out' if args.out else 'the folder of the report')
  with stages.telling() as tell:
    run, dataset, evaluators, weights_sha256 = _opened(args, tell)
    families = {name: family.find(name) for each in evaluators for name in each.settings.families}
    for line in _known_before(families, evaluators, dataset, folder):
      warnings.warn(line, stacklevel=1)
    found, draw = [], several.SampleSets() if len(evaluators) > 1 else generated_batches
    for evaluator in evaluators:
      measured = evaluator.evaluate(run.state, run.algorithm, reference=True, draw=draw)
      about = _about(args, run, dataset, evaluator) | {'weights_sha256': weights_sha256} | measured.about
      measured = dataclasses.replace(measured, about=about)
      found.append(dataclasses.replace(measured, cautions=cautions.cautions(measured, families)))
  measured = several.joined(found)
  try:
    print(f'{summary.text(measured, families)}\n', flush=True)  # first: if the disk is full by now, they are not lost
  finally:  # nor where nobody reads them any longer
    with stages.telling() as tell:
      tell('drawing the page')
      page, record = report.write(folder, measured, families, run, dataset, evaluators[0])
  print(f'page    {shlex.quote(str(page))}\nnumbers {shlex.quote(str(record))}')
  return len(measured.not_measured)


def _opened(args: argparse.Namespace, tell: stages.Tell) -> tuple[runs.Run, data.Dataset, list[Evaluator], str]:
  """The run, its data, what measures it on each network, and the hash of its weights."""
  tell('reading the run')
  run = runs.load(args.workdir, checkpoint=args.checkpoint, weights=args.weights, trust=args.trust)
  weights_sha256 = state_sha256(run.state)
  mesh = sharding.make_mesh()
  run = dataclasses.replace(run, state=jax.device_put(run.state, sharding.replicated(mesh)))
  tell('reading the data')
  dataset = runs.training_data(runs.data_now(run.config, args.source), args.workdir)
  split, usual = getattr(dataset, args.split), 'classifier' if feature_network.classes_of(dataset) > 1 else 'pixels'
  networks = args.network or (usual,)
  for name in networks:
    feature_network.check(name, num_classes=feature_network.classes_of(dataset))
  by_model = given(run.algorithm, dataset.image_shape)
  there = {name: fulfilled(name, run.config) | by_model for name in networks}
  wanted = {name: args.metrics or _default(name, there[name]) for name in networks}
  by_network = several.families_of(wanted, there)
  families = tuple(dict.fromkeys(name for names in by_network.values() for name in names))
  settings = Settings(
    families=families,
    split=args.split,
    num_generated=args.num or cautions.samples_of_protocol(len(split)),
    num_pairwise=args.num_pairwise,
    seeds=tuple(range(args.seed, args.seed + args.sets)),
    truncation=args.truncation,
    weights=args.weights,
  )
  images = {'generated': settings.num_generated, 'pairwise': settings.num_pairwise}
  impossible = limits.impossible({name: family.find(name) for name in families}, dataset, args.split, **images)
  if len(impossible) == len(families):
    raise ValueError('; '.join(f'{name} cannot be measured: {why}' for name, why in impossible.items()))
  evaluators = several.evaluators(by_network, settings, dataset=dataset, config=run.config, mesh=mesh, tell=tell)
  return run, dataset, evaluators, weights_sha256


def _known_before(
  families: Mapping[str, family.Family], evaluators: Sequence[Evaluator], dataset: data.Dataset, folder: pathlib.Path
) -> Iterator[str]:
  """What a person should know before anything is measured."""
  settings, of = evaluators[0].settings, several.joined_protocol([each.protocol for each in evaluators])
  images = {'generated': settings.num_generated, 'pairwise': settings.num_pairwise}
  yield from limits.notes(families, dataset, settings.split, **images)
  if changed := report.differing(folder, of):
    yield f'{folder} holds a report with another {", ".join(changed)}, which is kept there in a folder earlier-N'


def _about(args: argparse.Namespace, run: runs.Run, dataset: data.Dataset, evaluator: Evaluator) -> dict[str, Any]:
  held_out = np.bincount(getattr(dataset, args.split).labels)
  asked = {family.find(name).images.of_class for name in evaluator.settings.families}
  leasts = [least for least in sorted(asked) if 0 < least <= held_out.max()]
  return {
    'workdir': str(args.workdir),
    'model': run.config.model.name,
    'conditional': bool(classes(run.config)),
    'step': run.step,
    'num_steps': run.config.num_steps,
    'kimg': run.step * run.config.batch_size / 1000,
    'source': run.config.data.source,
    'features': evaluator.network.size,
    'fewest_of_class': {str(least): int(held_out[held_out >= least].min()) for least in leasts},
  }


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
  trust.require_modules([name for name in args.metrics if '.' in name], args.trust, flag='--metrics')
  for name in args.metrics:
    family.find(name)
  for name in args.network:
    feature_network.check(name, num_classes=2)  # of the data, more is known later
