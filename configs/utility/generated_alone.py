"""How far generated images alone bring a classifier, all real ones being there for the generator.

python -m gengan.utility --config=configs/utility/generated_alone.py \
  --config.generator.data.source=idx:path/to/fashion_mnist
python -m gengan.utility --config=configs/utility/generated_alone.py:mnist \
  --config.generator.data.source=idx:path/to/mnist

docs/utility.md has the figures.
"""

from ml_collections import ConfigDict

from gengan.config import defaults


def get_config(variant: str = 'fashion_mnist') -> ConfigDict:
  config = defaults.utility(variant)
  config.regimes = (0,)
  config.generator_steps = (10_000,)
  config.ratios = ()
  config.synthetic.num = 54_000
  config.synthetic.means = ('', 'recycle', 'recycle+filter', 'recycle+filter+expand', 'recycle+relabel+expand')
  config.classifier.steps = 2000
  config.long_tail.imbalance = 1.0
  if variant == 'fashion_mnist':  # the generator is that of configs/residual_dcgan.py
    config.generator.model.name = 'gengan.models.residual_dcgan'
    config.generator.model.g_width = 32  # G's feature maps at full size; doubled as it halves
    config.generator.model.width = 64  # of D
    for optimizer in config.generator.optimizers.values():
      optimizer.learning_rate.kimg = 921.6  # thousands of images from start to end
    config.generator_steps = (12_000,)
    config.synthetic.min_agreement = 0.8
    config.classifier.steps = 3000
    config.classifier.augment = 'noise'  # hides the fine traces by which a classifier would know generated images
    config.classifier.eval_every_steps = 250
  return config
