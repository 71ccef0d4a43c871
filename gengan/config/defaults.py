"""What configs share: every field that training reads is here, with what it means.

`gan` and `vae` give a whole config for an image set, `utility` one of a comparison; the other functions give sections.
"""

import copy
from typing import Any

from ml_collections import ConfigDict

from gengan.config import schedules, term_fields
from gengan.config.errors import ConfigError

linear, cosine, step = schedules.linear, schedules.cosine, schedules.step

VARIANTS = {
  'digits': {'source': 'digits', 'image_size': 16, 'channels': 1},
  'mnist': {'source': 'tfds:mnist', 'image_size': 32, 'channels': 1},
  'fashion_mnist': {'source': 'tfds:fashion_mnist', 'image_size': 32, 'channels': 1},
  'cifar10': {'source': 'tfds:cifar10', 'image_size': 32, 'channels': 3, 'flip': True},
  'celeb_a': {'source': 'tfds:celeb_a', 'image_size': 64, 'channels': 3, 'flip': True},
  'folder': {'source': 'folder:', 'image_size': 64, 'channels': 3, 'flip': True},
  'stacked_mnist': {'source': 'stacked:', 'image_size': 32, 'channels': 3},
}
WITHOUT_CLASSES = ('celeb_a', 'folder', 'stacked_mnist')  # or with so many that no recipe is asked for one by default


def variant_and_size(variant: str) -> tuple[str, bool]:
  """The image set in a config's argument, and whether it asks for a width for 2 CPU cores; digits are always small.

  Raises:
    ValueError: a word that is neither an image set nor 'small', or two image sets.

  >>> variant_and_size('cifar10,small'), variant_and_size('cifar10'), variant_and_size('small')
  (('cifar10', True), ('cifar10', False), ('digits', True))
  """
  words = variant.split(',')
  sets = [word for word in words if word != 'small']
  for word in sets:
    _check_variant(word)
  if len(sets) > 1 or words.count('small') > 1:
    raise ValueError(f"unknown variant {variant!r}; it must be an image set, 'small', or both with a comma between")
  name = sets[0] if sets else 'digits'
  return name, 'small' in words or name == 'digits'


def gan(variant: str = 'digits', *, conditional: bool = False) -> ConfigDict:
  """A DCGAN on an image set; of the MNIST family a conditional one has the relativistic loss instead of batch norm."""
  config = training(variant)
  few_images = variant in ('digits', 'folder')  # D tells a few thousand apart by heart unless it is kept smooth
  config.d_steps_per_g_step = 1  # updates of D, each with its share of the batch, for one of G
  config.loss = 'non_saturating'  # or minimax, least_squares, hinge, wasserstein, relativistic, relativistic_average
  config.augment = ''  # of what D sees: color, translation, cutout, flip, noise, ada; 'ada,cutout*0.5'; '' is none
  config.augment_probability = 1.0  # of each of these, for an image
  config.ada_target = 0.0  # that probability adapts until D is so sure of real images (0.6 in ADA); 0: it does not
  config.ada_kimg = 500.0  # thousands of images in which that probability can go from 0 to 1

  config.model = ConfigDict()
  config.model.name = 'gengan.models.dcgan'  # import path of the recipe
  config.model.latent_size = 100  # numbers in a z
  config.model.width = 32 if variant == 'digits' else 64  # feature maps at half the image's size; doubled as it halves
  config.model.conditional = conditional  # whether the model is asked for a class
  config.model.num_classes = 0  # 0: as many as the data has
  config.model.g_label = 'one_hot'  # how the class enters G: one_hot | embedding | batch_norm
  config.model.d_label = 'projection'  # how the class enters D: projection | auxiliary | embedding
  config.model.g_slope = 0.0  # of G's leaky ReLU; 0 is a ReLU
  config.model.d_slope = 0.2  # of D's leaky ReLU
  config.model.d_norm = 'batch'  # batch | layer | spectral | none
  config.model.batch_norm_groups = 1  # 1: statistics over the whole batch; n: as n separate devices would see them

  term_fields.add(config, r1=0.1 if few_images else 0.0)

  config.optimizers = ConfigDict()
  for network in ('generator', 'discriminator'):
    config.optimizers[network] = adam(5e-4 if few_images else 2e-4, b1=0.5)
  if conditional and variant in ('mnist', 'fashion_mnist'):
    relativistic(config, r1=0.5, learning_rate=linear(2e-4, 0.0, kimg=1536.0))  # to 0 a little after 20,000 steps
  return config


