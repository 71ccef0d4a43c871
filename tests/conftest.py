"""Every test sees eight simulated CPU devices; this file is imported before anything imports jax."""

import os

flags = os.environ.get('XLA_FLAGS', '')
if 'xla_force_host_platform_device_count' not in flags:
  flags += ' --xla_force_host_platform_device_count=8'
if 'xla_backend_optimization_level' not in flags:
  # Most of the suite's time is LLVM on small random-number kernels; the numbers come out the same.
  flags += ' --xla_backend_optimization_level=1'
os.environ['XLA_FLAGS'] = flags.strip()
os.environ['JAX_PLATFORMS'] = 'cpu'
