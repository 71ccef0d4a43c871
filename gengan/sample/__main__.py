"""Draws pictures from a trained run, given its folder alone.

python -m gengan.sample --workdir=runs/dcgan --num=64 --out=grid.png
python -m gengan.sample --workdir=runs/conditional_dcgan --by_class --truncation=0.7
python -m gengan.sample --workdir=runs/art-tiles --labels=mon,dngn --num=32
python -m gengan.sample --workdir=runs/dcgan --interpolate=10 --out=walk.png
python -m gengan.sample --workdir=runs/dcgan --interpolate=30 --num=16 --out=walk.gif
python -m gengan.sample --workdir=runs/art --augmentations --out=augmentations.png
"""

import argparse
import pathlib
from collections.abc import Sequence

from gengan import config
from gengan.config import arguments, class_names
from gengan.host import files

MOST = 10_000  # images in a picture
MOST_TRUNCATION = 10.0
SUFFIXES = ('.png', '.gif', '.webp')  # the last two are animations


def main(argv: Sequence[str] | None = None) -> None:
  """The command line; exits with code 2 and one line where a flag or the run is unusable."""
  parser = arguments.parser('sample', __doc__)
  arguments.add_run(parser)
  add = parser.add_argument
  add('--num', type=int, default=64, help='images; rounded up to a full square or to whole rows (default 64)')
  kinds = f'one of {", ".join(SUFFIXES)} (default grid.png)'
  add('--out', type=arguments.path, default=pathlib.Path('grid.png'), help=kinds)
  add(
    '--by_class',
    type=arguments.boolean,
    nargs='?',
    const=True,
    default=False,
    help='rows for every class, however many',
  )
  add('--labels', default='', help='only these classes, by name or number, such as cat,dog,7')
  add('--truncation', type=float, default=1.0, help='below 1: fewer, safer images; above: more, wilder (default 1)')
  add('--interpolate', type=int, default=0, help='walks of this many images between random latents (default 0: none)')
  add(
    '--augmentations',
    type=arguments.boolean,
    nargs='?',
    const=True,
    default=False,
    help='what D sees: samples under every operation of config.augment',
  )
  args = arguments.parse(parser, argv)
  with arguments.answering(parser):
    _check(args)
    from gengan import runs  # here, for a mistaken flag is told before orbax is imported
    from gengan.sample import augmented, grids

    run = runs.load(args.workdir, checkpoint=args.checkpoint, weights=args.weights, trust=args.trust)
    classes = _classes(args, run)
    latents = {'seed': args.seed, 'truncation': args.truncation}
    about = {'step': run.step, **latents, 'weights': args.weights}
    if args.augmentations:
      made = augmented.draw(run, args.out, about=about, **latents)
    else:
      made = grids.draw(run, args.out, num=args.num, classes=classes, walk=args.interpolate, about=about, **latents)
    what = f'{args.weights} weights, seed {args.seed}, truncation {args.truncation:g}'
    print(f'{args.out}: {made} of step {run.step} ({what})')


def _check(args: argparse.Namespace) -> None:
  """What can be said before the run is opened."""
  suffix = args.out.suffix.lower()
  if not 1 <= args.num <= MOST:
    raise ValueError(
      f'--num is {args.num}; it must be from 1 to {MOST}. gengan.generate makes more, not in one picture'
    )
  if args.interpolate and not 2 <= args.interpolate <= MOST:
    raise ValueError(f'--interpolate is {args.interpolate}; a walk has from 2 to {MOST} images')
  if args.interpolate and args.num * args.interpolate > MOST and suffix in SUFFIXES[1:]:
    raise ValueError(
      f'--num is {args.num} and --interpolate {args.interpolate}: an animation has at most {MOST} images in its frames'
    )
  if not 0 < args.truncation <= MOST_TRUNCATION:
    raise ValueError(f'--truncation is {args.truncation}; it must be above 0 and at most {MOST_TRUNCATION:g}')
  if suffix not in SUFFIXES:
    raise ValueError(f'--out is {args.out}; its suffix must be one of {", ".join(SUFFIXES)}')
  if args.out.is_dir():
    raise ValueError(f'--out is {args.out}, which is a folder; it must be a file')
  if args.by_class and args.labels:
    raise ValueError('--by_class takes all classes and --labels some; give one of them')
  if args.augmentations and (args.by_class or args.labels or args.interpolate or suffix != '.png'):
    raise ValueError('--augmentations is a PNG of its own: it goes with --truncation, --seed and --out')
  arguments.check_run(args.workdir)
  files.require_writable(args.out.parent, flag='the folder of --out')


def _classes(args: argparse.Namespace, run) -> list[int]:
  """The classes that have rows of their own; none without --by_class and --labels."""
  if not args.by_class and not args.labels:
    return []
  if not config.classes(run.config):
    raise ValueError(f'{args.workdir} holds an unconditional model: it has no classes for --by_class and --labels')
  names = run.class_names
  return class_names.find(args.labels, names) if args.labels else list(range(len(names)))


if __name__ == '__main__':
  main()
