"""Every test sees eight simulated CPU devices; this file is imported before anything imports jax."""

import atexit
import os
import pathlib
import shutil
import tempfile

import pytest

pytest.register_assert_rewrite('tests.models.contract')

flags = os.environ.get('XLA_FLAGS', '')
if 'xla_force_host_platform_device_count' not in flags:
  flags += ' --xla_force_host_platform_device_count=8'
if 'xla_backend_optimization_level' not in flags:
  # Most of the suite's time is LLVM on small random-number kernels; the numbers come out the same.
  flags += ' --xla_backend_optimization_level=1'
os.environ['XLA_FLAGS'] = flags.strip()
os.environ['JAX_PLATFORMS'] = 'cpu'
if 'JAX_COMPILATION_CACHE_DIR' not in os.environ:
  # Half of what is compiled another test, worker or child process has compiled before.
  compiled = tempfile.mkdtemp(prefix='gengan-tests-compiled-')
  atexit.register(shutil.rmtree, compiled, ignore_errors=True)
  os.environ['JAX_COMPILATION_CACHE_DIR'] = compiled
  os.environ['JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS'] = '0'
  os.environ['JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES'] = '-1'
os.environ['XDG_STATE_HOME'] = tempfile.mkdtemp(prefix='gengan-tests-')  # what tests trust, their user need not


@pytest.fixture(scope='session')
def real_sets() -> pathlib.Path:
  """The folder of published image sets: $GENGAN_TEST_DATA, or else where it lies beside the checkout."""
  beside = pathlib.Path(__file__).resolve().parents[2] / 'shared' / 'data'
  folder = pathlib.Path(os.environ.get('GENGAN_TEST_DATA') or beside)
  if not folder.is_dir():
    pytest.skip(f'no real image sets in {folder}')
  return folder
