"""python -m gengan.data.clean: flags."""

import dataclasses
from collections.abc import Sequence

from gengan.config import arguments
from gengan.data import clean
from gengan.data.sources.openers import SOURCES
from gengan.host import files
from gengan.host.names import printable

_SETTINGS = dataclasses.fields(clean.Settings)


def main(argv: Sequence[str] | None = None) -> None:
  """The command line; exits with one line: code 2 where a flag or the data is unusable, 130 after Ctrl-C."""
  parser = _parser()
  args = arguments.parse(parser, argv)
  if args.source is None:
    parser.error(f'give --source, as in --source=folder:path/to/images; it may be {SOURCES}')
  with arguments.answering(parser, stopped='stopped before the report was written'):
    files.require_writable(args.out, flag='--out')  # here, for a set may take long to read
    settings = clean.Settings(**{field.name: getattr(args, field.name) for field in _SETTINGS})
    counts = clean.clean(
      args.source, args.out, data_dir=args.data_dir, levels=args.range, exclude=args.exclude, settings=settings
    )
    excluded = counts.pop('excluded')
    for kind, count in counts.items():
      print(f'{clean.KINDS[kind][0]:32} {count:8,}')
    print(f'{"Left out by exclude.json":32} {excluded:8,}')
    print(f'Read {printable(str(args.out / "report.html"))}')


def _parser() -> arguments.Parser:
  parser = arguments.parser('data.clean', clean.__doc__)
  names = lambda text: tuple(name for name in text.split(',') if name)
  add = parser.add_argument
  add('--source', help=f'the image set: {SOURCES}')
  add(
    '--out',
    type=arguments.path,
    default='report',
    help='folder for report.html, findings.json and exclude.json (default report)',
  )
  add('--data_dir', default='', help="where TFDS keeps its sets; '' is its default")
  add('--range', default='auto', help="values of black and white, '0,4095'; auto looks at the set (default auto)")
  all_kinds = ', '.join(clean.EXCLUDABLE)
  add('--exclude', type=names, default=clean.EXCLUDABLE, help=f'findings to leave out (default {all_kinds})')
  for field in _SETTINGS:
    text = f'{field.metadata["unit"]} {field.metadata["meaning"]} (default {field.default})'
    add(f'--{field.name}', type=field.type, default=field.default, help=text)
  return parser


if __name__ == '__main__':
  main()
