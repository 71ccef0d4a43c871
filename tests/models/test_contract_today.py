"""The recipes of today are held to what every recipe promises. They take long to compile: pmap is traced, not run."""

import jax
import pytest

import gengan.config
from configs import biggan, deep_conv, fastgan, r3gan, sagan, sngan, stylegan2, wgan_gp
from gengan import core, runs
from tests.models.contract import ROWS, Contract, tiny

BIGGAN = {'model.latent_size': 6, 'model.shared_size': 4}
# Hinge loss pulls the bias of a logit both ways alike until a logit is beyond its margins.
SMOOTH = {'loss': 'non_saturating'}
R3GAN = {'model.group_size': 4, 'model.g_embedding': 4, 'model.d_embedding': 4, 'model.full_width_pixels': 8}
STYLEGAN2 = {'model.channel_base': 32, 'model.channel_max': 4, 'model.w_size': 4}
RECIPES = {
  'wgan-gp': lambda: tiny(wgan_gp.get_config()),
  'deep convolutional': lambda: tiny(deep_conv.get_config()),
  'sngan': lambda: tiny(sngan.get_config(), d_steps_per_g_step=2, **SMOOTH),
  'sagan': lambda: tiny(sagan.get_config(), **SMOOTH),
  'biggan': lambda: tiny(biggan.get_config(), **BIGGAN, **SMOOTH, **{'terms.orthogonal': 1e-4}),
  'fastgan': lambda: tiny(fastgan.get_config(), size=16),
  'r3gan': lambda: tiny(r3gan.get_config(), **R3GAN),
  'stylegan2': lambda: tiny(
    stylegan2.get_config(), **STYLEGAN2, **{'model.style_mixing': 0.9, 'terms.path_length': 2.0}
  ),
}
VARIANTS = {  # these are traced and not compiled
  'conditional deep convolutional': lambda: tiny(
    deep_conv.get_config(), **{'model.d_norm': 'spectral', 'model.conditional': True}
  ),
  'conditional wgan-gp': lambda: tiny(
    wgan_gp.get_config(), **{'model.conditional': True, 'model.d_label': 'auxiliary'}
  ),
  'unconditional biggan': lambda: tiny(biggan.get_config(), **BIGGAN, **SMOOTH, **{'model.conditional': False}),
  'conditional fastgan': lambda: tiny(fastgan.get_config(), size=16, **{'model.conditional': True}),
  'unconditional r3gan': lambda: tiny(
    r3gan.get_config(), **R3GAN, **{'model.conditional': False, 'finite_difference': 0.1}
  ),
  'conditional stylegan2': lambda: tiny(
    stylegan2.get_config(), **STYLEGAN2, **{'model.conditional': True, 'model.architecture': 'skip'}
  ),
}


@pytest.mark.parametrize('variant', VARIANTS)
def test_variants_are_traced_as_pmap_runs_them(variant):
  config = VARIANTS[variant]()
  batch = runs.example_batch(config, ROWS)
  algorithm = gengan.config.make_algorithm(config, axis_name='data')
  state = jax.eval_shape(algorithm.init, jax.random.key(0), batch)
  core.check_steps(algorithm, state, batch, axis_name='data', devices=8)


class TestContract(Contract):
  RECIPES = RECIPES
  COMPILED_ONCE = tuple(RECIPES)
