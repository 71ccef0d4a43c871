"""The recipes of today are held to what every recipe promises. They take long to compile: pmap is traced, not run."""

from configs import fastgan
from tests.models.contract import Contract, tiny

RECIPES = {
  'fastgan': lambda: tiny(fastgan.get_config(), size=16),
}


class TestContract(Contract):
  RECIPES = RECIPES
  COMPILED_ONCE = tuple(RECIPES)
