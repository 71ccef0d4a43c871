"""Class-conditional DCGAN: the label one-hot beside G's latent, projection in D.

python -m gengan.main --config=configs/conditional_dcgan.py
python -m gengan.main --config=configs/conditional_dcgan.py:mnist --config.data.source=idx:path/to/mnist
python -m gengan.main --config=configs/conditional_dcgan.py:fashion_mnist --config.data.source=idx:path/to/fashion_mnist

The MNIST family is trained with the relativistic loss and R1 instead of batch norm in D, at width 32.
"""

from ml_collections import ConfigDict

from configs import dcgan


def get_config(variant: str = 'digits') -> ConfigDict:
  config = dcgan.get_config(variant)
  config.model.conditional = True
  if variant in ('mnist', 'fashion_mnist'):
    dcgan.relativistic(config, r1=0.5)
    for optimizer in (config.optimizers.generator, config.optimizers.discriminator):
      optimizer.schedule = 'linear'
      optimizer.decay_steps = 24_000  # to nothing, a little after the last step
  return config
