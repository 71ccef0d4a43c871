"""The pages of docs/ that list things list all of them, and every command on a page could be typed."""

import collections
import os
import pathlib
import re
import shlex
import shutil
import subprocess

import pytest

from gengan.config import places
from gengan.host import console
from tests import reference

ROOT = pathlib.Path(__file__).parents[1]
PAGES = [ROOT / 'README.md', *sorted((ROOT / 'docs').glob('*.md'))]
GENERATED = [ROOT / 'docs' / name for name in reference.PAGES]


@pytest.mark.parametrize('name', reference.PAGES)
def test_generated_pages_are_those_of_the_code(name):
  words = (ROOT / 'docs' / name).read_text().split()
  assert words == reference.PAGES[name]().split(), 'python -m tests.reference writes it anew'


def test_the_index_lists_every_page_and_the_readme_leads_to_it():
  linked = set(re.findall(r'\]\((\w+\.md)\)', (ROOT / 'docs/index.md').read_text()))
  assert linked == {page.name for page in (ROOT / 'docs').glob('*.md')} - {'index.md'}
  assert 'docs/index.md' in (ROOT / 'README.md').read_text()


def test_every_script_and_verb_has_a_page():
  launch, benchmark = ((ROOT / 'docs' / f'{name}.md').read_text() for name in ('launch', 'benchmark'))
  assert all(f'launch/{path.name}' in launch for path in (ROOT / 'launch').iterdir())
  assert 'gengan benchmark' in benchmark


def commands(page: pathlib.Path) -> list[tuple[str, list[str]]]:
  """The verb and the arguments of every command of gengan in the blocks of a page, comments left out."""
  found = []
  for block in re.findall(r'^```[\w]*\n(.*?)^```', page.read_text(), flags=re.DOTALL | re.MULTILINE):
    for line in block.replace('\\\n', ' ').splitlines():
      if match := re.match(r'(?:.*&& )?(?:\S*python -m gengan\.([\w.]+)|gengan (\w+))\s+(--.*)', line):
        verb = match[1] or match[2]
        found.append((console.ALIASES.get(verb, verb), shlex.split(match[3], comments=True)))
  return found


@pytest.fixture(scope='module')
def known_flags():
  return {verb: set(re.findall(r'--\w+', reference.helped(verb))) for verb in console.VERBS}


@pytest.mark.parametrize('page', [page for page in PAGES if page not in GENERATED], ids=lambda page: page.name)
def test_commands_have_verbs_flags_and_configs_that_exist(page, known_flags):
  for verb, arguments in commands(page):
    flags = [argument.partition('=')[0] for argument in arguments if re.match(r'--\w', argument)]
    unknown = [flag for flag in flags if not flag.startswith('--config.') and flag not in known_flags[verb]]
    assert not unknown, (verb, unknown)
    for name in [argument.removeprefix('--config=') for argument in arguments if argument.startswith('--config=')]:
      own = name.startswith(('my_', 'runs/', '..'))
      assert own or places.find(re.sub(r'^configs/|\.py\b', '', name)).path.is_relative_to(places.folder()), name


def test_there_are_commands_to_look_at():
  assert len(commands(ROOT / 'README.md')) > 12 and any(verb == 'utility' for verb, _ in commands(ROOT / 'README.md'))


def folder_and_purpose(verb: str, arguments: list[str]) -> tuple[str, str]:
  """The folder that a command fills, '' for none, and what it fills it with, wherever the data of the user may lie."""
  flags = dict(argument.partition('=')[::2] for argument in arguments)
  config = re.sub(r'^configs/|\.py\b', '', flags.get('--config', ''))
  name = re.sub('[:/]', '-', config)
  folders = {
    'train': flags.get('--workdir', f'runs/{name}'),
    'utility': flags.get('--workdir', f'runs/utility-{name}'),
    'generate': flags.get('--out'),
    'clean': flags.get('--out'),
  }
  where = ('--config', '--workdir', '--out', '--config.data.data_dir')
  rest = [f'{flag}={re.sub("^.*path/to/.*", "...", value)}' for flag, value in flags.items() if flag not in where]
  return folders.get(verb) or '', ' '.join([verb, config, *sorted(rest)])


def test_whoever_follows_all_pages_is_never_refused_a_folder_that_another_command_has_filled():
  purposes = collections.defaultdict(set)
  for page in PAGES:
    for verb, arguments in commands(page) if page not in GENERATED else ():
      folder, purpose = folder_and_purpose(verb, arguments)
      purposes[folder].add(purpose)
  del purposes['']
  assert len(purposes) > 20 and not {folder: found for folder, found in purposes.items() if len(found) > 1}


@pytest.mark.skipif(not (shutil.which('git') and (ROOT / '.git').exists()), reason='not in a clone')
def test_git_ignores_what_commands_on_the_pages_write():
  written = {'runs/dcgan', 'grid.png', 'report'}  # where no flag says it
  for page in PAGES:
    for _, arguments in commands(page):
      pairs = [argument.partition('=')[::2] for argument in arguments]
      written |= {value for flag, value in pairs if flag in ('--out', '--workdir')}
  inside = [path for path in written if not os.path.isabs(path) and path[:1] not in '~.' and path]
  inside = sorted(path if pathlib.Path(path).suffix else f'{path}/' for path in inside)
  assert len(inside) > 8
  done = subprocess.run(['git', 'check-ignore', '--no-index', *inside], capture_output=True, text=True, cwd=ROOT)
  assert sorted(done.stdout.split('\n')[:-1]) == inside


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_every_module_that_a_page_names_exists(page):
  modules = [
    f'/{path.relative_to(ROOT)}' for place in ('gengan', 'configs', 'tests') for path in (ROOT / place).rglob('*.py')
  ]
  named = set(re.findall(r'`([\w/]+\.py)\b', page.read_text()))
  missing = [name for name in named if not any(module.endswith(f'/{name}') for module in modules)]
  assert not [name for name in missing if not name.startswith('my_')]  # yours


def test_every_test_that_the_page_on_security_names_exists():
  named = re.findall(r'`(tests/[\w/]+\.py)::(\w+)`', (ROOT / 'docs/security.md').read_text())
  assert len(named) > 12
  missing = [f'{path}::{name}' for path, name in named if f'def {name}(' not in (ROOT / path).read_text()]
  assert not missing
