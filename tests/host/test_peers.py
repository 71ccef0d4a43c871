"""A process that dies takes the others with it, in one line; one that ends as it should does not."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).parents[2]
PROGRAM = """
import pathlib, sys, time
from gengan.host import peers
with peers.watched(pathlib.Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])):
  print('begun', flush=True)
  exec(sys.stdin.read())
"""


def start(folder, count):
  pipes = {'stdin': subprocess.PIPE, 'stdout': subprocess.PIPE, 'stderr': subprocess.PIPE, 'text': True, 'cwd': ROOT}
  command = [sys.executable, '-c', PROGRAM, str(folder)]
  processes = [subprocess.Popen([*command, str(index), str(count)], **pipes) for index in range(count)]
  assert [process.stdout.readline() for process in processes] == ['begun\n'] * count
  time.sleep(1)  # all have seen each other
  return processes


@pytest.mark.parametrize('victim', [0, 2])
def test_all_end_with_one_that_dies(victim, tmp_path):
  processes = start(tmp_path, 3)
  processes.pop(victim).send_signal(signal.SIGKILL)
  for process in processes:
    assert process.wait(timeout=10) == 1
    assert process.stderr.read() == (
      f'{tmp_path}: process {victim} of 3 has died, and this one ends with it; '
      'the same command continues from the last checkpoint\n'
    )


def test_an_error_that_a_death_has_caused_is_not_told_in_its_place(tmp_path):
  first, second = start(tmp_path, 2)
  second.send_signal(signal.SIGKILL)
  _, errors = first.communicate('raise ConnectionError("reset by peer")')
  assert first.returncode == 1 and 'process 1 of 2 has died' in errors and 'Traceback' not in errors


def test_one_that_ends_as_it_should_is_not_missed(tmp_path):
  first, second = start(tmp_path, 2)
  second.communicate('')
  assert second.returncode == 0
  assert first.communicate('time.sleep(1)') == ('', '') and first.returncode == 0
  again = start(tmp_path, 2)  # files of the run before mean nothing
  assert [process.communicate('') for process in again] == [('', '')] * 2 and os.listdir(tmp_path)
