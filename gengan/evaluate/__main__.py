"""Measures a trained run on held-out images, given its folder alone; writes JSON and a page into `evaluation/` there.

python -m gengan.evaluate --workdir=runs/conditional_dcgan
python -m gengan.evaluate --workdir=runs/dcgan --network=classifier,efficientnet_lite0
python -m gengan.evaluate --workdir=runs/dcgan --network=inception:path/to/pt_inception-2015-12-05-6726825d.pth
python -m gengan.evaluate --workdir=runs/dcgan --metrics=frechet,manifold --split=validation --num=2000
python -m gengan.evaluate --compare runs/a runs/b            # one table; refused where the protocols differ
"""

import argparse
from collections.abc import Sequence

from gengan.config import arguments


def main(argv: Sequence[str] | None = None) -> None:
  """The command line; exits with code 2 and one line where a flag, the run or the data is unusable."""
  parser = arguments.parser('evaluate', __doc__)
  arguments.add_run(parser, required=False)
  arguments.add_source(parser)
  add = parser.add_argument
  add('--compare', type=arguments.path, nargs='+', default=[], help='folders of evaluated runs, for one table')
  add('--split', choices=('test', 'validation'), default='test', help='real images to compare with (default test)')
  networks = 'classifier (default where there are labels), efficientnet_lite0, pixels, pca, inception:FILE, vgg:FILE'
  add(
    '--network', type=_names, default=(), help=f'{networks}; of several, separated by commas, all see the same samples'
  )
  add('--metrics', type=_names, default=(), help='families, separated by commas (default: all that are quick)')
  add('--num', type=int, default=None, help='generated images a set (default: as many as real ones, 2,048 to 10,000)')
  add('--num_pairwise', type=int, default=10_000, help='images of each kind in metrics of all pairs (default 10,000)')
  add('--sets', type=int, default=3, help='sample sets; the deviation is over them (default 3)')
  add('--truncation', type=float, default=1.0, help='below 1: fewer, safer images; above: more, wilder (default 1)')
  add('--out', type=arguments.path, default=None, help='folder to write to (default evaluation/ in the workdir)')
  args = arguments.parse(parser, argv)
  if not args.compare and args.workdir is None:
    parser.error('give the --workdir of a run, or --compare and the folders of several')
  if args.compare and args.workdir is not None:
    parser.error('--compare reads reports that are there, and --workdir measures a run; give one of them')
  if args.compare and len({folder.resolve() for folder in args.compare}) < 2:
    parser.error('--compare puts runs side by side; give the folders of two or more')
  with arguments.answering(parser):
    from gengan.evaluate import command  # here, because it takes seconds, and --help need not

    if args.compare:
      print(command.compare(args.compare))
    elif missing := command.evaluate(args):
      parser.answer(
        f'{missing} of what was asked for could not be measured, see above; the rest is in the report', code=1
      )


def _names(text: str) -> tuple[str, ...]:
  names = tuple(name.strip() for name in text.split(',') if name.strip())
  if not names:
    raise argparse.ArgumentTypeError(f'{text!r} names nothing; without the flag, there is a default')
  return names


if __name__ == '__main__':
  main()
