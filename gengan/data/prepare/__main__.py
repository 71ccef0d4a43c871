"""python -m gengan.data.prepare: flags."""

from collections.abc import Sequence

from gengan.config import arguments
from gengan.data import prepare


def main(argv: Sequence[str] | None = None) -> None:
  """The command line; exits with one line: code 2 where the set cannot be prepared, 130 after Ctrl-C."""
  parser = arguments.parser('data.prepare', prepare.__doc__)
  add = parser.add_argument
  add('--name', help='TFDS name: mnist, fashion_mnist, cifar10, celeb_a, ...')
  add('--data_dir', default='', help="where TFDS keeps its sets; '' is its default")
  add('--files', default='', help="folder with the set's files, already downloaded; '' downloads them")
  args = arguments.parse(parser, argv)
  if args.name is None:
    parser.error('give --name, as in --name=mnist: the name of a set of TFDS')
  mistakes = ModuleNotFoundError, OSError, ValueError
  with arguments.answering(parser, *mistakes, stopped='stopped; the same command begins again'):
    print(f'Prepared {prepare.prepare(args.name, data_dir=args.data_dir, files=args.files)}')


if __name__ == '__main__':
  main()
