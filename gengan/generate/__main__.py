"""Generates a labelled data set of any size from a trained run; run again after a kill, it goes on.

python -m gengan.generate --workdir=runs/conditional_dcgan --num=10000 --format=npz --out=generated/digits_npz
python -m gengan.generate --workdir=runs/conditional_dcgan --num=1000000 --format=tfds --out=generated/digits_tfds
python -m gengan.generate --workdir=runs/conditional_dcgan --num=5000 --labels=3,5 --format=folder --out=generated/some
python -m gengan.generate --workdir=runs/dcgan --num=5000 --truncation=0.8 --drop_copies --out=generated/others

The same weights, seed and options give the same bytes, whatever the batch size and the number of devices.
"""

import argparse
import dataclasses
import re
from collections.abc import Sequence

from gengan import config
from gengan.config import arguments, class_names, trust
from gengan.generate import classes
from gengan.host import files

FORMATS = ('tfds', 'folder', 'npz', 'webdataset')


def main(argv: Sequence[str] | None = None) -> None:
  """The command line; exits with code 2 and one line where a flag, the run or the result is unusable."""
  parser = _parser()
  args = arguments.parse(parser, argv)
  with arguments.answering(parser, stopped='stopped; the same command goes on from here'):
    _check(args)
    from gengan import sharding  # here, for a mistaken flag is told before JAX and orbax are imported
    from gengan.generate import job, request

    sharding.initialize()
    asked = request.Request(**{field.name: getattr(args, field.name) for field in dataclasses.fields(request.Request)})
    names = ('workdir', 'out', 'checkpoint', 'weights', 'trust', 'source')
    made = request.prepare(asked, **{name: getattr(args, name) for name in names})
    print(job.run(made, batch_size=args.batch_size, allow_copies=args.allow_copies))


def _parser() -> arguments.Parser:
  parser = arguments.parser('generate', __doc__)
  arguments.add_run(parser)
  arguments.add_source(parser)
  add = parser.add_argument
  add('--num', type=int, required=True, help='images')
  add('--out', type=arguments.path, required=True, help='folder to make')
  add('--format', default='npz', help=f'one of {", ".join(FORMATS)} (default npz)')
  switch = {'type': arguments.boolean, 'nargs': '?', 'const': True, 'default': False}
  add('--balanced', **switch, help='all classes in turn, which is also the default where there are classes')
  add('--labels', default='', help='these classes in turn, by name or number, such as cat,dog,7')
  add('--batch_size', type=int, default=256, help='images that are drawn at once; changes no byte (default 256)')
  add('--shard_size', type=int, default=0, help='images a file; a multiple of 64 (default: 64 MiB, at most 16384)')
  add('--truncation', type=float, default=1.0, help='below 1: fewer, safer images; above: more, wilder (default 1)')
  add(
    '--classifier',
    default='',
    help='judge for --min_confidence and --relabel: module:function, images in [-1, 1] to probabilities '
    "(default: gengan's own, trained on the real images)",
  )
  add('--min_confidence', type=float, default=0.0, help="draw again below this probability of the image's class")
  add('--relabel', **switch, help="label images with the classifier's most probable class, not with the one asked for")
  add('--discriminator_percentile', type=float, default=0.0, help='discriminator rejection sampling, such as 80')
  add('--unique', type=int, default=-1, help='draw again what differs from another image in at most so many hash bits')
  add('--drop_copies', **switch, help='draw again what is too close to a training image')
  add('--allow_copies', **switch, help='export although the generator copies its training images')
  add('--max_attempts', type=int, default=0, help='candidates for one image (default 100)')
  add('--licence', default='not stated', help='for the data card')
  return parser


def _check(args: argparse.Namespace) -> None:
  """What can be said before anything is loaded.

  Raises:
    ValueError, FileNotFoundError: one line that names the flag.
  """
  arguments.check_run(args.workdir)
  for flag, low, high in [
    ('num', 1, 10**9),
    ('batch_size', 1, 10**6),
    ('seed', 0, 2**32 - 1),
    ('unique', -1, 15),
    ('max_attempts', 0, 10**6),
    ('discriminator_percentile', 0, 99.9),
  ]:
    if not low <= (value := getattr(args, flag)) <= high:
      raise ValueError(f'--{flag} is {value}; it must be from {low} to {high}')
  if not 0 <= args.min_confidence < 1:
    raise ValueError(f'--min_confidence is {args.min_confidence}; it must be at least 0 and below 1')
  if args.format not in FORMATS:
    raise ValueError(f'--format is {args.format!r}; it must be one of {", ".join(FORMATS)}')
  if args.shard_size < 0 or args.shard_size % 64:
    raise ValueError(f'--shard_size is {args.shard_size}; it must be a multiple of 64')
  if not 0 < args.truncation <= 10:
    raise ValueError(f'--truncation is {args.truncation}; it must be above 0 and at most 10')
  if args.balanced and args.labels:
    raise ValueError('--balanced takes all classes and --labels some; give one of them')
  filters = ('min_confidence', 'discriminator_percentile', 'drop_copies')
  if args.max_attempts and args.unique < 0 and not any(getattr(args, flag) for flag in filters):
    raise ValueError('--max_attempts is for images that a filter drops; give --unique or --' + ' or --'.join(filters))
  if args.classifier and not args.min_confidence and not args.relabel:
    raise ValueError('--classifier is for --min_confidence or --relabel, and both are missing')
  if args.classifier and not all(name.isidentifier() for name in re.split('[.:]', args.classifier)):
    raise ValueError(f'--classifier is {args.classifier!r}; it must be module:function, not a file or a folder')
  trust.require_modules([args.classifier.partition(':')[0]] if args.classifier else [], args.trust, flag='--classifier')
  if args.relabel and args.min_confidence:
    raise ValueError('--relabel and --min_confidence: what that filter keeps has the label already; give one of them')
  if args.out.exists() and not (args.out / 'card.json').exists():
    raise ValueError(f'--out is {args.out}, which exists already')
  files.require_writable(args.out.parent, flag='the folder of --out')
  _check_classes(args)


def _check_classes(args: argparse.Namespace) -> None:
  """What the config and the class names say, which are in small files."""
  facts = config.load_dataset_facts(args.workdir)
  judged = [flag for flag in ('min_confidence', 'relabel') if getattr(args, flag)]
  if judged and len(facts['class_names']) < 2:
    raise ValueError(f'--{judged[0]} needs classes, and the training images of this run have none')
  asked = [flag for flag in ('balanced', 'labels', 'min_confidence') if getattr(args, flag)]
  settings = config.load(args.workdir)
  known = facts['class_names'] if config.classes(settings) else []
  args.labels = class_names.find(args.labels, known) if args.labels and known else []
  classes.in_turn(settings, facts, args.labels, flags=asked)


if __name__ == '__main__':
  main()
