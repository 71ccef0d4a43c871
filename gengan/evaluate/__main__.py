"""Measures a trained run on held-out images, given its folder alone; writes JSON and a page into `evaluation/` there.

python -m gengan.evaluate --workdir=runs/conditional_dcgan
python -m gengan.evaluate --workdir=runs/dcgan --network=inception:path/to/pt_inception-2015-12-05-6726825d.pth
python -m gengan.evaluate --workdir=runs/dcgan --metrics=frechet,manifold --split=validation --num=2000
python -m gengan.evaluate --compare runs/a runs/b            # one table; refused where the protocols differ
"""

import argparse
import dataclasses
import pathlib
import warnings
from collections.abc import Sequence

from gengan.config import arguments

FOLDER = 'evaluation'
DEFAULT = ('frechet', 'kernel', 'manifold', 'vendi', 'copying')
OF_A_CLASSIFIER = ('inception_score', 'consistency')  # added to the default where the network knows classes


def main(argv: Sequence[str] | None = None) -> None:
  """The command line; exits with code 2 and one line where a flag, the run or the data is unusable."""
  parser = _parser()
  args = parser.parse_args(argv)
  warnings.formatwarning = lambda message, *_, **__: f'gengan.evaluate: {message}\n'
  try:
    if args.compare:
      print(compare(args.compare))
    elif args.workdir is None:
      parser.error('give the --workdir of a run, or --compare and the folders of several')
    else:
      _check(args)
      print(*evaluate(args), sep='\n')
  except (ValueError, OSError) as error:
    parser.error(str(error))


def compare(workdirs: Sequence[pathlib.Path]) -> str:
  """The scores of several evaluated runs side by side.

  Raises:
    FileNotFoundError: a run that was not evaluated.
    ValueError: two protocols; names every difference.
  """
  from gengan.metrics import protocol

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
  """Measures what the flags ask for; returns the paths of the page and of the JSON file."""
  import jax

  from gengan import config, data, runs, sharding
  from gengan import evaluate as evaluation
  from gengan.evaluate import report
  from gengan.generate.weights import state_sha256
  from gengan.metrics import suite

  run = runs.load(args.workdir, checkpoint=args.checkpoint, ema=args.ema)
  weights_sha256 = state_sha256(run.state)
  mesh = sharding.make_mesh()
  run = run._replace(state=jax.device_put(run.state, sharding.replicated(mesh)))
  dataset = data.load(run.config.data)
  runs.require_same(args.workdir, run.config, dataset)
  network_name = args.network or ('classifier' if dataset.num_classes > 1 else 'pixels')
  split = getattr(dataset, args.split)
  conditional = config.is_conditional(run.config)
  metrics = args.metrics or _default_metrics(
    network_name, conditional=conditional, encoder=run.algorithm.encode is not None
  )
  settings = evaluation.Settings(
    families=tuple(metrics),
    split=args.split,
    num_generated=args.num or min(10_000, max(len(split), 2048)),
    num_pairwise=args.num_pairwise,
    seeds=tuple(range(args.seed, args.seed + args.sets)),
    truncation=args.truncation,
    weights='ema' if args.ema else 'raw',
  )
  suite.check(metrics, network=network_name, conditional=conditional, encoder=run.algorithm.encode is not None)
  network = evaluation.make_network(network_name, dataset, run.config)
  evaluator = evaluation.Evaluator(settings, network=network, dataset=dataset, config=run.config, mesh=mesh)
  measured = evaluator.evaluate(run.state, run.algorithm)
  about = {
    'workdir': str(args.workdir),
    'model': run.config.model.name,
    'conditional': conditional,
    'step': run.step,
    'weights_sha256': weights_sha256,
    'kimg': run.step * run.config.batch_size / 1000,
    'source': run.config.data.source,
    'features': network.size,
    'by_class': {
      name: dict(zip(dataset.class_names, values, strict=True)) for name, values in measured.about['by_class'].items()
    },
  }
  measured = dataclasses.replace(measured, about=about)
  return report.write(args.out or args.workdir / FOLDER, measured, run, dataset, evaluator)


def _default_metrics(network_name: str, *, conditional: bool, encoder: bool) -> tuple[str, ...]:
  classifies = OF_A_CLASSIFIER if network_name == 'classifier' else ()
  if not conditional:
    classifies = tuple(name for name in classifies if name != 'consistency')
  return (*DEFAULT, *classifies, *(('likelihood',) if encoder else ()))


def _check(args: argparse.Namespace) -> None:
  """What can be said before the run is opened."""
  arguments.check_run(args.workdir)
  for flag, least in (('num', 2), ('num_pairwise', 2), ('sets', 1)):
    value = getattr(args, flag)
    if value is not None and value < least:
      raise ValueError(f'--{flag} is {value}; it must be at least {least}')
  if args.out is not None and args.out.exists() and not args.out.is_dir():
    raise ValueError(f'--out is {args.out}, which is a file; it must be a folder')
  if args.truncation <= 0:
    raise ValueError(f'--truncation is {args.truncation}; it must be above 0')
  from gengan.metrics import suite

  suite.check(args.metrics, network='classifier', conditional=True, encoder=True)  # whether there are such metrics


def _parser() -> arguments.Parser:
  parser = arguments.parser('evaluate', __doc__)
  arguments.add_run(parser, required=False)
  add = parser.add_argument
  add('--compare', type=pathlib.Path, nargs='+', default=[], help='folders of evaluated runs, for one table')
  add('--split', choices=('test', 'validation'), default='test', help='real images to compare with (default test)')
  add('--network', default='', help='classifier (default where there are labels), pixels, or inception:FILE')
  add('--metrics', type=_names, default=(), help='families, separated by commas (default: all that are quick)')
  add('--num', type=int, default=None, help='generated images a set (default: as many as real ones, 2,048 to 10,000)')
  add('--num_pairwise', type=int, default=10_000, help='images of each kind in metrics of all pairs (default 10,000)')
  add('--sets', type=int, default=3, help='sample sets; the deviation is over them (default 3)')
  add('--truncation', type=float, default=1.0, help='latents times this (default 1)')
  add('--out', type=pathlib.Path, default=None, help='folder to write to (default evaluation/ in the workdir)')
  return parser


def _names(text: str) -> tuple[str, ...]:
  return tuple(name.strip() for name in text.split(',') if name.strip())


if __name__ == '__main__':
  main()
