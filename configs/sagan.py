"""SAGAN: SNGAN with self-attention and with spectral norm in G too.

python -m gengan.main --config=configs/sagan.py
python -m gengan.main --config=configs/sagan.py:cifar10                            # the widths of SNGAN's paper
python -m gengan.main --config=configs/sagan.py:fashion_mnist,small --config.data.source=idx:path/to/fashion_mnist

Digits and `small` are for 2 CPU cores.
"""

from ml_collections import ConfigDict

from gengan.config import defaults


def get_config(variant: str = 'digits') -> ConfigDict:
  variant, small = defaults.variant_and_size(variant)
  config = defaults.resnet(variant, small=small, width=64, num_steps=500_000, d_steps=1)
  config.model.name = 'gengan.models.sagan'
  config.model.attention = 2  # where maps have the image's size divided by this; 0: nowhere
  for network, rate in (('generator', 1e-4), ('discriminator', 4e-4)):  # two time scales (Heusel et al. 2017)
    config.optimizers[network] = defaults.adam(rate, b1=0.0, b2=0.9)
  return config
