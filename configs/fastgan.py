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
  return defaults.fastgan(images, width=16 if small else 64)
