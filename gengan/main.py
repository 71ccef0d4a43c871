"""Trains what a config says, in a folder of its own; the same command goes on after a kill.

python -m gengan.main --config=dcgan
python -m gengan.main --config=dcgan:mnist --workdir=runs/first --config.batch_size=128
python -m gengan.main --config=my_config.py
python -m gengan.main --config=runs/first --workdir=runs/second --config.seed=1     # the same again, but for the seed
"""

import pathlib
from collections.abc import Sequence

from gengan.config import arguments
from gengan.host import memory


def main(argv: Sequence[str] | None = None) -> None:
  """The command line; one line ends it where something is unusable (code 2), where the run fails (1) or is stopped.

  A run that a signal has stopped is saved before, and ends with code 130 for Ctrl-C, 143 for SIGTERM.
  """
  parser = arguments.parser('main', __doc__)
  arguments.add_config(parser)
  parser.add_argument('--workdir', type=arguments.path, help='folder of the run (default runs/<config>-<variant>)')
  parser.add_argument(
    '--profile_steps', type=int, default=0, help='steps to trace into <workdir>/profile, for TensorBoard (default 0)'
  )
  args = arguments.parse(parser, argv)
  if args.profile_steps < 0:
    parser.error(f'--profile_steps is {args.profile_steps}; it must be at least 0')

  memory.keep_freed()  # before what is imported begins threads
  from gengan import train  # here, for --help and a mistaken flag are answered before JAX is imported
  from gengan.host.interrupts import Interrupts
  from gengan.train.progress import Diverged

  with arguments.answering(parser):
    training = train.prepare(args.config, args.workdir or pathlib.Path('runs', args.config_name))
  failures, interrupts = (Diverged, train.Unwritable), Interrupts()
  with arguments.answering(parser, train.Refused), arguments.answering(parser, *failures, code=1):
    train.fit(training, profile_steps=args.profile_steps, interrupts=interrupts)
  if interrupts.exit_code:
    parser.exit(interrupts.exit_code)


if __name__ == '__main__':
  main()
