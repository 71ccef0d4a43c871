"""Signals are a flag, the second one is the end, and handlers are put back."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from gengan.host.interrupts import Interrupts, Stopped


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
def test_a_signal_sets_the_flag_and_the_old_handler_returns(number):
  before = signal.getsignal(number)
  with Interrupts() as interrupts:
    assert not interrupts.requested and not interrupts.should_stop(1)
    interrupts.heed()
    signal.raise_signal(number)
    assert interrupts.requested and interrupts.exit_code == 0  # the loop has not stopped yet
    with pytest.raises(Stopped):
      interrupts.heed()
    assert interrupts.should_stop(2) and interrupts.exit_code == 128 + number
  assert signal.getsignal(number) is before


def test_a_second_sigint_quits_at_once():
  program = """
import os, signal
from gengan.host.interrupts import Interrupts
with Interrupts() as interrupts:
  os.kill(os.getpid(), signal.SIGINT)
  print(interrupts.requested, flush=True)
  os.kill(os.getpid(), signal.SIGINT)
  print('still here')
"""
  run = subprocess.run([sys.executable, '-c', program], capture_output=True, text=True, env=os.environ, timeout=60)
  assert run.stdout.split() == ['True']
  assert run.returncode == -signal.SIGINT


def test_outside_the_main_thread_nothing_happens():
  before = signal.getsignal(signal.SIGTERM)
  seen = []

  def work():
    with Interrupts() as interrupts:
      seen.append((interrupts.requested, signal.getsignal(signal.SIGTERM)))

  thread = threading.Thread(target=work)
  thread.start()
  thread.join()
  assert seen == [(False, before)]
