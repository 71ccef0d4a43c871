"""SNGAN: residual networks with spectral norm in D and hinge loss; conditional with cBN in G and projection in D.

python -m gengan.main --config=configs/sngan.py
python -m gengan.main --config=configs/sngan.py:cifar10                            # the widths of the paper
python -m gengan.main --config=configs/sngan.py:cifar10 --config.model.conditional=False
python -m gengan.main --config=configs/sngan.py:celeb_a                            # 64 px, unconditional
python -m gengan.main --config=configs/sngan.py:fashion_mnist,small --config.data.source=idx:path/to/fashion_mnist

Digits and `small` are for 2 CPU cores.
"""

from ml_collections import ConfigDict

from gengan.config import defaults


def get_config(variant: str = 'digits') -> ConfigDict:
  variant, small = defaults.variant_and_size(variant)
  config = defaults.resnet(variant, small=small, width=64, num_steps=100_000, d_steps=5)
  config.model.name = 'gengan.models.sngan'
  config.model.initializer = 'xavier'
  return config
