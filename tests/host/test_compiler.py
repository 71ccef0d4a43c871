"""Options of the compiler: given where it knows them."""

from gengan import sharding
from gengan.host import compiler


def test_options_are_used_where_the_compiler_knows_them():
  assert compiler.cpu_options('cpu', sharding.CPU_INIT_OPTIONS) == sharding.CPU_INIT_OPTIONS
  assert compiler.cpu_options('cpu', {'xla_cpu_an_option_of_no_version': ''}) is None
  assert compiler.cpu_options('gpu', sharding.CPU_INIT_OPTIONS) is None