def relativistic(config: ConfigDict, *, r1: float, learning_rate: float | ConfigDict) -> None:
  """Makes a GAN a smaller one with the relativistic loss, in which R1 keeps D smooth instead of batch norm."""
  config.loss = 'relativistic'
  config.terms.r1 = r1
  config.model.width = 32
  config.model.d_norm = 'none'
  config.model.g_slope = 0.2
  config.ema.half_life_kimg = 20.0
  for network in ('generator', 'discriminator'):
    config.optimizers[network] = adam(learning_rate, b1=0.0)


def resnet(variant: str, *, small: bool, width: int, num_steps: int, d_steps: int) -> ConfigDict:
  """A GAN of residual networks with hinge loss, conditional where there are classes; its learning rates fall to 0.

  Args:
    variant: an image set.
    small: for 2 CPU cores, whatever the other arguments.
    width: of both networks.
    num_steps: of the run.
    d_steps: updates of D with 64 images each, for one of G.
  """
  if small:
    width, num_steps, d_steps = 16 if variant == 'digits' else 24, 6000, 1
  config = gan(variant)
  config.loss = 'hinge'
  config.batch_size = 64 * d_steps
  config.num_steps = num_steps
  config.d_steps_per_g_step = d_steps
  config.terms.r1 = 0.0
  config.model.latent_size = 128
  config.model.conditional = variant not in WITHOUT_CLASSES
  config.model.d_norm = 'spectral'  # none | layer | spectral
  config.model.g_width = width  # feature maps of G at full size, doubled as it halves; not tapered: a fourth of all
  config.model.d_width = width  # feature maps of D at full size, doubled as it halves; not tapered: half of all
  config.model.tapered = small  # False: up to 56 px all blocks are as wide
  config.model.g_label = 'batch_norm'
  config.model.initializer = 'orthogonal'  # orthogonal | xavier | normal
  for name in ('width', 'g_slope', 'd_slope'):  # of a DCGAN
    del config.model[name]
  for network in ('generator', 'discriminator'):
    rate = linear(4e-4 if small else 2e-4, 0.0, kimg=num_steps * config.batch_size / 1000)
    config.optimizers[network] = adam(rate, b1=0.0, b2=0.9)
  return config


def fastgan(variant: str, *, width: int) -> ConfigDict:
  """A FastGAN, for few images: hinge loss, images redrawn from D's features, small batches.

  Args:
    variant: an image set.
    width: feature maps of G at 128 px and of D at 64 px; 64 in the paper.
  """
  config = gan(variant)
  config.batch_size = 16
  config.num_steps = 50_000
  config.loss = 'hinge'
  config.augment = 'color,translation' if config.data.channels == 3 else 'translation'
  config.ema.half_life_kimg = 10.0
  config.terms.r1 = 0.0
  config.terms.redrawing = 1.0
  config.model.name = 'gengan.models.fastgan'
  config.model.latent_size = 256
  config.model.width = width  # feature maps of G at 128 px and of D at 64 px
  for name in ('g_slope', 'd_slope', 'd_norm', 'batch_norm_groups'):  # of a DCGAN
    del config.model[name]
  for network in ('generator', 'discriminator'):
    config.optimizers[network] = adam(2e-4, b1=0.5)
  return config


