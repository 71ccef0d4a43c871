"""Projected GAN: FastGAN's generator against discriminators on a network that was trained on ImageNet.

pip install 'gengan[pretrained]'
python -m gengan.main --config=configs/projected_gan.py:folder --config.data.source=folder:path/to/pictures  # 64 px
python -m gengan.main --config=configs/projected_gan.py:cifar10,small --config.data.source=zip:path/to/cifar10.zip

`small` is for 2 CPU cores.

Two cores (AMD EPYC), python -m gengan.evaluate, 3 sets, fd_classifier and fd_efficientnet_lite0, on which it trains:
- Emoji, 64 px, `folder,small`: 1,634 steps of 734 ms, 20 minutes; 2,048 samples against 359 test images: 8.47 ± 0.07
  and 715.6 ± 1.0, recall 0.15 and 0.02. DCGAN in 20 minutes: 24.42 ± 0.13 and 1535.1 ± 2.4.
- CIFAR-10 as JPEG, `cifar10,small`: 1,700 steps of 559 ms, 16 minutes; 10,000 samples against 10,000 test images:
  2.40 ± 0.02 and 286.8 ± 1.9, recall 0.55 and 0.11. DCGAN in 20 minutes: 6.97 ± 0.04 and 614.4 ± 1.9.
- Fashion-MNIST, `fashion_mnist,small`: 2,000 steps of 695 ms, 23 minutes; 10,000 and 10,000: 4.12 ± 0.07 and
  240.2 ± 1.2, recall 0.45 and 0.13. DCGAN in 20 minutes: 2.97 ± 0.05 and 271.6 ± 1.3.
docs/gallery.md shows all three.
"""

from ml_collections import ConfigDict

from gengan.config import defaults


def get_config(variant: str = 'digits') -> ConfigDict:
  images, small = defaults.variant_and_size(variant)
  config = defaults.gan(images)
  config.batch_size = 32 if small else 64
  config.num_steps = 50_000
  config.loss = 'hinge'
  config.augment = 'color,translation,cutout' if config.data.channels == 3 else 'translation,cutout'
  config.terms.r1 = 0.0
  config.model.name = 'gengan.models.projected_gan'
  config.model.latent_size = 256
  config.model.width = 64 if not small else 8 if config.data.image_size == 64 else 16  # feature maps of G at 128 px
  config.model.d_width = 16 if small else 64  # feature maps of a discriminator at 64 px; doubled as it halves
  config.model.projector_size = 64 if small else 256  # pixels to which the pretrained network's images are enlarged
  config.model.pretrained = ''  # file of the network's weights; '': that of the extra `pretrained`
  for name in ('g_slope', 'd_slope', 'd_norm', 'batch_norm_groups'):  # of a DCGAN
    del config.model[name]
  for network, rate in (('generator', 1e-3), ('discriminator', 5e-4)):  # of few steps, larger ones than the paper's
    config.optimizers[network] = defaults.adam(rate if small else 2e-4, b1=0.0, b2=0.99)
  return config
