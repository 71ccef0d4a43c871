"""Memory of the process."""

import ctypes

KEPT = 2**30  # bytes
_OPTIONS = {-1: KEPT, -3: KEPT, -8: 1}  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD and M_ARENA_MAX of glibc's malloc.h


def keep_freed() -> bool:
  """Has glibc keep up to 1 GiB of freed memory for the next allocation, for the whole process from now on.

  A compiled step on a CPU takes its temporary memory anew each time. Above 32 MiB, glibc has the kernel map it page by
  page and gives it back afterwards, which took up to a quarter of the time of a DCGAN step. Sets M_MMAP_THRESHOLD and
  M_TRIM_THRESHOLD of mallopt(3); of no use on an accelerator. Threads have memory of their own, whose blocks end at
  64 MiB: M_ARENA_MAX has them share one, but only those that begin later, so call it before JAX begins its own.
  False where the C library is not glibc.
  """
  try:
    mallopt = ctypes.CDLL(None).mallopt
  except (AttributeError, OSError, TypeError):  # musl, macOS; Windows
    return False
  return all(mallopt(ctypes.c_int(option), ctypes.c_int(value)) for option, value in _OPTIONS.items())