def vae(variant: str = 'digits') -> ConfigDict:
  """A convolutional VAE on an image set."""
  config = training(variant)
  small = variant in ('digits', 'mnist', 'fashion_mnist')
  config.model = ConfigDict()
  config.model.name = 'gengan.models.conv_vae'  # import path of the recipe
  config.model.architecture = 'conv'  # conv | mlp
  config.model.latent_size = 20 if small else 128  # numbers in a z
  config.model.width = 32 if small else 64  # feature maps at half the image's size; doubled as the size halves
  config.model.hidden_size = 500  # units of the dense layer on either side
  config.model.norm = 'none'  # none | batch
  config.model.conditional = False  # whether the model is asked for a class
  config.model.num_classes = 0  # 0: as many as the data has
  # bernoulli | gaussian | discretized_logistic | discretized_logistic_mixture
  config.model.likelihood = 'gaussian' if variant == 'digits' else 'discretized_logistic'
  config.model.sigma = 0.5  # of 'gaussian', in units of images in [-1, 1]; 0: learned for every pixel
  config.model.mixtures = 10  # of 'discretized_logistic_mixture'
  config.model.beta = 1.0  # weight of the KL term; a schedule from 0 warms it up
  config.model.free_bits = 0.0  # nats for every latent dimension

  config.optimizer = adam(1e-3, b1=0.9)
  return config


def training(variant: str) -> ConfigDict:
  """What a run needs whatever its recipe: data, mesh, checkpoints and intervals."""
  config = ConfigDict()
  config.seed = 0  # of the initial weights, the order of the data and all noise
  config.num_steps = 20_000  # train steps of the whole run
  config.batch_size = 64  # images a train step reads, over all devices
  config.micro_batches = 1  # parts of the batch, one after the other: less memory; the same gradient but for batch norm
  config.dtype = 'float32'  # of what networks compute: float32 | bfloat16; weights and losses stay float32
  config.init_from = ''  # folder of a run whose weights this one begins with; '': none
  config.private_data = False  # True: refuses to choose anything by looking at real images

  config.data = data(variant)

  config.ema = ConfigDict()  # moving average of the weights, which is evaluated and sampled
  config.ema.half_life_kimg = 10.0  # thousands of images after which a weight counts half; 0: no average
  config.ema.rampup = 0.05  # at most this share of the images seen so far; 0: no such limit

  config.mesh = ConfigDict()
  config.mesh.data = -1  # devices that share the batch; -1: all that are left
  config.mesh.fsdp = 1  # devices that share the state
  config.mesh.mode = 'jit'  # jit | pmap
  config.mesh.distributed = False  # several processes, one program

  config.checkpoint = ConfigDict()
  config.checkpoint.every_steps = 500  # between two checkpoints
  config.checkpoint.keep_latest = 2  # checkpoints
  config.checkpoint.keep_every_steps = 0  # keeps those of such steps for good; 0: none but the newest and the best
  config.checkpoint.best_metric = ''  # such as 'validation/elbo' with best_mode 'max'; '': none
  config.checkpoint.best_mode = 'min'  # min | max

  config.evaluators = ConfigDict()
  config.evaluators.metrics = ''  # families such as 'frechet,manifold', against the validation split; '': none
  config.evaluators.network = 'pixels'  # pixels | classifier | efficientnet_lite0 | inception:FILE; or several: a,b
  config.evaluators.num_generated = 2000  # images that are measured
  config.evaluators.every_steps = 1000  # between two measurements

  config.log_every_steps = 50  # metrics of the train step
  config.eval_every_steps = 500  # what the recipe computes on the validation split
  config.sample_every_steps = 100  # grids of samples
  return config


