"""Ctrl-C while a command is being imported, while it works, and twice: one line, code 130."""

import os
import pathlib
import signal
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
ONCE = 'os.kill(os.getpid(), signal.SIGINT)'
CTRL_C = f'import os, signal\n{ONCE}\n'


def run(*command, path):
  environment = {**os.environ, 'PYTHONPATH': f'{path}:{ROOT}'}
  return subprocess.run([sys.executable, *command], capture_output=True, text=True, env=environment, cwd=path)


@pytest.mark.parametrize('verb', ['main', 'sample', 'evaluate', 'generate', 'utility', 'benchmark', 'data.clean'])
def test_while_libraries_are_imported(verb, tmp_path):
  """A library that swallows what is raised while it is imported."""
  library = f'import os, signal\ntry: {ONCE}\nexcept BaseException: pass\n'
  for name in ('ml_collections', 'numpy'):
    (tmp_path / f'{name}.py').write_text(library)
  done = run('-m', f'gengan.{verb}', path=tmp_path)
  assert (done.returncode, done.stdout, done.stderr) == (130, '', f'\ngengan.{verb}: stopped\n')


def test_it_holds_before_anything_else_is_imported():
  program = f"""
import os, signal, sys, types  # which Python has when it starts a command
sys.argv = ['gengan', 'sample']
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it, and so would its child
sys.path.insert(0, {str(ROOT)!r})
class Look:
  def find_spec(self, name, *_):
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
      print(name)
sys.meta_path.insert(0, Look())
import gengan
assert 'typing' in sys.modules
"""
  done = subprocess.run([sys.executable, '-I', '-S', '-c', program], capture_output=True, text=True)
  assert (done.stdout.split(), done.stderr) == (['gengan', 'gengan.host', 'gengan.host.stopping'], '')


@pytest.mark.parametrize(
  ('program', 'told'),
  [
    (CTRL_C, '\ngengan sample: stopped\n'),  # nobody catches it
    (f'try: {ONCE}\nexcept KeyboardInterrupt: print("tidy")', 'tidy'),
    (f'try: {ONCE}\nfinally: {ONCE}', 'stopped\n'),
  ],
)
def test_while_it_works_and_a_second_time(program, told, tmp_path):
  begin = 'import sys\nsys.argv = ["/bin/gengan", "sample"]\nimport os, signal, gengan\n'
  (tmp_path / 'program.py').write_text(begin + program)
  done = run('program.py', path=tmp_path)
  assert (done.returncode, done.stderr) == (0 if told == 'tidy' else 130, '' if told == 'tidy' else done.stderr)
  assert told in done.stdout + done.stderr and 'Traceback' not in done.stderr


def test_output_that_nobody_reads_ends_it_in_silence():
  program = 'import sys\nsys.argv = ["gengan"]\nfrom gengan.host import console\nconsole.main(["--help"])'
  command = [sys.executable, '-u', '-c', program]
  done = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT)
  done.stdout.close()
  assert done.stderr.read() == b'' and done.wait() == 128 + signal.SIGPIPE


def test_other_programs_keep_their_own_ctrl_c(tmp_path):
  code = 'import signal\nbefore = signal.getsignal(2)\nimport gengan\nassert signal.getsignal(2) is before\n'
  (tmp_path / 'mine.py').write_text(code)
  for command in (['mine.py'], ['-m', 'mine'], ['mine.py', '-m', 'gengan.sample'], ['-c', 'import mine']):
    assert run(*command, path=tmp_path).returncode == 0, command
