"""What generated digits are worth to a classifier, from 10 real images a class to all, and for a long tail 1:100.

python -m gengan.utility --config=configs/utility/mnist.py --config.generator.data.source=idx:path/to/mnist
"""

from ml_collections import ConfigDict

from configs.utility import fashion_mnist


def get_config(variant: str = 'mnist') -> ConfigDict:
  return fashion_mnist.get_config(variant)
