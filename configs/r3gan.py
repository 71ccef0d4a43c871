"""R3GAN: relativistic loss with R1 and R2 at every update, residual networks of grouped convolutions, no norm.

python -m gengan.main --config=configs/r3gan.py
python -m gengan.main --config=configs/r3gan.py:cifar10                            # the authors' widths and schedules
python -m gengan.main --config=configs/r3gan.py:celeb_a                            # 64 px, as the authors' FFHQ-64
python -m gengan.main --config=configs/r3gan.py:fashion_mnist,small --config.data.source=idx:path/to/fashion_mnist

Digits and `small` are for 2 CPU cores. Both players read images of their own: a step reads twice the authors' batch,
and thousands of images count twice theirs.

Fashion-MNIST, `small`: 8,000 steps of 111 ms, 15 minutes on two cores (AMD EPYC).
python -m gengan.evaluate, 3 sets of 10,000 samples against the 10,000 test images: fd_classifier 0.53 ± 0.02 and
fd_efficientnet_lite0 247.6 ± 0.4, recall 0.11 and 0.01. DCGAN in 20 minutes: 2.97 ± 0.05 and 271.6 ± 1.3, recall 0.77
and 0.19. docs/gallery.md shows both. Emoji, 64 px, `folder,small`, 4,200 steps of 288 ms: blobs of the right colours.
"""

from ml_collections import ConfigDict

from gengan.config import defaults

# gamma, rows of a player, learning rate, millions of images: half-life of the average; probability of augmentation
CIFAR = {'gamma': 0.05, 'rows': 512, 'rate': 2e-4, 'half_life': 5.0, 'augment': 0.55}
FFHQ64 = {'gamma': 2.0, 'rows': 256, 'rate': 2e-4, 'half_life': 0.5, 'augment': 0.3}
SMALL = {'gamma': 0.2, 'rows': 16, 'rate': 1.5e-3, 'augment': 0.55}  # narrow networks need the larger steps
SMALL_STEPS = {'cifar10': 7000, 'folder': 4200, 'celeb_a': 4200}  # 20 minutes on 2 CPU cores, AMD EPYC


def get_config(variant: str = 'digits') -> ConfigDict:
  variant, small = defaults.variant_and_size(variant)
  config = defaults.gan(variant)
  has_classes = variant not in defaults.WITHOUT_CLASSES
  values = SMALL if small else CIFAR if has_classes else FFHQ64
  config.num_steps = SMALL_STEPS.get(variant, 8000) if small else 100_000
  config.batch_size = 2 * values['rows']
  kimg = config.num_steps * config.batch_size / 1000 if small else 2 * 20_000  # of all schedules
  half_life = kimg / 20 if small else 2 * 1000 * values['half_life']
  config.loss = 'relativistic'
  if not small or variant in ('digits', 'folder'):  # on 2 CPU cores a large set is not seen often enough to be learned
    config.augment = 'color,translation,cutout' if config.data.channels == 3 else 'translation,cutout'
  config.ema.rampup = 0.0
  with config.ignore_type():  # a schedule where a number stood
    config.terms.r1 = defaults.cosine(values['gamma'], values['gamma'] / 10, kimg)
    config.terms.r2 = defaults.cosine(values['gamma'], values['gamma'] / 10, kimg)
    config.ema.half_life_kimg = defaults.cosine(0.0, half_life, kimg)
    config.augment_probability = defaults.cosine(0.0, values['augment'], kimg)
  for network in ('generator', 'discriminator'):
    config.optimizers[network] = defaults.adam(
      defaults.cosine(values['rate'], values['rate'] / (10 if small else 4), kimg),
      b1=0.0,
      b2=defaults.cosine(0.9, 0.99, kimg),
    )
  for name in ('g_label', 'd_label', 'g_slope', 'd_slope', 'd_norm', 'batch_norm_groups'):  # of a DCGAN
    del config.model[name]
  config.model.name = 'gengan.models.r3gan'
  config.model.latent_size = 64
  config.model.conditional = has_classes
  # Feature maps of the stages up to full_width_pixels; from twice this size on they halve as the size doubles.
  config.model.width = 128 if small else 768
  config.model.full_width_pixels = 4 if small else 32
  config.model.blocks = 1 if small else 2  # of a stage
  # Channels of a group of the 3x3 convolutions.
  config.model.group_size = 8 if small and config.data.image_size == 64 else 16
  config.model.expansion = 1 if small else 2  # a block is so many times as wide inside
  config.model.g_embedding = 64  # numbers of the label's embedding in G
  config.model.d_embedding = 96 if small else 768  # the same in D
  return config
