"""The recipes of today are held to what every recipe promises. They take long to compile: pmap is traced, not run."""

from configs import biggan, fastgan, r3gan, sagan, sngan, stylegan2, wgan_gp
from tests.models.contract import Contract, tiny

BIGGAN = {'model.latent_size': 6, 'model.shared_size': 4}
# Hinge loss pulls the bias of a logit both ways alike until a logit is beyond its margins.
SMOOTH = {'loss': 'non_saturating'}
R3GAN = {'model.group_size': 4, 'model.g_embedding': 4, 'model.d_embedding': 4, 'model.full_width_pixels': 8}
STYLEGAN2 = {'model.channel_base': 32, 'model.channel_max': 4, 'model.w_size': 4}
RECIPES = {
  'wgan-gp': lambda: tiny(wgan_gp.get_config()),
  'conditional wgan-gp': lambda: tiny(
    wgan_gp.get_config(), **{'model.conditional': True, 'model.d_label': 'auxiliary'}
  ),
  'sngan': lambda: tiny(sngan.get_config(), d_steps_per_g_step=2, **SMOOTH),
  'sagan': lambda: tiny(sagan.get_config(), **SMOOTH),
  'biggan': lambda: tiny(biggan.get_config(), **BIGGAN, **SMOOTH, **{'terms.orthogonal': 1e-4}),
  'unconditional biggan': lambda: tiny(biggan.get_config(), **BIGGAN, **SMOOTH, **{'model.conditional': False}),
  'fastgan': lambda: tiny(fastgan.get_config(), size=16),
  'r3gan': lambda: tiny(r3gan.get_config(), **R3GAN),
  'unconditional r3gan': lambda: tiny(
    r3gan.get_config(), **R3GAN, **{'model.conditional': False, 'finite_difference': 0.1}
  ),
  'stylegan2': lambda: tiny(
    stylegan2.get_config(), **STYLEGAN2, **{'model.style_mixing': 0.9, 'terms.path_length': 2.0}
  ),
  'conditional stylegan2': lambda: tiny(
    stylegan2.get_config(), **STYLEGAN2, **{'model.conditional': True, 'model.architecture': 'skip'}
  ),
}


class TestContract(Contract):
  RECIPES = RECIPES
  COMPILED_ONCE = tuple(RECIPES)
