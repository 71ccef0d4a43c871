"""One style of command line: what the tools share, seen by a tool of its own."""

import io
import pathlib
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gengan.config import ConfigError, arguments
from gengan.core import ArgumentError

ROOT = pathlib.Path(__file__).parents[2]


def tool():
  parser = arguments.parser('tool', 'Does it.')
  arguments.add_config(parser, example='vae')
  parser.add_argument('--workdir', type=arguments.path)
  return parser


def test_a_folder_may_be_at_home(monkeypatch):
  monkeypatch.setenv('HOME', '/home/me')
  assert arguments.parse(tool(), ['--config=vae', '--workdir=~/a b']).workdir == pathlib.Path('/home/me/a b')


def test_warnings_are_plain_lines():
  program = 'import warnings\nfrom tests.config.test_arguments import tool\nfrom gengan.config import arguments\n'
  program += "arguments.parse(tool(), ['--config=vae'])\nwarnings.warn('mind this')"
  done = subprocess.run([sys.executable, '-c', program], capture_output=True, text=True, cwd=ROOT)
  assert (done.returncode, done.stderr) == (0, 'mind this\n')


def refusal(parser, argv, capsys):
  """The line with which the tool ends."""
  with pytest.raises(SystemExit) as ended:
    arguments.parse(parser, argv)
  error = capsys.readouterr().err
  assert ended.value.code == 2 and error.startswith('gengan.tool: ') and error.count('\n') == 1
  return error.removeprefix('gengan.tool: ').rstrip()


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch):
  monkeypatch.chdir(ROOT)


def test_a_config_and_flags_come_back():
  argv = ['--config=configs/dcgan.py:mnist', '--config.seed=3', '--workdir=somewhere', '--config.data.flip']
  args = arguments.parse(tool(), argv)
  assert (args.config.seed, args.config.data.flip, args.config.data.image_size) == (3, True, 32)
  assert args.config.is_locked and args.config_name == 'dcgan-mnist'
  assert args.workdir == pathlib.Path('somewhere')


@pytest.mark.parametrize(
  ('argv', 'message'),
  [
    ([], '--config is missing; try --config=vae, one of art, '),
    (['--config.seed=3'], '--config is missing; try --config=vae, one of art, '),
    (['--config=configs/no.py'], '--config=configs/no.py: there is no such file; it must be one of art, '),
    (
      ['--config=configs/vae.py', '--config.bach_size=3'],
      "config has no field 'bach_size'; did you mean 'batch_size'?",
    ),
    (['--config=configs/vae.py', '--config.seed=x'], "config.seed is 'x'; it must be a whole number"),
    (['--confg=vae'], "unexpected argument '--confg=vae'; did you mean --config?"),
    (['vae'], "unexpected argument 'vae'; did you mean --config=vae?"),
    (['--config=configs/vae.py', 'more'], "unexpected argument 'more'; settings are given as --config.name=value"),
    (['--config=configs/vae.py', '--seed=1'], "unexpected argument '--seed=1'; settings are given as --config.name"),
    (['--config=configs/vae.py', '--wrkdir=1'], "unexpected argument '--wrkdir=1'; did you mean --workdir?"),
    (['--config=configs/vae.py', '--workdir'], 'argument --workdir: expected one argument'),
    (['--config=configs/vae.py', '--workdir='], 'argument --workdir: it is empty, as an unset variable is; '),
  ],
)
def test_a_mistake_is_answered_in_one_line(argv, message, capsys):
  assert refusal(tool(), argv, capsys).startswith(message)


def helped(argv, capsys):
  with pytest.raises(SystemExit) as ended:
    arguments.parse(tool(), argv)
  assert ended.value.code == 0
  return capsys.readouterr().out


def test_help_lists_the_flags_and_says_how_to_see_the_fields(capsys):
  text = helped(['--help'], capsys)
  assert '--workdir' in text and 'python -m gengan.tool --config=vae --help' in text


def test_help_lists_the_fields_as_they_are_after_the_changes(capsys):
  text = helped(['-h', '--config=configs/vae.py', '--config.batch_size=7'], capsys)
  assert f'fields of {ROOT}/configs/vae.py:' in helped(['-h', '--config=vae'], capsys)
  line = next(line for line in text.splitlines() if 'batch_size' in line)
  assert line.split(maxsplit=1) == ['--config.batch_size=7', 'images a train step reads, over all devices']


def test_help_for_a_file_that_is_none_is_a_mistake(capsys):
  assert 'there is no such file' in refusal(tool(), ['--help', '--config=no.py'], capsys)