def data(variant: str = 'digits', **overrides: Any) -> ConfigDict:
  """The images of a variant and their treatment; every field that `gengan.data` reads.

  Raises a ValueError for an unknown variant, and for an override of no field or of another type.
  """
  _check_variant(variant)
  config = ConfigDict()
  # digits, idx:DIR, stacked:DIR, npz:FILE or DIR, folder:DIR, zip:FILE, tfds:NAME
  config.source = VARIANTS[variant]['source']
  config.image_size = VARIANTS[variant]['image_size']  # pixels, both ways
  config.channels = VARIANTS[variant]['channels']  # 1: greyscale, 3: RGB
  config.validation_fraction = 0.1  # of a set without a validation split of its own
  config.test_fraction = 0.1  # of a set without a test split of its own
  config.range = 'auto'  # black and white of values that are not 0 to 255, '0,4095'; auto: looks at the set and tells
  config.crop = True  # to the centre square, before the resize; otherwise the picture is stretched
  config.flip = VARIANTS[variant].get('flip', False)  # horizontally, at random, in training
  config.dequantise = False  # uniform noise of one grey level
  config.binarise = 'none'  # none | threshold | stochastic
  config.examples_per_class = 0  # of the train and of the validation split at most; 0: all
  config.imbalance = 1.0  # the first class has so many times the training examples of the last
  config.subset_seed = 0  # which examples these two keep
  config.exclude = ''  # manifest written by gengan.data.clean
  config.data_dir = ''  # where TFDS keeps its sets; '' is its default
  for name, value in overrides.items():
    if name not in config:
      raise ConfigError(f'data.{name}', value, 'left out', why=f'but there is none but {", ".join(config)}')
    try:
      config[name] = value
    except TypeError as error:
      raise ConfigError(f'data.{name}', value, f'like {config[name]!r}') from error
  return config


def adam(learning_rate: float | ConfigDict, b1: float, b2: float | ConfigDict = 0.999) -> ConfigDict:
  """An optimizer; its learning rate and b2 may be schedules."""
  config = ConfigDict()
  config.name = 'adam'  # adam | adamw | sgd | rmsprop
  config.learning_rate = copy.deepcopy(learning_rate)  # a number or a schedule
  config.b1 = b1  # adam, adamw: decay of the first moment; sgd, rmsprop: momentum
  config.b2 = copy.deepcopy(b2)  # decay of the second moment; a number or a schedule
  config.eps = 1e-8  # added to the denominator
  config.weight_decay = 0.0  # of adamw
  config.clip_norm = 0.0  # global norm of the gradient; 0: off
  config.clip_weights = 0.0  # every weight stays within plus and minus this (0.01 for D in WGAN); 0: off
  return config


def utility(variant: str) -> ConfigDict:
  """A comparison of classifiers trained with and without images of a conditional DCGAN."""
  config = ConfigDict()
  config.generator = gan(variant, conditional=True)  # a training config
  del config.generator.num_steps  # generator_steps says it, a regime each
  config.few_augment = 'translation'  # DiffAugment of generators with less than all images
  config.regimes = (10, 50, 0)  # real images a class; 0: all
  config.generator_steps = (2000, 3000, 6000)  # one for each regime
  config.ratios = (1.0, 4.0)  # generated images for a real one
  config.seeds = 3  # classifiers of each kind

  config.synthetic = ConfigDict()
  config.synthetic.num = 5000  # images of the arms without real ones
  config.synthetic.means = ('', 'recycle', 'recycle+filter', 'recycle+expand')  # one such arm each; '': one fixed set
  config.synthetic.mixed_means = 'recycle'  # of the generated images beside real ones
  config.synthetic.every_epochs = 1  # recycle: passes until the generator draws anew
  config.synthetic.min_agreement = 0.5  # filter: probability that a classifier of the real images gives the class
  config.synthetic.scale = 1.2  # expand: factor of the latents

  config.classifier = ConfigDict()
  config.classifier.steps = 600  # updates; the arm 'real' may make fewer
  config.classifier.passes = 50  # over the real images, of the arm 'real'
  config.classifier.batch_size = 128  # images an update reads
  config.classifier.width = 16  # feature maps of the first stage
  config.classifier.augment = 'translation'  # classical, in the arms that have it
  config.classifier.eval_every_steps = 100  # looks at the validation split, for early stopping

  config.long_tail = ConfigDict()
  config.long_tail.imbalance = 20.0  # of the largest class to the smallest; 1: no such regime
  config.long_tail.generator_steps = 3000  # train steps of its generator
  return config


def _check_variant(variant: str) -> None:
  if variant not in VARIANTS:
    raise ValueError(f'unknown variant {variant!r}; it must be one of {", ".join(VARIANTS)}')
