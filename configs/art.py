"""Pictures from a few thousand pictures: DCGAN with a relativistic loss, R1 and differentiable augmentation.

python -m gengan.main --config=configs/art.py --config.data.source=folder:path/to/pictures         # 64 px, RGB
python -m gengan.main --config=configs/art.py --config.data.source=zip:path/to/noto_emoji_128.zip
python -m gengan.main --config=configs/art.py:tiles --config.data.source=zip:path/to/crawl_tiles.zip   # 32 px, classes
"""

from ml_collections import ConfigDict

from configs import dcgan, defaults

VARIANTS = ('pictures', 'tiles')


def get_config(variant: str = 'pictures') -> ConfigDict:
  if variant not in VARIANTS:
    raise ValueError(f'unknown variant {variant!r}; it must be one of {", ".join(VARIANTS)}')
  config = dcgan.get_config('folder')
  config.num_steps = 6000
  config.augment = 'color,translation,cutout'
  config.loss = 'relativistic'
  config.regularizers.r1 = 1.0
  config.model.width = 32
  config.model.d_norm = 'none'  # R1 keeps D smooth instead
  config.model.g_slope = 0.2
  config.ema.half_life_kimg = 20.0
  for network in ('generator', 'discriminator'):
    config.optimizers[network] = defaults.adam(2e-4, b1=0.0)
  if variant == 'tiles':
    config.data.image_size = 32
    config.model.conditional = True
    config.data.flip = False  # light falls from one side in pixel art
  return config
