"""The recipes of today are held to what every recipe promises. They take long to compile: pmap is traced, not run."""

from configs import biggan, fastgan, sagan, sngan, wgan_gp
from tests.models.contract import Contract, tiny

BIGGAN = {'model.latent_size': 6, 'model.shared_size': 4}
RECIPES = {
  'wgan-gp': lambda: tiny(wgan_gp.get_config()),
  'conditional wgan-gp': lambda: tiny(
    wgan_gp.get_config(), **{'model.conditional': True, 'model.d_label': 'auxiliary'}
  ),
  'sngan': lambda: tiny(sngan.get_config(), d_steps_per_g_step=2),
  'sagan': lambda: tiny(sagan.get_config()),
  'biggan': lambda: tiny(biggan.get_config(), **BIGGAN, **{'terms.orthogonal': 1e-4}),
  'unconditional biggan': lambda: tiny(biggan.get_config(), **BIGGAN, **{'model.conditional': False}),
  'fastgan': lambda: tiny(fastgan.get_config(), size=16),
}


class TestContract(Contract):
  RECIPES = RECIPES
  COMPILED_ONCE = tuple(RECIPES)
