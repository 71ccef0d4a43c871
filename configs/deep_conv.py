"""The standard convolutional GAN of the SNGAN paper, twice as deep in D as a DCGAN.

python -m gengan.main --config=configs/deep_conv.py
python -m gengan.main --config=configs/deep_conv.py:cifar10                        # DCGAN of PyTorch-StudioGAN
python -m gengan.main --config=configs/deep_conv.py:cifar10 --config.model.d_norm=spectral --config.loss=hinge
python -m gengan.main --config=configs/deep_conv.py:fashion_mnist,small --config.data.source=idx:path/to/fashion_mnist

Digits and `small` are for 2 CPU cores.
"""

from ml_collections import ConfigDict

from gengan.config import defaults


def get_config(variant: str = 'digits') -> ConfigDict:
  variant, small = defaults.variant_and_size(variant)
  config = defaults.gan(variant)
  config.model.name = 'gengan.models.deep_conv'
  config.model.latent_size = 128
  config.model.width = 16 if small else 64  # feature maps at the image's size; doubled as it halves
  config.terms.r1 = 0.0
  config.num_steps = 6000 if small else 200_000
  config.d_steps_per_g_step = 1 if small else 2
  config.batch_size = 64 * config.d_steps_per_g_step
  for network in ('generator', 'discriminator'):
    config.optimizers[network] = defaults.adam(2e-4, b1=0.5)
  return config
