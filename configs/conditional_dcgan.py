"""Class-conditional DCGAN: the label one-hot beside G's latent, projection in D.

python -m gengan.main --config=configs/conditional_dcgan.py
python -m gengan.main --config=configs/conditional_dcgan.py:mnist --config.data.source=idx:path/to/mnist
python -m gengan.main --config=configs/conditional_dcgan.py:fashion_mnist --config.data.source=idx:path/to/fashion_mnist

The MNIST family is trained with the relativistic loss and R1 instead of batch norm in D, at width 32.
"""

from ml_collections import ConfigDict

from configs import dcgan, defaults


def get_config(variant: str = 'digits') -> ConfigDict:
  config = dcgan.get_config(variant)
  config.model.conditional = True
  if variant in ('mnist', 'fashion_mnist'):
    config.loss = 'relativistic'
    config.regularizers.r1 = 0.5
    config.model.width = 32
    config.model.d_norm = 'none'  # R1 keeps D smooth instead
    config.model.g_slope = 0.2
    config.ema.half_life_kimg = 20.0
    for network in ('generator', 'discriminator'):
      config.optimizers[network] = defaults.adam(2e-4, b1=0.0)
      config.optimizers[network].schedule = 'linear'
      config.optimizers[network].decay_steps = 24_000  # to nothing, a little after the last step
  return config
