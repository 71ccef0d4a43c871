"""The direction of imports, and what importing gengan must not do."""

import ast
import graphlib
import pathlib
import subprocess
import sys

import pytest

PACKAGE = pathlib.Path(__file__).parents[1] / 'gengan'
FOUNDATION = {'core'}
SHARED = {'checksums', 'images', 'leaves', 'locks', 'memory'}
PARTS = {'losses', 'likelihoods', 'regularizers', 'layers', 'augment', 'optimizers'}
SERVICES = {'sharding', 'checkpoint', 'interrupts', 'writers', 'curves', 'data', 'evaluators', 'formats', *SHARED}


def allowed(room: str) -> set[str] | None:
  """What a room may import from the others; None: anything (the programs at the end of the graph)."""
  if room in FOUNDATION:
    return set()
  if room == 'evaluators':  # features are computed over a mesh, by networks made of layers
    return FOUNDATION | PARTS | SHARED | {'sharding'}
  if room in SERVICES:
    return FOUNDATION | SHARED
  if room in PARTS:
    return FOUNDATION | PARTS
  if room in {'gan', 'vae'}:
    return FOUNDATION | PARTS
  if room == 'models':
    return FOUNDATION | PARTS | {'gan', 'vae'}
  return None


def imports(path: pathlib.Path) -> set[str]:
  found = set()
  for node in ast.walk(ast.parse(path.read_text())):
    if isinstance(node, ast.ImportFrom) and node.module and node.module.split('.')[0] == 'gengan':
      parts = node.module.split('.')
      found |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
    if isinstance(node, ast.Import):
      found |= {alias.name.split('.')[1] for alias in node.names if alias.name.startswith('gengan.')}
  return found


MODULES = sorted(PACKAGE.rglob('*.py'))


@pytest.mark.parametrize('path', MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path):
  room = path.relative_to(PACKAGE).parts[0].removesuffix('.py')
  permitted = allowed(room)
  if permitted is not None and room != '__init__':
    assert imports(path) - permitted - {room, 'core', 'Algorithm', 'State'} == set()


def at_module_level(node: ast.AST):
  """Every import that runs when the module is imported."""
  for child in ast.iter_child_nodes(node):
    if isinstance(child, (ast.Import, ast.ImportFrom)):
      yield child
    elif not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
      yield from at_module_level(child)


def name_of(path: pathlib.Path) -> str:
  """'gengan/data/config.py' -> 'gengan.data.config'."""
  return '.'.join(path.relative_to(PACKAGE.parent).with_suffix('').parts).removesuffix('.__init__')


def graph() -> dict[str, set[str]]:
  """Module of gengan -> those of gengan that it imports; without the packages that Python imports on the way."""
  names = {name_of(path) for path in MODULES}
  edges = {}
  for path in MODULES:
    found = edges[name_of(path)] = set()
    for node in at_module_level(ast.parse(path.read_text())):
      if isinstance(node, ast.Import):
        found |= {alias.name for alias in node.names if alias.name in names}
      else:
        assert not node.level, f'{path}: relative imports are not followed here'
        full = {f'{node.module}.{alias.name}' for alias in node.names}
        found |= {name if name in names else node.module for name in full} & names
  return {name: found - {name} for name, found in edges.items()}


def test_no_modules_import_each_other_in_a_ring():
  graphlib.TopologicalSorter(graph()).prepare()  # raises a CycleError that names them


def test_no_rooms_import_each_other_in_a_ring():
  room = lambda name: name.split('.')[1]
  edges = {(room(one), room(other)) for one, found in graph().items() for other in found if '.' in one and '.' in other}
  rooms = {}
  for one, other in edges:
    if one != other:
      rooms.setdefault(one, set()).add(other)
  order = list(graphlib.TopologicalSorter(rooms).static_order())
  assert order.index('core') < order.index('gan') < order.index('models')


@pytest.mark.parametrize('path', MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_private_or_deprecated_is_imported(path):
  text = path.read_text()
  for name in ('jax._src', 'jax.experimental.pjit', 'jax.experimental.shard_map', 'jax.experimental.mesh_utils'):
    assert name not in text
  top = [node for node in ast.parse(text).body if isinstance(node, (ast.Import, ast.ImportFrom))]
  assert not any(ast.unparse(node).split()[1].split('.')[0] == 'tensorflow' for node in top)
  if path.name != 'checkpoint.py':
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
