"""The command line: one line for every mistake, and a run in its default folder."""

import pathlib
import subprocess
import sys
import types

import pytest

from configs import dcgan
from gengan import main, runs, train
from gengan.train import progress

ROOT = pathlib.Path(__file__).parents[1]


def command(*arguments, cwd=ROOT, program='gengan.main'):
  environment = {'PATH': '/usr/bin:/bin', 'JAX_PLATFORMS': 'cpu', 'PYTHONPATH': str(ROOT)}
  return subprocess.run(
    [sys.executable, '-m', program, *arguments], capture_output=True, text=True, env=environment, cwd=cwd
  )


@pytest.mark.parametrize(
  ('arguments', 'words'),
  [
    ([], '--config is missing'),
    (
      ['--config=configs/dcgan.py', '--config.bach_size=3'],
      "config has no field 'bach_size'; did you mean 'batch_size'",
    ),
    (['--config=configs/utility/digits.py'], 'not a training config'),
    (['--config=configs/dcgan.py', '--workdir=configs/dcgan.py'], '--workdir is configs/dcgan.py, where no files'),
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


def test_a_comparison_needs_its_own_config():
  done = command('--config=configs/dcgan.py', program='gengan.utility')
  assert done.returncode == 1 and 'Traceback' not in done.stderr
  assert "gengan.utility: this is not a comparison's config: config.generator is missing" in done.stderr


@pytest.mark.parametrize(
  ('value', 'message'),
  [
    ('configs/nope.py', r'there is no such file; it must be a file with get_config\(\)'),
    ('', 'there is no such file'),
    ('configs/', 'that is a folder'),
    ('README.md', 'is not Python: .* in line 3 of'),
    ('gengan/losses.py', r'has no get_config\(\)'),
    ('configs/dcgan.py:nope', "'nope'; it must be one of digits, mnist"),
    ('{tmp}/nothing.py', 'gives no ConfigDict'),
    ('{tmp}/reads.py', "No such file or directory: 'nowhere'"),
    ('{tmp}/broken.py', r'AttributeError in line 4 of .*broken\.py: .*modle'),
    ('{tmp}/broken.py:division', r'ZeroDivisionError in line 6 of .*broken\.py: division by zero'),
  ],
)
def test_a_file_that_gives_no_config_is_told(value, message, tmp_path, monkeypatch):
  monkeypatch.chdir(ROOT)
  (tmp_path / 'nothing.py').write_text('def get_config():\n  pass\n')
  (tmp_path / 'reads.py').write_text('def get_config():\n  open("nowhere")\n')
  (tmp_path / 'broken.py').write_text(
    'from configs import dcgan\ndef get_config(variant=""):\n'
    '  if not variant:\n    dcgan.get_config().modle\n  else:\n    1 / 0\n'
  )
  with pytest.raises(ValueError, match=rf'^--config=.*{message}') as error:
    main._check_config(['main', f'--config={value.format(tmp=tmp_path)}'])
  assert '\n' not in str(error.value)


@pytest.mark.parametrize(
  'form', [['--config=FILE'], ['--config', 'FILE'], ['-config=FILE'], ['--config=a', '--config=FILE']]
)
def test_fields_are_looked_for_however_the_flags_are_written(form, monkeypatch):
  monkeypatch.chdir(ROOT)
  file = [part.replace('FILE', 'configs/dcgan.py') for part in form]
  main._check_config(['main', *file, '--config.model.width=3', '--noconfig.data.flip', '--config.seed', '3'])
  for wrong in ('--config.model.wdth=3', '--noconfig.model.wdth', '-config.model.wdth'):
    with pytest.raises(ValueError, match=r"config\.model has no field 'wdth'; did you mean 'width'\?"):
      main._check_config(['main', *file, wrong])


def raiser(error):
  def fail(*_):
    raise error

  return fail


@pytest.mark.parametrize(
  ('prepare', 'fit', 'message'),
  [
    (raiser(PermissionError(13, 'Permission denied')), None, 'Permission denied'),
    (raiser(ValueError('two\nlines')), None, '^gengan: two lines$'),
    (None, raiser(progress.Diverged('d_loss is nan')), 'd_loss is nan'),
    (None, raiser(train.Refused('every checkpoint\nis damaged')), '^gengan: every checkpoint is damaged$'),
  ],
)
def test_a_mistake_in_training_is_answered_in_one_line(prepare, fit, message, monkeypatch, tmp_path):
  monkeypatch.setattr(train, 'prepare', prepare or (lambda *_: tmp_path))
  monkeypatch.setattr(train, 'fit', fit)
  with pytest.raises(SystemExit, match=message):
    run_main(monkeypatch, tmp_path)


@pytest.mark.parametrize('error', [ValueError('a bug'), FileNotFoundError('a bug'), KeyError('a bug')])
def test_a_bug_in_training_stays_visible(error, monkeypatch, tmp_path):
  monkeypatch.setattr(train, 'prepare', lambda *_: tmp_path)
  monkeypatch.setattr(train, 'fit', raiser(error))
  with pytest.raises(type(error), match='a bug'):
    run_main(monkeypatch, tmp_path)


def run_main(monkeypatch, workdir):
  monkeypatch.setattr(main, '_CONFIG', types.SimpleNamespace(value=dcgan.get_config()))
  monkeypatch.setattr(main, '_WORKDIR', types.SimpleNamespace(value=str(workdir)))
  main.main(['main'])


def test_the_default_folder_has_a_readable_name():
  assert runs.default_workdir('configs/dcgan.py') == pathlib.Path('runs/dcgan')
  assert runs.default_workdir('somewhere/vae.py:mnist') == pathlib.Path('runs/vae-mnist')


def test_a_run_from_the_command_line(tmp_path):
  small = ['num_steps=2', 'data.image_size=8', 'model.width=2', 'sample_every_steps=2', 'checkpoint.every_steps=2']
  done = command(f'--config={ROOT}/configs/dcgan.py', *(f'--config.{option}' for option in small), cwd=tmp_path)
  assert done.returncode == 0, done.stderr
  assert (tmp_path / 'runs/dcgan/samples/samples_0000002.png').exists()
  assert 'runs/dcgan/curves.png' in done.stdout
