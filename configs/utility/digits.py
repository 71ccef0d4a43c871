"""What generated digits are worth to a classifier, at 10, 50 and all real digits a class, and for a long tail.

python -m gengan.utility --config=configs/utility/digits.py
"""

from ml_collections import ConfigDict

from configs import conditional_dcgan


def get_config(variant: str = 'digits') -> ConfigDict:
  config = ConfigDict()
  config.generator = conditional_dcgan.get_config(variant)
  del config.generator.num_steps  # generator_steps says it, a regime each
  config.few_augment = 'translation'  # DiffAugment of generators with less than all images
  config.regimes = (10, 50, 0)  # real images a class; 0: all
  config.generator_steps = (2000, 3000, 6000)
  config.ratios = (1.0, 4.0)  # generated images for a real one
  config.seeds = 3

  config.synthetic = ConfigDict()
  config.synthetic.num = 5000  # images of the arms without real ones
  config.synthetic.means = ('', 'recycle', 'recycle+filter', 'recycle+expand')  # one such arm each; '': one fixed set
  config.synthetic.mixed_means = 'recycle'  # of the generated images beside real ones
  config.synthetic.every_epochs = 1  # recycle: passes until the generator draws anew
  config.synthetic.min_agreement = 0.5  # filter: probability that a classifier of the real images gives the class
  config.synthetic.scale = 1.2  # expand: factor of the latents

  config.classifier = ConfigDict()
  config.classifier.steps = 600
  config.classifier.passes = 50  # over the real images, of the arm 'real'
  config.classifier.batch_size = 128
  config.classifier.width = 16
  config.classifier.augment = 'translation'
  config.classifier.eval_every_steps = 100

  config.long_tail = ConfigDict()
  config.long_tail.imbalance = 20.0  # of the largest class to the smallest; 1: no such regime
  config.long_tail.generator_steps = 3000
  return config
