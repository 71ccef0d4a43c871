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
  if small:
    config = defaults.resnet(variant, g_width=16, d_width=32, d_steps=1, num_steps=6000)
  else:
    config = defaults.resnet(variant, g_width=64, d_width=64, d_steps=1, num_steps=500_000)
  config.model.name = 'gengan.models.sagan'
  config.model.attention = 2  # where maps have the image's size divided by this; 0: nowhere
  config.optimizers.generator = defaults.adam(1e-4, b1=0.0, b2=0.9)  # two time scales (Heusel et al. 2017)
  config.optimizers.discriminator = defaults.adam(4e-4, b1=0.0, b2=0.9)
  return config
