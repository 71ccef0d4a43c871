"""Class-conditional DCGAN with a residual generator: slower than `configs/conditional_dcgan.py`, and finer.

python -m gengan.main --config=configs/residual_dcgan.py
python -m gengan.main --config=configs/residual_dcgan.py:fashion_mnist --config.data.source=idx:path/to/fashion_mnist

Fashion-MNIST: 46 minutes on 2 CPU cores (AMD EPYC); docs/images/fashion.png shows the result, docs/utility.md says what
it is worth to a classifier.
"""

from ml_collections import ConfigDict

from configs import conditional_dcgan


def get_config(variant: str = 'digits') -> ConfigDict:
  config = conditional_dcgan.get_config(variant)
  config.model.name = 'gengan.models.residual_dcgan'
  config.model.g_width = 16 if variant == 'digits' else 32  # G's feature maps at full size; doubled as it halves
  if variant in ('mnist', 'fashion_mnist'):
    config.model.width = 64
    config.num_steps = 12_000
    for optimizer in (config.optimizers.generator, config.optimizers.discriminator):
      optimizer.decay_steps = 14_400  # to nothing, a little after the last step
  return config
