"""Pictures from a hundred to a few thousand pictures, at widths for 2 CPU cores.

python -m gengan.main --config=configs/art.py --config.data.source=folder:path/to/pictures         # 64 px, RGB
python -m gengan.main --config=configs/art.py --config.data.source=zip:path/to/pictures.zip
python -m gengan.main --config=configs/art.py:tiles --config.data.source=folder:path/to/tiles   # 32 px, classes

Pictures are a FastGAN's; tiles, of which there are thousands, those of a conditional DCGAN with the relativistic loss,
R1 and differentiable augmentation. 2 CPU cores (AMD EPYC): pictures 4,000 steps of 0.63 s, tiles 13 minutes, shared.
docs/art.md shows the results and says how good they are.
"""

from ml_collections import ConfigDict

from gengan.config import defaults

VARIANTS = ('pictures', 'tiles')


def get_config(variant: str = 'pictures') -> ConfigDict:
  if variant not in VARIANTS:
    raise ValueError(f'unknown variant {variant!r}; it must be one of {", ".join(VARIANTS)}')
  if variant == 'pictures':
    config = defaults.fastgan('folder', width=16)
    config.num_steps = 4000
    return config
  config = defaults.gan('folder')
  config.num_steps = 6000
  config.augment = 'color,translation,cutout'
  defaults.relativistic(config, r1=1.0, learning_rate=2e-4)
  config.data.image_size = 32
  config.data.flip = False  # light falls from one side in pixel art
  config.model.conditional = True
  return config
