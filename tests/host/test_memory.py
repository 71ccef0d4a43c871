import os
import subprocess
import sys

import pytest

from gengan.host import memory

# In a thread takes, fills and frees the same 100 MB again and again; prints the page faults of the last time.
USE = """
import ctypes, resource, sys, threading
from gengan.host import memory

if sys.argv[1] == 'keep':
  assert memory.keep_freed()
libc, size = ctypes.CDLL(None), 100_000_000
libc.malloc.restype = ctypes.c_void_p
faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def use():
  small = libc.malloc(ctypes.c_size_t(64))  # gives the thread an arena
  for _ in range(3):
    before, pointer = faults(), libc.malloc(ctypes.c_size_t(size))
    libc.memset(ctypes.c_void_p(pointer), 1, ctypes.c_size_t(size))
    libc.free(ctypes.c_void_p(pointer))
  print(faults() - before)

threading.Thread(target=use).start()
"""


def page_faults(how: str) -> int:
  environment = {name: value for name, value in os.environ.items() if not name.startswith(('MALLOC_', 'GLIBC_'))}
  command = [sys.executable, '-c', USE, how]
  done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
  return int(done.stdout)


@pytest.mark.skipif(not memory.keep_freed(), reason='the C library is not glibc')
def test_freed_memory_is_used_again_instead_of_being_asked_for_page_by_page():
  assert page_faults('leave') > 20  # as few as that only where the kernel hands out huge pages
  assert page_faults('keep') < 5


def test_a_c_library_without_the_call_is_left_alone(monkeypatch):
  monkeypatch.setattr(memory.ctypes, 'CDLL', lambda name: object())
  assert memory.keep_freed() is False
