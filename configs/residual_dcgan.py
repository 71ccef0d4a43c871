"""Class-conditional DCGAN with a residual generator: slower than `configs/conditional_dcgan.py`, and finer.

python -m gengan.main --config=configs/residual_dcgan.py
python -m gengan.main --config=configs/residual_dcgan.py:fashion_mnist --config.data.source=idx:path/to/fashion_mnist

Fashion-MNIST: 46 minutes on 2 CPU cores (AMD EPYC); docs/images/fashion.png shows the result, docs/utility.md says what
it is worth to a classifier.
"""

from ml_collections import ConfigDict

from gengan.config import defaults


def get_config(variant: str = 'digits') -> ConfigDict:
  config = defaults.gan(variant, conditional=True)
  config.model.name = 'gengan.models.residual_dcgan'
  config.model.g_width = 16 if variant == 'digits' else 32  # G's feature maps at full size; doubled as it halves
  if variant == 'digits':
    config.num_steps = 6000
  if variant in ('mnist', 'fashion_mnist'):
    config.num_steps = 12_000
    config.model.width = 64  # of D
    for optimizer in config.optimizers.values():
      optimizer.learning_rate.kimg = 921.6  # to 0 a little after the last step
  return config
