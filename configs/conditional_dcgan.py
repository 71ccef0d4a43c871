"""Class-conditional DCGAN: the label one-hot beside G's latent, projection in D.

python -m gengan.main --config=configs/conditional_dcgan.py
python -m gengan.main --config=configs/conditional_dcgan.py:mnist --config.data.source=idx:path/to/mnist
"""

from ml_collections import ConfigDict

from configs import dcgan


def get_config(variant: str = 'digits') -> ConfigDict:
  config = dcgan.get_config(variant)
  config.model.conditional = True
  return config
