"""Options of the compiler: given where it knows them."""

from gengan import sharding
from gengan.host import compiler


def test_options_are_used_where_the_compiler_knows_them():
  known = {'xla_backend_optimization_level': '1'}  # in every version that we support
  assert compiler.cpu_options('cpu', known) == known
  assert compiler.cpu_options('cpu', {'xla_cpu_an_option_of_no_version': ''} | known) == known
  assert compiler.cpu_options('gpu', known) == {}
  assert known.items() <= compiler.cpu_options('cpu', sharding.CPU_INIT_OPTIONS).items()


def test_an_option_with_a_value_that_the_compiler_does_not_take_is_left_out():
  assert compiler.cpu_options('cpu', {'xla_backend_optimization_level': 'much'}) == {}
