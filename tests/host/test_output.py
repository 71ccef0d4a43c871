"""Standard output on a full disk: one line that names it, whether it fails at work, at the end or beside an error."""

import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
FULL = pathlib.Path('/dev/full')
BEGIN = """
from gengan.config import arguments
parser = arguments.parser('tool', 'Does it.')
arguments.parse(parser, [])
"""
NAMED = 'gengan.tool: No space left on device: standard output\n'

pytestmark = pytest.mark.skipif(not FULL.is_char_device(), reason='this system has no /dev/full')


def run(program, stdout, *, buffered=True):
  command = [sys.executable, *([] if buffered else ['-u']), '-c', BEGIN + program]
  environment = {name: value for name, value in os.environ.items() if name != 'PYTHONUNBUFFERED'}
  return subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, text=True, env=environment, cwd=ROOT)


@pytest.mark.parametrize(
  ('program', 'code', 'told'),
  [
    ("print('the end')", 1, NAMED),
    ("with arguments.answering(parser):\n  print('at work', flush=True)", 2, NAMED),
    ("print('before')\nparser.answer('a mistake', code=2)", 2, 'gengan.tool: a mistake\n'),
    ('', 0, ''),
  ],
)
def test_a_full_disk(program, code, told):
  with FULL.open('w') as full:
    done = run(program, full)
  assert (done.returncode, done.stderr) == (code, told)


def test_a_full_disk_and_output_without_a_buffer():
  program = "with arguments.answering(parser):\n  print('at work')"
  with FULL.open('w') as full:
    done = run(program, full, buffered=False)
  assert (done.returncode, done.stderr) == (2, NAMED)


def test_elsewhere_all_is_printed_once():
  done = run("print('before \\udce9')\nparser.answer('a mistake', code=3)", subprocess.PIPE)
  assert (done.returncode, done.stdout, done.stderr) == (3, 'before \\udce9\n', 'gengan.tool: a mistake\n')
