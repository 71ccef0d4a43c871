"""Trains what a config says, in a folder of its own; the same command goes on after a kill.

python -m gengan.main --config=dcgan
python -m gengan.main --config=dcgan:mnist --workdir=runs/first --config.batch_size=128
python -m gengan.main --config=my_config.py
python -m gengan.main --config=runs/first --workdir=runs/second --config.seed=1     # the same again, but for the seed
"""

import pathlib
from collections.abc import Sequence

from gengan.config import arguments


def main(argv: Sequence[str] | None = None) -> None:
  """The command line; exits with code 2 and one line where something is unusable, with 1 where the run diverges."""
  parser = arguments.parser('main', __doc__)
  arguments.add_config(parser)
  parser.add_argument('--workdir', type=arguments.path, help='folder of the run (default runs/<config>-<variant>)')
  parser.add_argument(
    '--profile_steps', type=int, default=0, help='steps to trace into <workdir>/profile, for TensorBoard (default 0)'
  )
  args = arguments.parse(parser, argv)
  if args.profile_steps < 0:
    parser.error(f'--profile_steps is {args.profile_steps}; it must be at least 0')

  from gengan import train  # here, for --help and a mistaken flag are answered before JAX is imported
  from gengan.train.progress import Diverged

  with arguments.answering(parser):
    training = train.prepare(args.config, args.workdir or pathlib.Path('runs', args.config_name))
  with arguments.answering(parser, train.Refused), arguments.answering(parser, Diverged, code=1):
    train.fit(training, profile_steps=args.profile_steps)


if __name__ == '__main__':
  main()
