"""The command line: one line for every mistake, and a run in its default folder."""

import pathlib
import subprocess
import sys

import pytest

from gengan import runs

ROOT = pathlib.Path(__file__).parents[1]


def command(*arguments, cwd=ROOT):
  environment = {'PATH': '/usr/bin:/bin', 'JAX_PLATFORMS': 'cpu', 'PYTHONPATH': str(ROOT)}
  return subprocess.run(
    [sys.executable, '-m', 'gengan.main', *arguments], capture_output=True, text=True, env=environment, cwd=cwd
  )


@pytest.mark.parametrize(
  ('arguments', 'words'),
  [
    ([], '--config is missing'),
    (['--config=configs/nope.py'], 'configs/nope.py'),
    (['--config=configs/dcgan.py:nope'], "'nope'; it must be one of digits, mnist"),
    (['--config=configs/dcgan.py', '--config.bach_size=3'], "did you mean 'batch_size'"),
    (
      ['--config=configs/dcgan.py', '--config.batch_size=many'],
      "config.batch_size is 'many'; it must be a whole number",
    ),
    (['--config=configs/dcgan.py', '--config.model.latent_size=0'], 'config.model.latent_size is 0'),
  ],
)
def test_a_mistake_is_answered_in_one_line(arguments, words):
  done = command(*arguments)
  lines = [line for line in done.stderr.splitlines() if line.startswith('gengan: ')]
  assert done.returncode == 1 and len(lines) == 1 and words in lines[0]
  assert 'Traceback' not in done.stderr


def test_the_default_folder_has_a_readable_name():
  assert runs.default_workdir('configs/dcgan.py') == pathlib.Path('runs/dcgan')
  assert runs.default_workdir('somewhere/vae.py:mnist') == pathlib.Path('runs/vae-mnist')


def test_a_run_from_the_command_line(tmp_path):
  small = ['num_steps=2', 'data.image_size=8', 'model.width=2', 'sample_every_steps=2', 'checkpoint.every_steps=2']
  done = command(f'--config={ROOT}/configs/dcgan.py', *(f'--config.{option}' for option in small), cwd=tmp_path)
  assert done.returncode == 0, done.stderr
  assert (tmp_path / 'runs/dcgan/samples/samples_0000002.png').exists()
  assert 'runs/dcgan/curves.png' in done.stdout
