"""StyleGAN2, with ADA by config.

python -m gengan.main --config=configs/stylegan2.py
python -m gengan.main --config=configs/stylegan2.py:cifar10                      # as the ADA paper has it
python -m gengan.main --config=configs/stylegan2.py:folder --config.data.source=folder:path/to/pictures       # 64 px
python -m gengan.main --config=configs/stylegan2.py:fashion_mnist,small --config.data.source=idx:path/to/fashion_mnist

Digits and `small` are for 2 CPU cores. Few images: --config.augment=ada --config.ada_target=0.6
"""

from ml_collections import ConfigDict

from gengan.config import defaults


def get_config(variant: str = 'digits') -> ConfigDict:
  images, small = defaults.variant_and_size(variant)
  config = defaults.gan(images)
  config.batch_size = 32 if small else 64
  config.num_steps = 20_000 if small else 200_000
  size, is_cifar = config.data.image_size, images == 'cifar10'
  config.model.name = 'gengan.models.stylegan2'
  config.model.latent_size = 128 if small else 512
  config.model.w_size = 128 if small else 512  # numbers in a w
  config.model.mapping_layers = 2 if small or is_cifar else 8  # of the network from z to w
  config.model.d_mapping_layers = 2 if small else 8  # of the network from the label to D's projection
  # Feature maps times pixels of the size, up to channel_max.
  config.model.channel_base = min(1024, 32 * size) if small else 32_768
  config.model.channel_max = 128 if small else 512  # feature maps at most
  config.model.architecture = 'orig' if is_cifar else 'resnet'  # of D: orig | skip | resnet
  config.model.minibatch_std = 32 if is_cifar else 4  # rows whose deviation D sees; 0: none
  config.model.style_mixing = 0.0 if small or is_cifar else 0.9  # probability of a second w from some layer on
  config.model.w_avg_beta = 0.995  # share of the average of w that stays at a step
  config.model.g_label = 'embedding'  # embedding | one_hot
  config.model.d_label = 'projection'  # projection | auxiliary | embedding
  config.model.conditional = is_cifar
  for name in ('width', 'g_slope', 'd_slope', 'd_norm', 'batch_norm_groups'):  # of a DCGAN
    del config.model[name]

  config.terms.r1 = 0.01 if is_cifar else 0.0002 * size**2 / config.batch_size
  config.lazy.r1 = 16
  config.terms.path_length = 0.0 if small or is_cifar else 2.0
  config.lazy.path_length = 4
  config.ema.half_life_kimg = 500.0 if is_cifar else 10.0
  for network in ('generator', 'discriminator'):
    config.optimizers[network] = defaults.adam(0.0025, b1=0.0, b2=0.99)
  return config
