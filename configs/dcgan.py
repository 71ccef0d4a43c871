"""DCGAN on an image set of your choice.

python -m gengan.main --config=configs/dcgan.py                   # scikit-learn's digits, 16 px
python -m gengan.main --config=configs/dcgan.py:mnist             # prepared TFDS set, 32 px
python -m gengan.main --config=configs/dcgan.py:mnist --config.data.source=idx:path/to/mnist
python -m gengan.main --config=configs/dcgan.py:folder --config.data.source=folder:path/to/images

Digits: 82 s with installation, start and compilation on 2 quiet CPU cores (AMD EPYC), 2 min 41 s on slower ones;
docs/images/digits.png shows the result. python -m gengan.evaluate, 3 sets of 2,048 samples against the 179 test digits
(few: compare only with the same protocol): fd_classifier 3.99 ± 0.11, precision 0.61, recall 0.87, coverage 1.00.

The other variants likewise, 3 sets of 10,000 samples against the 10,000 test images, each with a classifier of its own
data; time on 2 CPU cores:

| | steps | minutes | fd_classifier | precision | recall | coverage |
|---|---:|---:|---:|---:|---:|---:|
| mnist | 6,000 | 9 | 4.58 | 0.77 | 0.80 | 0.60 |
| fashion_mnist | 20,000 | 34 | 1.69 | 0.76 | 0.81 | 0.72 |
| cifar10, from JPEGs | 20,000 | 38 | 3.13 | 0.91 | 0.75 | 0.81 |
"""

from ml_collections import ConfigDict

from configs import defaults


def get_config(variant: str = 'digits') -> ConfigDict:
  config = defaults.get_config(variant)
  few_images = variant in ('digits', 'folder')  # D tells a few thousand apart by heart unless it is kept smooth
  if variant in ('digits', 'mnist'):
    # Far beyond, batch norm in D lets MNIST's background turn grey: fd_classifier 4.4 on validation images at 6,000, 24
    # at 20,000.
    config.num_steps = 6000
  config.d_steps_per_g_step = 1  # updates of D, each with its share of the batch, for one of G
  config.loss = 'non_saturating'  # or minimax, least_squares, hinge, wasserstein, relativistic, relativistic_average
  config.augment = ''  # of what D sees: color, translation, cutout, noise, separated by commas; '' is none

  config.model = ConfigDict()
  config.model.name = 'gengan.models.dcgan'
  config.model.latent_size = 100
  config.model.width = 32 if variant == 'digits' else 64  # feature maps at half the image's size; doubled as it halves
  config.model.conditional = False
  config.model.num_classes = 0  # 0: as many as the data has
  config.model.g_slope = 0.0  # of G's leaky ReLU; 0 is a ReLU
  config.model.d_slope = 0.2
  config.model.d_norm = 'batch'  # batch | layer | spectral | none
  config.model.batch_norm_groups = 1  # 1: statistics over the whole batch; n: as n separate devices would see them

  config.regularizers = ConfigDict()
  # With d_norm 'batch' a logit depends on its whole batch, so these are penalties on the batch's summed logits.
  config.regularizers.r1 = 0.1 if few_images else 0.0
  config.regularizers.r2 = 0.0
  config.regularizers.gradient_penalty = 0.0  # not with d_norm 'batch'

  config.optimizers = ConfigDict()
  learning_rate = 5e-4 if few_images else 2e-4
  config.optimizers.generator = defaults.adam(learning_rate, b1=0.5)
  config.optimizers.discriminator = defaults.adam(learning_rate, b1=0.5)
  return config


def relativistic(config: ConfigDict, *, r1: float) -> None:
  """Makes it a smaller one with the relativistic loss, in which R1 keeps D smooth instead of batch norm."""
  config.loss = 'relativistic'
  config.regularizers.r1 = r1
  config.model.width = 32
  config.model.d_norm = 'none'
  config.model.g_slope = 0.2
  config.ema.half_life_kimg = 20.0
  for network in ('generator', 'discriminator'):
    config.optimizers[network] = defaults.adam(2e-4, b1=0.0)
