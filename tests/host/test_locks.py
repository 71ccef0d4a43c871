"""One holder at a time, and none after its death."""

import os
import subprocess
import sys

import pytest

from gengan.host import locks

HOLDER = """
import pathlib, sys
from gengan.host import locks
held = locks.take(pathlib.Path(sys.argv[1]), 'taken')
print('held', flush=True)
sys.stdin.read()
"""


def test_a_second_holder_is_refused_until_the_first_lets_go(tmp_path):
  held = locks.take(tmp_path / 'lock', 'never said')
  with pytest.raises(ValueError, match='the folder is in use'):
    locks.take(tmp_path / 'lock', 'the folder is in use')
  held.close()
  locks.take(tmp_path / 'lock', 'never said').close()


def test_a_pipe_is_not_waited_for_and_what_a_link_leads_to_stays(tmp_path):
  os.mkfifo(tmp_path / 'pipe')
  with pytest.raises(ValueError, match=r'the lock: .*pipe is a pipe; it must be a regular file'):
    locks.take(tmp_path / 'pipe', 'never said')
  (tmp_path / 'own').write_text('content')
  (tmp_path / 'link').symlink_to(tmp_path / 'own')
  locks.take(tmp_path / 'link', 'never said').close()
  assert (tmp_path / 'own').read_text() == 'content'


def test_a_killed_holder_leaves_no_lock(tmp_path):
  command = [sys.executable, '-c', HOLDER, str(tmp_path / 'lock')]
  with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ) as holder:
    assert holder.stdout.readline() == 'held\n'
    with pytest.raises(ValueError, match='taken'):
      locks.take(tmp_path / 'lock', 'taken')
    holder.kill()
    holder.wait()
    locks.take(tmp_path / 'lock', 'taken').close()
