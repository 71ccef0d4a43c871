"""WGAN-GP: residual networks, a critic without norms, gradient penalty.

python -m gengan.main --config=configs/wgan_gp.py
python -m gengan.main --config=configs/wgan_gp.py:cifar10                          # the widths of the paper
python -m gengan.main --config=configs/wgan_gp.py:cifar10 --config.model.conditional --config.model.d_label=auxiliary
python -m gengan.main --config=configs/wgan_gp.py:cifar10 --config.terms.gradient_penalty=0 --config.terms.dragan=10
python -m gengan.main --config=configs/wgan_gp.py:fashion_mnist,small --config.data.source=idx:path/to/fashion_mnist

Digits and `small` are for 2 CPU cores.
"""

from ml_collections import ConfigDict

from gengan.config import defaults


def get_config(variant: str = 'digits') -> ConfigDict:
  variant, small = defaults.variant_and_size(variant)
  config = defaults.resnet(variant, small=small, width=64, num_steps=100_000, d_steps=5)
  config.model.name = 'gengan.models.wgan_gp'
  config.model.conditional = False
  config.model.d_norm = 'none'
  config.model.initializer = 'xavier'
  config.loss = 'wasserstein'
  config.terms.gradient_penalty = 10.0
  config.data.dequantise = True
  return config
