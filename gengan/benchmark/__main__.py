"""Tells how long one train step of a config takes, on random images: no data set is needed.

python -m gengan.benchmark --config=dcgan [--config.batch_size=128] [--steps=20] [--json]
"""

import json
from collections.abc import Sequence

from gengan.config import arguments
from gengan.host import memory


def main(argv: Sequence[str] | None = None) -> None:
  """The command line; exits with code 2 and one line where a flag or the config is unusable."""
  parser = arguments.parser('benchmark', __doc__)
  arguments.add_config(parser)
  parser.add_argument('--steps', type=int, default=20, help='train steps to time, after two that are not (default 20)')
  parser.add_argument('--json', action='store_true', help='print one JSON object instead of a table')
  args = arguments.parse(parser, argv)
  with arguments.answering(parser):
    if args.steps < 1:
      raise ValueError(f'--steps is {args.steps}; it must be at least 1')
    memory.keep_freed()  # as training does, before what is imported begins threads
    from gengan.benchmark import timing  # here, for a mistaken flag is told before JAX is imported

    result = timing.measure(args.config, steps=args.steps)
    print(json.dumps(result) if args.json else timing.table(result))


if __name__ == '__main__':
  main()
