"""The command `gengan <verb>`: finds the verb's own command line, and starts it without importing anything else."""

import difflib
import importlib
import os
import sys
from collections.abc import Sequence

import gengan

VERBS = {  # its module, and what it does
  'train': ('gengan.main', 'train what a config says, in a folder of its own; go on after a kill'),
  'sample': ('gengan.sample.__main__', 'draw pictures from a trained run'),
  'evaluate': ('gengan.evaluate.__main__', 'measure a trained run on held-out images'),
  'generate': ('gengan.generate.__main__', 'make a labelled data set of any size from a trained run'),
  'utility': ('gengan.utility.__main__', 'compare classifiers trained on real, augmented and generated images'),
  'clean': ('gengan.data.clean.__main__', 'find what is wrong with an image set'),
  'prepare': ('gengan.data.prepare.__main__', 'download a TFDS set once (needs TensorFlow)'),
  'benchmark': ('gengan.benchmark.__main__', 'time a train step of a config, without data'),
}
ALIASES = {'main': 'train', 'data.clean': 'clean', 'data.prepare': 'prepare'}  # as in `python -m gengan.<name>`


def main(argv: Sequence[str] | None = None) -> None:
  """The command line; None: that of this process. Exits with code 2 and one line for what is no verb."""
  argv = list(sys.argv[1:] if argv is None else argv)
  if not argv or argv[0] in ('-h', '--help', 'help'):
    sys.exit(print(usage()))
  if argv[0] == '--version':
    sys.exit(print(f'gengan {gengan.__version__}'))
  verb = ALIASES.get(argv[0], argv[0])
  if verb not in VERBS:
    near = ['train'] if verb.startswith('-') else difflib.get_close_matches(verb, VERBS, 1)
    what = f'{verb} comes after a verb' if verb.startswith('-') else f'there is no verb {verb!r}'
    guess = f', did you mean gengan {near[0]}? The' if near else '; the'
    print(f'gengan: {what}{guess} verbs are {", ".join(VERBS)}', file=sys.stderr)
    sys.exit(2)
  sys.argv = [f'gengan {verb}', *argv[1:]]  # the name by which the verb calls itself
  sys.path.append(os.getcwd())  # for a recipe of one's own; last, so that no file there stands before a library
  importlib.import_module(VERBS[verb][0]).main()


def usage() -> str:
  """What the verbs do, a line each."""
  lines = [f'  {verb:10} {text}' for verb, (_, text) in VERBS.items()]
  end = '\n\ngengan VERB --help lists its flags; python -m gengan.main is gengan train, and so on.'
  return 'usage: gengan VERB [flags]\n\n' + '\n'.join(lines) + end
