"""BigGAN: shared class embedding, hierarchical latents, attention, orthogonal kernels; its widths for CIFAR-10.

python -m gengan.main --config=configs/biggan.py
python -m gengan.main --config=configs/biggan.py:cifar10                           # the widths of PyTorch-StudioGAN
python -m gengan.main --config=configs/biggan.py:celeb_a                           # 64 px, unconditional
python -m gengan.main --config=configs/biggan.py:fashion_mnist,small --config.data.source=idx:path/to/fashion_mnist

At 128 px: --config.data.image_size=128 --config.model.latent_size=120. Digits and `small` are for 2 CPU cores.
"""

from ml_collections import ConfigDict

from gengan.config import defaults


def get_config(variant: str = 'digits') -> ConfigDict:
  variant, small = defaults.variant_and_size(variant)
  config = defaults.resnet(variant, small=small, width=96, num_steps=100_000, d_steps=5)
  if not small:
    kimg = config.batch_size / 1000  # of one step
    with config.ignore_type():  # a schedule where a number stood
      config.ema.half_life_kimg = defaults.step(0.0, 6931 * kimg, kimg=1000 * kimg)  # 0.9999 a step, from step 1000 on
    config.ema.rampup = 0.0
  config.model.name = 'gengan.models.biggan'
  config.model.latent_size = {16: 60, 32: 80, 64: 120}[config.data.image_size]
  config.model.shared_size = 128  # of the class embedding that all batch norms read
  config.model.attention = 2  # where maps have the image's size divided by this; 0: nowhere
  config.model.standing_statistics = 0  # batches of 64 that batch norm's statistics are of after training; 0: none
  for network in () if small else ('generator', 'discriminator'):
    config.optimizers[network] = defaults.adam(2e-4, b1=0.0, b2=0.999)
  return config
