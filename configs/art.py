"""Pictures from a few thousand pictures: DCGAN with a relativistic loss, R1 and differentiable augmentation.

python -m gengan.main --config=configs/art.py --config.data.source=folder:path/to/pictures         # 64 px, RGB
python -m gengan.main --config=configs/art.py --config.data.source=zip:path/to/noto_emoji_128.zip
python -m gengan.main --config=configs/art.py:tiles --config.data.source=folder:path/to/tiles   # 32 px, classes

2 CPU cores (AMD EPYC), shared: tiles 13 minutes. docs/art.md shows the results and says how good they are.
"""

from ml_collections import ConfigDict

from gengan.config import defaults

VARIANTS = ('pictures', 'tiles')


def get_config(variant: str = 'pictures') -> ConfigDict:
  if variant not in VARIANTS:
    raise ValueError(f'unknown variant {variant!r}; it must be one of {", ".join(VARIANTS)}')
  config = defaults.gan('folder')
  config.num_steps = 6000
  config.augment = 'color,translation,cutout'
  defaults.relativistic(config, r1=1.0, learning_rate=2e-4)
  if variant == 'tiles':
    config.data.image_size = 32
    config.model.conditional = True
    config.data.flip = False  # light falls from one side in pixel art
  return config