def test_a_run_is_a_folder_a_checkpoint_weights_and_a_seed(capsys):
  parser = arguments.parser('tool', 'Does it.')
  arguments.add_run(parser)
  args = arguments.parse(parser, ['--workdir=run', '--checkpoint=12'])
  assert (args.workdir, args.checkpoint, args.weights, args.seed) == (pathlib.Path('run'), 12, 'averaged', 0)
  assert arguments.parse(parser, ['--workdir=run', '--weights=trained']).weights == 'trained'
  for wrong, message in (
    ('--weights=raw', "argument --weights: invalid choice: 'raw'"),
    ('--checkpoint=newest', "argument --checkpoint: 'newest' is neither 'latest' nor 'best' nor a step"),
    ('--sed=1', "unexpected argument '--sed=1'; did you mean --seed?"),
    ('more', "unexpected argument 'more'; --help lists the flags"),
    ('--seed=-1', '--seed is -1; it must be from 0 to 4294967295'),
  ):
    assert refusal(parser, ['--workdir=run', wrong], capsys).startswith(message)
  assert refusal(parser, ['--wrkdir=run'], capsys) == "unexpected argument '--wrkdir=run'; did you mean --workdir?"


def test_a_folder_without_a_run_is_told_with_what_is_near(tmp_path):
  with pytest.raises(FileNotFoundError, match=rf'--workdir is {tmp_path}, which is not the folder of a run.*json$'):
    arguments.check_run(tmp_path)
  for name in ('dcgan', 'vae'):
    (tmp_path / 'runs' / name).mkdir(parents=True)
    (tmp_path / 'runs' / name / 'config.json').write_text('{}')
  runs = tmp_path / 'runs'
  for wrong, near in [
    (runs, f'{runs}/dcgan or {runs}/vae'),
    (runs / 'dgcan', f'{runs}/dcgan'),
    (runs / 'vae/config.json', f'{runs}/vae'),
  ]:
    with pytest.raises(FileNotFoundError, match=rf'; did you mean {near}\?$'):
      arguments.check_run(wrong)
  (tmp_path / 'config.json').write_text('{}')
  with pytest.raises(ValueError, match='is not the config of a run'):
    arguments.check_run(tmp_path)


@pytest.mark.parametrize(
  ('error', 'code', 'line'),
  [
    (ValueError('two\nlines'), 2, 'gengan.tool: two lines\n'),
    (FileNotFoundError('it is not there'), 2, 'gengan.tool: it is not there\n'),
    (ArgumentError('workdir', 'a', 'another'), 2, "gengan.tool: --workdir is 'a'; it must be another\n"),
    (ArgumentError('width', 0, 'at least 1'), 2, 'gengan.tool: width is 0; it must be at least 1\n'),
    (ConfigError('workdir', 0, 'text'), 2, 'gengan.tool: config.workdir is 0; it must be text\n'),
    (KeyboardInterrupt(), 130, 'gengan.tool: stopped; go on\n'),
  ],
)
def test_the_end_of_a_tool_is_one_line(error, code, line, capsys):
  with pytest.raises(SystemExit) as ended, arguments.answering(tool(), stopped='stopped; go on'):
    raise error
  assert ended.value.code == code and capsys.readouterr().err == line


def test_only_the_named_errors_are_mistakes(capsys):
  with pytest.raises(ValueError, match='a bug'), arguments.answering(tool(), OSError):
    raise ValueError('a bug')
  with pytest.raises(SystemExit) as ended, arguments.answering(tool(), KeyError, code=1):
    raise KeyError('diverged')
  assert ended.value.code == 1


def test_too_little_memory_is_one_line_and_other_errors_of_a_device_keep_their_traceback(capsys):
  with pytest.raises(SystemExit) as ended, arguments.answering(tool()):
    jnp.zeros(10**17)
  line = capsys.readouterr().err
  assert ended.value.code == 1 and line.count('\n') == 1
  assert 'not enough memory: RESOURCE_EXHAUSTED: Out of memory allocating 400000000000000000 bytes' in line
  with pytest.raises(SystemExit), arguments.answering(tool()):
    np.zeros(10**17)
  assert 'not enough memory: Unable to allocate' in capsys.readouterr().err
  with pytest.raises(jax.errors.JaxRuntimeError), arguments.answering(tool()):
    raise jax.errors.JaxRuntimeError('INTERNAL: a bug')


def test_paths_that_are_no_text_can_be_printed(monkeypatch):
  written = io.BytesIO()
  monkeypatch.setattr(sys, 'stdout', io.TextIOWrapper(written, encoding='utf-8'))
  arguments.parse(arguments.parser('sample', 'Draws.'), [])
  print('runs/caf\udce9', flush=True)
  assert written.getvalue() == b'runs/caf\\udce9\n'
