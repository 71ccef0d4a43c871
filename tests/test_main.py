"""The command line of training: one line for every mistake, help before JAX, and a run in its default folder."""

import os
import pathlib
import subprocess
import sys

import pytest

from gengan import main, train
from gengan.train import progress

ROOT = pathlib.Path(__file__).parents[1]
CONFIG = f'--config={ROOT}/configs/dcgan.py'


HEAVY = {'jax', 'flax', 'optax', 'orbax', 'tensorflow', 'numpy', 'matplotlib'}


def command(*arguments, cwd=ROOT, program='gengan.main', options=()):
  compiling = {name: value for name, value in os.environ.items() if name.startswith('JAX_')}
  environment = {'PATH': '/usr/bin:/bin', 'PYTHONPATH': str(ROOT), **compiling}
  return subprocess.run(
    [sys.executable, *options, '-m', program, *arguments], capture_output=True, text=True, env=environment, cwd=cwd
  )


@pytest.mark.parametrize(
  ('arguments', 'words'),
  [
    (
      ['--config=configs/utility/digits.py'],
      "config.num_steps is missing, this looks like a comparison's config, for python -m gengan.utility; it must be "
      'there in a training config',
    ),
    (['--config=configs/dcgan.py', '--workdir=configs/dcgan.py'], '--workdir is configs/dcgan.py, where no files'),
    (['--config=configs/dcgan.py', '--config.model.latent_size=0'], 'config.model.latent_size is 0'),
    (['--config=configs/dcgan.py', '--config.data.image_size=0'], 'config.data.image_size is 0'),
  ],
)
def test_a_mistake_is_answered_in_one_line(arguments, words, monkeypatch, capsys):
  monkeypatch.chdir(ROOT)
  with pytest.raises(SystemExit) as ended:
    main.main(arguments)
  error = capsys.readouterr().err
  assert ended.value.code == 2 and error.startswith(f'gengan.main: {words}') and error.count('\n') == 1


def test_steps_to_profile_are_handed_on(monkeypatch, tmp_path, capsys):
  given = {}
  monkeypatch.setattr(train, 'prepare', lambda *_: tmp_path)
  monkeypatch.setattr(train, 'fit', lambda training, **options: given.update(options))
  main.main([CONFIG, f'--workdir={tmp_path}', '--profile_steps=3'])
  assert given.pop('interrupts').exit_code == 0 and given == {'profile_steps': 3}
  with pytest.raises(SystemExit, match='2'):
    main.main([CONFIG, '--profile_steps=-1'])
  assert capsys.readouterr().err == 'gengan.main: --profile_steps is -1; it must be at least 0\n'


def test_a_mistake_in_a_process_of_its_own_is_one_line_too():
  done = command('--config=configs/dcgan.py', '--config.model.width=0')
  assert (done.returncode, done.stdout) == (2, '')
  assert done.stderr == 'gengan.main: config.model.width is 0; it must be at least 1\n'


def test_a_comparison_needs_its_own_config():
  done = command('--config=configs/dcgan.py', program='gengan.utility')
  assert done.returncode == 2 and done.stderr.count('\n') == 1
  assert done.stderr.startswith('gengan.utility: config.generator is missing, this looks like the config of a training')


@pytest.mark.parametrize(
  ('verb', 'arguments', 'lines'),
  [
    ('main', ['--config=configs/dcgan.py'], ['--workdir', '--config.batch_size=64 ', 'images a train step reads']),
    ('utility', ['--config=configs/utility/digits.py'], ['--workdir', '--config.generator.loss=', '--config.seeds=3 ']),
    ('benchmark', ['--config=configs/vae.py'], ['--config.model.beta=1.0 ', 'weight of the KL term']),
    ('evaluate', [], ['--workdir', '--weights', '--metrics']),
    ('generate', [], ['--workdir', '--weights', '--format']),
    ('sample', [], ['--workdir', '--weights', '--labels']),
    ('data.clean', [], ['--source', '--out']),
    ('data.prepare', [], ['-h, --help']),
  ],
)
def test_help_lists_flags_and_fields_without_jax(verb, arguments, lines):
  done = command(*arguments, '--help', program=f'gengan.{verb}', options=['-X', 'importtime'])
  assert done.returncode == 0 and [line for line in lines if line not in done.stdout] == []
  imported = {line.rpartition('|')[2].strip() for line in done.stderr.splitlines()}
  assert f'gengan.{verb.partition(".")[0]}' in imported or verb == 'main'
  assert imported & HEAVY <= {'numpy'}


def test_help_and_mistakes_need_no_jax():
  code = (
    'import sys; from gengan import main\n'
    'for argv in (["--help"], ["--config=configs/dcgan.py", "--help"], ["--config=configs/dcgan.py", "--nope"], []):\n'
    '  try: main.main(argv)\n'
    '  except SystemExit: pass\n'
    '  else: raise AssertionError(argv)\n'
    f'heavy = {HEAVY} & set(sys.modules)\n'
    'assert not heavy, heavy'
  )
  done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, cwd=ROOT)
  assert done.returncode == 0, done.stderr


def raiser(error):
  def fail(*_, **__):
    raise error

  return fail


def run_main(workdir):
  main.main([CONFIG, f'--workdir={workdir}'])


@pytest.mark.parametrize(
  ('prepare', 'fit', 'code', 'message'),
  [
    (raiser(PermissionError(13, 'Permission denied')), None, 2, 'gengan.main: Permission denied\n'),
    (raiser(ValueError('two\nlines')), None, 2, 'gengan.main: two lines\n'),
    (raiser(KeyboardInterrupt()), None, 130, 'gengan.main: stopped\n'),
    (None, raiser(progress.Diverged('d_loss is nan')), 1, 'gengan.main: d_loss is nan\n'),
    (None, raiser(train.Refused('all are\ndamaged')), 2, 'gengan.main: all are damaged\n'),
    (None, raiser(KeyboardInterrupt()), 130, 'gengan.main: stopped\n'),
    (None, raiser(train.Unwritable('the disk is\nfull')), 1, 'gengan.main: the disk is full\n'),
    (None, lambda training, interrupts, **_: setattr(interrupts, 'exit_code', 143), 143, ''),
  ],
)
def test_the_end_of_training_is_told_in_one_line(prepare, fit, code, message, monkeypatch, tmp_path, capsys):
  monkeypatch.setattr(train, 'prepare', prepare or (lambda *_: tmp_path))
  monkeypatch.setattr(train, 'fit', fit)
  with pytest.raises(SystemExit) as ended:
    run_main(tmp_path)
  assert ended.value.code == code and capsys.readouterr().err == message


@pytest.mark.parametrize('error', [ValueError('a bug'), FileNotFoundError('a bug'), KeyError('a bug')])
def test_a_bug_in_training_stays_visible(error, monkeypatch, tmp_path):
  monkeypatch.setattr(train, 'prepare', lambda *_: tmp_path)
  monkeypatch.setattr(train, 'fit', raiser(error))
  with pytest.raises(type(error), match='a bug'):
    run_main(tmp_path)


def test_a_run_from_the_command_line(tmp_path):
  small = ['num_steps=2', 'data.image_size=8', 'model.width=2', 'sample_every_steps=2', 'checkpoint.every_steps=2']
  done = command(f'--config={ROOT}/configs/dcgan.py', *(f'--config.{option}' for option in small), cwd=tmp_path)
  assert done.returncode == 0, done.stderr
  assert (tmp_path / 'runs/dcgan/samples/samples_0000002.png').exists()
  assert 'runs/dcgan/curves.png' in done.stdout
