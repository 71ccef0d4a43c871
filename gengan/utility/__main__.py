"""Compares classifiers trained on real, augmented, generated and mixed images, at several amounts of real data.

python -m gengan.utility --config=utility/digits [--workdir=...] [--config.seeds=5]

All are trained alike. A report says, by real test images, whether generated ones helped. After a kill the same command
goes on.
"""

import pathlib
from collections.abc import Sequence

from gengan.config import arguments
from gengan.host import errors, files


def main(argv: Sequence[str] | None = None) -> None:
  """The command line; one line ends it where something is unusable (code 2), after divergence (1) or a signal (130)."""
  parser = arguments.parser('utility', __doc__)
  arguments.add_config(parser, example='utility/digits')
  parser.add_argument('--workdir', type=arguments.path, help='folder (default runs/utility-<config>-<variant>)')
  args = arguments.parse(parser, argv)

  from gengan.train.progress import Diverged  # here, for --help and a mistaken flag are answered before JAX is imported
  from gengan.utility import experiment, report

  workdir = args.workdir or pathlib.Path('runs', f'utility-{args.config_name.removeprefix("utility-")}')
  with arguments.answering(parser), arguments.answering(parser, Diverged, code=1), errors.about(workdir):
    files.require_writable(workdir, flag='--workdir')
    try:
      found = experiment.run(args.config, workdir)
    except experiment.Unfinished as error:
      if error.records:
        print(*report.write(workdir, error.records, args.config), sep='\n')
      parser.answer(str(error), code=130 if error.stopped else 2)
    print(*report.write(workdir, found, args.config), sep='\n')


if __name__ == '__main__':
  main()
