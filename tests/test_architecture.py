"""The direction of imports, and what importing gengan must not do."""

import ast
import graphlib
import pathlib
import subprocess
import sys

import pytest

PACKAGE = pathlib.Path(__file__).parents[1] / 'gengan'
ROOMS = {  # what each may import from the others
  'host': set(),
  'core': {'host'},
  'losses': {'core'},
  'likelihoods': {'core'},
  'layers': {'core'},
  'augment': {'core'},
  'optimizers': {'core'},
  'terms': {'core', 'losses'},
  'latent': {'core', 'likelihoods', 'optimizers'},
  'gan': {'core', 'losses', 'terms', 'augment', 'optimizers', 'latent'},
  'vae': {'core', 'likelihoods', 'optimizers', 'latent'},
  'config': {'core', 'host'},
  'models': {
    *('core', 'config', 'losses', 'likelihoods', 'terms', 'layers', 'augment', 'optimizers', 'latent', 'gan', 'vae'),
    'networks',  # a pretrained one that a discriminator looks through
  },
  'sharding': {'core', 'host'},
  'data': {'core', 'host', 'config'},  # its section, and the flags of its tools
  'runs': {'core', 'host', 'config', 'data', 'sharding'},
  'networks': {'core', 'host', 'layers', 'augment', 'sharding'},
  'metrics': {'core', 'host', 'networks'},
  'evaluate': {'core', 'host', 'config', 'data', 'runs', 'sharding', 'networks', 'metrics'},
  'train': {'core', 'host', 'config', 'data', 'runs', 'sharding', 'metrics', 'evaluate'},
  'sample': {'core', 'host', 'config', 'data', 'runs', 'augment'},
  'generate': {'core', 'host', 'config', 'data', 'runs', 'sharding', 'metrics', 'evaluate'},
  'benchmark': {'core', 'host', 'config', 'sharding', 'train'},
  'utility': {
    *('core', 'host', 'config', 'data', 'runs', 'augment', 'networks', 'metrics', 'evaluate', 'generate', 'train'),
  },
  'main': {'host', 'config', 'train'},
}
MODULES = sorted(PACKAGE.rglob('*.py'))


def name_of(path: pathlib.Path) -> str:
  """'gengan/data/config.py' -> 'gengan.data.config'."""
  return '.'.join(path.relative_to(PACKAGE.parent).with_suffix('').parts).removesuffix('.__init__')


def graph() -> dict[str, set[str]]:
  """Module of gengan -> those of gengan that it imports, inside functions too."""
  names = {name_of(path) for path in MODULES}
  edges = {}
  for path in MODULES:
    found = edges[name_of(path)] = set()
    for node in ast.walk(ast.parse(path.read_text())):
      if isinstance(node, ast.Import):
        found |= {alias.name for alias in node.names if alias.name in names}
      elif isinstance(node, ast.ImportFrom):
        assert not node.level, f'{path}: relative imports are not followed here'
        full = {f'{node.module}.{alias.name}' for alias in node.names}
        found |= {name if name in names else node.module for name in full} & names
  return {name: found - {name, 'gengan'} for name, found in edges.items()}


def room(name: str) -> str:
  """'gengan.data.config' -> 'data'."""
  return name.split('.')[1]


def test_no_modules_import_each_other_in_a_ring():
  graphlib.TopologicalSorter(graph()).prepare()  # raises a CycleError that names them


def test_every_room_imports_only_what_it_may_and_no_two_form_a_ring():
  found = {}
  for one, others in graph().items():
    if one != 'gengan':  # whose names are imported when they are asked for
      found.setdefault(room(one), set()).update({room(other) for other in others} - {room(one)})
  assert found.keys() == ROOMS.keys()
  assert {name: others - ROOMS[name] for name, others in found.items() if others - ROOMS[name]} == {}
  graphlib.TopologicalSorter(ROOMS).prepare()


def test_the_top_level_can_be_taken_in():
  entries = [path for path in PACKAGE.iterdir() if path.name != '__pycache__']
  assert len(entries) <= 26, sorted(path.name for path in entries)


def test_a_verb_is_a_package_with_its_flags():
  for verb in ('evaluate', 'generate', 'sample', 'utility', 'benchmark', 'data/clean', 'data/prepare'):
    assert (PACKAGE / verb / '__main__.py').is_file(), verb


def test_no_two_modules_begin_alike():
  first = {}
  for path in MODULES:
    words = (ast.get_docstring(ast.parse(path.read_text())) or '').split()
    assert words, f'{path} has no docstring'
    first.setdefault(' '.join(words[:5]).lower(), []).append(str(path.relative_to(PACKAGE)))
  assert {words: paths for words, paths in first.items() if len(paths) > 1} == {}


@pytest.mark.parametrize('path', MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_private_or_deprecated_is_imported(path):
  text = path.read_text()
  for name in ('jax._src', 'jax.experimental.pjit', 'jax.experimental.shard_map', 'jax.experimental.mesh_utils'):
    assert name not in text
  top = [node for node in ast.parse(text).body if isinstance(node, (ast.Import, ast.ImportFrom))]
  assert not any(ast.unparse(node).split()[1].split('.')[0] == 'tensorflow' for node in top)
  if name_of(path) != 'gengan.runs.arrays':
    assert not any('orbax' in ast.unparse(node) for node in top)


def test_importing_starts_no_device_and_reads_no_flags():
  code = (
    'import sys, gengan, gengan.train, gengan.models.dcgan, jax;'
    'from absl import flags;'
    'import jax.extend.backend as b;'
    "assert 'tensorflow' not in sys.modules;"
    'assert not flags.FLAGS.is_parsed();'
    "jax.config.update('jax_num_cpu_devices', 3);"  # refused once a device has been started
    'assert len(jax.devices()) == 3'
  )
  environment = {'PATH': '/usr/bin', 'JAX_PLATFORMS': 'cpu'}
  done = subprocess.run(
    [sys.executable, '-c', code], capture_output=True, text=True, env=environment, cwd=PACKAGE.parent
  )
  assert done.returncode == 0, done.stderr
