"""What each field of a config means, as the comments in its source say."""

import ast
import io
import pathlib
import tokenize
from collections.abc import Iterator
from types import ModuleType

from ml_collections import ConfigDict

from gengan.config.fields import walk

COLUMN = 58  # at which comments begin


def describe(config: ConfigDict, module: ModuleType) -> str:
  """Every field as a flag, with its value and its comment, a line each.

  Args:
    config: of the module's get_config().
    module: its comments are read, and those of modules that it imports from which also make configs.
  """
  lines = []
  for path, value, text in rows(config, module):
    lines.append(f'  {f"--config.{path}={value}" if value else f"--config.{path}.*":<{COLUMN}}  {text}'.rstrip())
  return '\n'.join(lines)


def rows(config: ConfigDict, module: ModuleType) -> Iterator[tuple[str, str, str]]:
  """The path, the value as Python ('': a section) and the comment of every field, and of every section that has one."""
  comments, above = {}, {}
  for source in _sources(module, set()):
    found = read(source)
    comments, above = {**found[0], **comments}, {**found[1], **above}
  comments = {**above, **comments}  # what stands above a line may be about its value
  for path, value in walk(config):
    if not isinstance(value, ConfigDict):
      yield path, repr(value), comment(comments, path)
    elif comments.get(path):
      yield path, '', comments[path]


def comment(comments: dict[str, str], path: str) -> str:
  """Of the field whose path ends as that of 'optimizers.generator.b1' does; the longest of them that says something.

  >>> comment({'b1': 'of the first moment', 'model.b1': 'no'}, 'optimizers.generator.b1')
  'of the first moment'
  """
  names = path.split('.')
  endings = ('.'.join(names[i:]) for i in range(len(names)))
  return next((comments[ending] for ending in endings if comments.get(ending)), '')


def read(source: str) -> tuple[dict[str, str], dict[str, str]]:
  """The comments behind every `config.some.field = value`, and those in the lines right above it.

  Args:
    source: Python.

  Returns:
    Two dicts from the path without the first name, 'some.field', to the comment, where there is one.
  """
  lines = source.splitlines()
  texts = {
    token.start[0]: token.string.lstrip('# ')
    for token in tokenize.generate_tokens(io.StringIO(source).readline)
    if token.type == tokenize.COMMENT
  }
  behind, above = {}, {}
  for node in ast.walk(ast.parse(source)):
    target = node.targets[0] if isinstance(node, ast.Assign) else None
    names = []
    while isinstance(target, ast.Attribute):
      names.insert(0, target.attr)
      target = target.value
    if not names:
      continue
    path, line = '.'.join(names), node.lineno - 1
    while line and lines[line - 1].lstrip().startswith('#'):
      line -= 1
    if node.end_lineno in texts:
      behind.setdefault(path, texts[node.end_lineno])
    elif line < node.lineno - 1:
      above.setdefault(path, ' '.join(texts[number] for number in range(line + 1, node.lineno)))
  return behind, above


def _sources(module: ModuleType, seen: set[str]) -> Iterator[str]:
  path = getattr(module, '__file__', None)
  if path is None or path in seen or 'ConfigDict' not in vars(module):
    return
  seen.add(path)
  yield pathlib.Path(path).read_text()
  for other in vars(module).values():
    if isinstance(other, ModuleType):
      yield from _sources(other, seen)
