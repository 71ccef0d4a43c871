"""FastGAN: for a few hundred to a few thousand pictures.

python -m gengan.main --config=configs/fastgan.py:folder --config.data.source=folder:path/to/pictures       # 64 px, RGB
python -m gengan.main --config=configs/fastgan.py:folder,small --config.data.source=zip:path/to/pictures.zip
python -m gengan.main --config=configs/fastgan.py:fashion_mnist,small --config.data.source=idx:path/to/fashion_mnist

`small` is for 2 CPU cores, a quarter as wide. At other sizes: --config.data.image_size=128, a base of 4 to 7 times a
power of two.
"""

from ml_collections import ConfigDict

from gengan.config import defaults


def get_config(variant: str = 'digits') -> ConfigDict:
  images, small = defaults.variant_and_size(variant)
  config = defaults.gan(images)
  config.batch_size = 16
  config.num_steps = 50_000
  config.loss = 'hinge'
  config.augment = 'color,translation' if config.data.channels == 3 else 'translation'
  config.ema.half_life_kimg = 10.0
  config.terms.r1 = 0.0
  config.terms.redrawing = 1.0
  config.model.name = 'gengan.models.fastgan'
  config.model.latent_size = 256
  config.model.width = 16 if small else 64  # feature maps of G at 128 px and of D at 64 px
  for name in ('g_slope', 'd_slope', 'd_norm', 'batch_norm_groups'):  # of a DCGAN
    del config.model[name]
  for network in ('generator', 'discriminator'):
    config.optimizers[network] = defaults.adam(2e-4, b1=0.5)
  return config
