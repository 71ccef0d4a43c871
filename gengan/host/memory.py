"""Memory of the process."""

import ctypes

KEPT = 2**30  # bytes
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h


def keep_freed() -> bool:
  """Has glibc keep up to 1 GiB of freed memory for the next allocation, for the whole process from now on.

  A compiled step on a CPU takes its temporary memory anew each time. Above 32 MiB, glibc has the kernel map it page by
  page and gives it back afterwards, which took up to a quarter of the time of a DCGAN step. Sets M_MMAP_THRESHOLD and
  M_TRIM_THRESHOLD of mallopt(3); of no use on an accelerator. False where the C library is not glibc.
  """
  try:
    mallopt = ctypes.CDLL(None).mallopt
  except (AttributeError, OSError, TypeError):  # musl, macOS; Windows
    return False
  return all(mallopt(ctypes.c_int(option), ctypes.c_int(KEPT)) for option in (_M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD))
