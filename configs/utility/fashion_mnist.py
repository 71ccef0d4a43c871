"""What generated clothes are worth to a classifier, from 10 real pictures a class to all, and for a long tail 1:100.

python -m gengan.utility --config=configs/utility/fashion_mnist.py \
  --config.generator.data.source=idx:path/to/fashion_mnist
"""

from ml_collections import ConfigDict

from gengan.config import defaults


def get_config(variant: str = 'fashion_mnist') -> ConfigDict:
  config = defaults.utility(variant)
  config.few_augment = 'translation,cutout'
  config.regimes = (10, 50, 100, 500, 0)
  config.generator_steps = (2000, 4000, 4000, 6000, 20_000)
  config.synthetic.num = 54_000
  config.classifier.steps = 2000
  config.long_tail.imbalance = 100.0
  config.long_tail.generator_steps = 6000
  return config
