"""FastGAN: for a few hundred to a few thousand pictures.

python -m gengan.main --config=configs/fastgan.py:folder --config.data.source=folder:path/to/pictures       # 64 px, RGB
python -m gengan.main --config=configs/fastgan.py:folder,small --config.data.source=zip:path/to/pictures.zip
python -m gengan.main --config=configs/fastgan.py:fashion_mnist,small --config.data.source=idx:path/to/fashion_mnist

`small` is for 2 CPU cores, a quarter as wide. At other sizes: --config.data.image_size=128, a base of 4 to 7 times a
power of two.

Emoji, 64 px, `folder,small`: 2,070 steps of 578 ms, 20 minutes on two cores (AMD EPYC). python -m gengan.evaluate,
3 sets of 2,048 samples against 359 test images: fd_classifier 4.75 ± 0.14 and fd_efficientnet_lite0 917.9 ± 3.4, recall
0.53 and 0.08. DCGAN in 20 minutes: 24.42 ± 0.13 and 1535.1 ± 2.4. docs/gallery.md shows both, docs/art.md what 4,000
steps on faces alone give.
"""

from ml_collections import ConfigDict

from gengan.config import defaults


def get_config(variant: str = 'digits') -> ConfigDict:
  images, small = defaults.variant_and_size(variant)
  return defaults.fastgan(images, width=16 if small else 64)
