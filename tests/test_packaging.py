"""What pip installs: all rooms, templates and the recipes' configs, and a command that finds them from anywhere."""

import pathlib
import shutil
import subprocess
import sys
import tomllib
import types

import pytest

from gengan.host import console

ROOT = pathlib.Path(__file__).parents[1]
SETTINGS = tomllib.loads((ROOT / 'pyproject.toml').read_text())


def test_every_folder_with_code_is_a_package_that_is_installed():
  found = {path.parent.relative_to(ROOT) for path in (ROOT / 'gengan').rglob('*.py')}
  found |= {'gengan' / path.parent.relative_to(ROOT) for path in (ROOT / 'configs').rglob('*.py')}
  listed = SETTINGS['tool']['setuptools']['packages']
  assert sorted(listed) == sorted('.'.join(path.parts) for path in found)


@pytest.fixture(scope='module')
def installed(tmp_path_factory):
  """What the wheel holds, and an empty folder but for a package `configs` of somebody else."""
  pytest.importorskip('setuptools')
  source, site = tmp_path_factory.mktemp('source'), tmp_path_factory.mktemp('site')
  for name in ('gengan', 'configs'):
    shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns('__pycache__'))
  for name in ('pyproject.toml', 'README.md'):
    shutil.copy(ROOT / name, source / name)
  code = f'import setuptools; setuptools.setup(script_args=["build_py", "--build-lib", {str(site)!r}])'
  done = subprocess.run([sys.executable, '-c', code], cwd=source, capture_output=True, text=True)
  assert done.returncode == 0, done.stderr
  elsewhere = tmp_path_factory.mktemp('elsewhere')
  (elsewhere / 'configs').mkdir()
  (elsewhere / 'configs/__init__.py').write_text('1 / 0')
  return site, elsewhere


def run(installed, verb, *arguments):
  site, elsewhere = installed
  code = f'import sys; sys.path.insert(0, {str(site)!r}); from gengan.host import console; console.main(sys.argv[1:])'
  command = [sys.executable, '-I', '-c', code, verb, *arguments]
  return subprocess.run(command, cwd=elsewhere, capture_output=True, text=True, env={'PATH': '/usr/bin:/bin'})


def test_the_wheel_holds_configs_and_templates_and_no_package_of_another_name(installed):
  site, _ = installed
  assert [path.name for path in site.iterdir()] == ['gengan']
  assert (site / 'gengan/configs/utility/digits.py').is_file() and list(site.rglob('templates/*.html'))
  assert SETTINGS['project']['scripts'] == {'gengan': 'gengan.host.console:main'}


@pytest.mark.parametrize(
  ('verb', 'config', 'file'),
  [
    ('train', 'dcgan:mnist', 'dcgan.py'),
    ('train', 'configs/vae.py', 'vae.py'),
    ('utility', 'utility/digits', 'utility/digits.py'),
    ('benchmark', 'art', 'art.py'),
  ],
)
def test_installed_a_recipe_is_found_from_any_folder(verb, config, file, installed):
  done = run(installed, verb, f'--config={config}', '--help')
  assert done.returncode == 0, done.stderr
  assert (
    f'fields of {installed[0] / "gengan/configs" / file}:' in done.stdout and f'usage: gengan {verb}' in done.stdout
  )
  assert done.stderr.startswith('there is no configs/vae.py here') == config.startswith('configs/')


def test_every_verb_has_a_line_and_what_is_none_the_nearest(installed, capsys):
  done = run(installed, '--help')
  assert done.returncode == 0 and all(f'\n  {verb} ' in done.stdout for verb in console.VERBS)
  done = run(installed, 'trian')
  assert done.returncode == 2 and done.stderr.count('\n') == 1
  assert done.stderr.startswith("gengan: there is no verb 'trian', did you mean gengan train? The verbs are")
  assert run(installed, '--config=dcgan').stderr.startswith('gengan: --config=dcgan comes after a verb, did you mean')
  assert run(installed, '--version').stdout.startswith('gengan 0.')


def test_a_mistake_is_told_by_the_name_of_the_command(installed):
  done = run(installed, 'train', '--config=dcgan', '--config.seed=x')
  assert (done.returncode, done.stderr) == (2, "gengan train: config.seed is 'x'; it must be a whole number\n")
  assert run(installed, 'main', '--config=dcgan', '--config.seed=x').stderr == done.stderr
  assert run(installed, 'clean').stderr.startswith('gengan clean: give --source')


def test_a_folder_of_ones_own_is_looked_in_last(monkeypatch):
  started = []
  monkeypatch.setattr(
    console.importlib, 'import_module', lambda name: types.SimpleNamespace(main=lambda: started.append(name))
  )
  monkeypatch.setattr(sys, 'argv', ['gengan'])
  monkeypatch.setattr(sys, 'path', list(sys.path))
  console.main(['sample', '--workdir=a'])
  assert started == ['gengan.sample.__main__']
  assert sys.argv == ['gengan sample', '--workdir=a'] and sys.path[-1] == str(pathlib.Path.cwd())
