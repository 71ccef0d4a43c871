"""DCGAN, its relatives and the VAE are held to what every recipe promises."""

from configs import conditional_dcgan, dcgan, residual_dcgan, vae
from tests.models.contract import Contract, tiny


def tiny_dcgan(**options):
  return tiny(dcgan.get_config(), **options)


def tiny_residual(**options):
  return tiny(residual_dcgan.get_config(), **options)


def tiny_vae(**options):
  return tiny(vae.get_config(), **options)


RECIPES = {
  'dcgan': lambda: tiny_dcgan(),
  'dcgan, several updates of D': lambda: tiny_dcgan(d_steps_per_g_step=2, loss='hinge'),
  'wgan-gp': lambda: tiny_dcgan(**{'loss': 'wasserstein', 'model.d_norm': 'none', 'terms.gradient_penalty': 10.0}),
  'spectral norm, R1 and R2': lambda: tiny_dcgan(
    **{'model.d_norm': 'spectral', 'terms.r1': 1.0, 'terms.r2': 1.0, 'loss': 'relativistic'}
  ),
  'augmented': lambda: tiny_dcgan(augment='color,translation,cutout', loss='relativistic'),
  'adaptive augmentation': lambda: tiny_dcgan(augment='cutout', ada_target=0.6, **{'model.d_norm': 'none'}),
  'micro-batches': lambda: tiny_dcgan(micro_batches=2, **{'model.d_norm': 'layer', 'terms.r1': 1.0}),
  'conditional dcgan': lambda: tiny(conditional_dcgan.get_config()),
  'layer norm': lambda: tiny_dcgan(**{'model.d_norm': 'layer'}),
  'ghost batch norm': lambda: tiny_dcgan(**{'model.batch_norm_groups': 2}),
  'relativistic average': lambda: tiny_dcgan(loss='relativistic_average'),
  'residual dcgan': lambda: tiny_residual(),
  'unconditional residual dcgan': lambda: tiny_residual(**{'model.conditional': False}),
  'least squares, DRAGAN': lambda: tiny_dcgan(
    **{'loss': 'least_squares', 'terms.dragan': 10.0, 'model.d_norm': 'none', 'terms.orthogonal': 1e-4}
  ),
  'auxiliary classifier': lambda: tiny_dcgan(
    **{'conditional': True, 'model.d_label': 'auxiliary', 'model.g_label': 'batch_norm', 'terms.feature_matching': 1.0}
  ),
  'lazy terms, top-k': lambda: tiny_dcgan(
    **{'loss': 'hinge', 'model.d_norm': 'none', 'terms.r1': 1.0, 'lazy.r1': 2, 'terms.lecam': 0.3, 'top_k': 0.5},
    **{'terms.orthogonal': 1e-4, 'lazy.orthogonal': 4, 'optimizers.discriminator.clip_weights': 0.5},
  ),
  'embedded labels, consistency': lambda: tiny_dcgan(
    **{'conditional': True, 'model.d_label': 'embedding', 'model.g_label': 'embedding', 'model.d_norm': 'spectral'},
    **{'micro_batches': 2, 'terms.balanced_consistency': 10.0, 'terms.lecam': 0.3, 'top_k': 0.5},
  ),
  'vae': lambda: tiny_vae(),
  'conditional vae': lambda: tiny_vae(**{'model.conditional': True, 'model.hidden_size': 8}),
  'mlp vae': lambda: tiny_vae(**{'model.architecture': 'mlp', 'model.hidden_size': 8}),
}
COMPILED_ONCE = (  # others have all that devices must agree on in these
  *('dcgan, several updates of D', 'wgan-gp', 'augmented', 'conditional dcgan', 'layer norm', 'auxiliary classifier'),
  *('unconditional residual dcgan', 'least squares, DRAGAN', 'embedded labels, consistency'),
  *('conditional vae', 'mlp vae'),
)
JIT_ONLY = ('ghost batch norm', 'relativistic average')  # groups or averages that devices would have to share


class TestContract(Contract):
  RECIPES = RECIPES
  JIT_ONLY = JIT_ONLY
  COMPILED_ONCE = COMPILED_ONCE
