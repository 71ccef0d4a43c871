"""What every config shares: the data's treatment, the mesh, the checkpoints and the intervals."""

from typing import Any

from ml_collections import ConfigDict

VARIANTS = {
  'digits': {'source': 'digits', 'image_size': 16, 'channels': 1},
  'mnist': {'source': 'tfds:mnist', 'image_size': 32, 'channels': 1},
  'fashion_mnist': {'source': 'tfds:fashion_mnist', 'image_size': 32, 'channels': 1},
  'cifar10': {'source': 'tfds:cifar10', 'image_size': 32, 'channels': 3, 'flip': True},
  'celeb_a': {'source': 'tfds:celeb_a', 'image_size': 64, 'channels': 3, 'flip': True},
  'folder': {'source': 'folder:', 'image_size': 64, 'channels': 3, 'flip': True},
}


def get_config(variant: str = 'digits') -> ConfigDict:
  config = ConfigDict()
  config.seed = 0
  config.num_steps = 20_000
  config.batch_size = 64  # images a train step reads, over all devices
  config.private_data = False  # True: refuses to choose anything by looking at real images

  config.data = data(variant)

  config.ema = ConfigDict()
  config.ema.half_life_kimg = 10.0
  config.ema.rampup = 0.05

  config.mesh = ConfigDict()
  config.mesh.data = -1  # devices that share the batch; -1: all that are left
  config.mesh.fsdp = 1  # devices that share the state
  config.mesh.mode = 'jit'  # jit | pmap
  config.mesh.distributed = False  # several processes, one program

  config.checkpoint = ConfigDict()
  config.checkpoint.every_steps = 500
  config.checkpoint.keep_latest = 2
  config.checkpoint.keep_every_steps = 0  # 0: none but the newest and the best
  config.checkpoint.best_metric = ''  # such as 'validation/elbo' with best_mode 'max'; '': none
  config.checkpoint.best_mode = 'min'  # min | max

  config.evaluators = ConfigDict()
  config.evaluators.metrics = ''  # families such as 'frechet,manifold', against the validation split; '': none
  config.evaluators.network = 'pixels'  # pixels | classifier | inception:FILE
  config.evaluators.num_generated = 2000
  config.evaluators.every_steps = 1000

  config.log_every_steps = 50
  config.eval_every_steps = 500
  config.sample_every_steps = 100
  return config


def data(variant: str = 'digits', **overrides: Any) -> ConfigDict:
  """The images of a variant and their treatment; every field that `gengan.data` reads."""
  if variant not in VARIANTS:
    raise ValueError(f'unknown variant {variant!r}; it must be one of {", ".join(VARIANTS)}')
  config = ConfigDict()
  config.validation_fraction = 0.1  # of a set without a validation split of its own
  config.test_fraction = 0.1  # of a set without a test split of its own
  config.crop = True  # to the centre square, before the resize; otherwise the picture is stretched
  config.flip = False  # horizontally, at random, in training
  config.dequantise = False  # uniform noise of one grey level
  config.binarise = 'none'  # none | threshold | stochastic
  config.examples_per_class = 0  # of the train and of the validation split at most; 0: all
  config.imbalance = 1.0  # the first class has so many times the training examples of the last
  config.subset_seed = 0  # which examples these two keep
  config.exclude = ''  # manifest written by gengan.data.clean
  config.data_dir = ''  # where TFDS keeps its sets; '' is its default
  config.update(VARIANTS[variant])
  config.update(overrides)
  return config


def adam(learning_rate: float, b1: float) -> ConfigDict:
  """An optimizer section; every field can be overridden."""
  config = ConfigDict()
  config.name = 'adam'  # adam | adamw | sgd | rmsprop
  config.learning_rate = learning_rate
  config.b1 = b1
  config.b2 = 0.999
  config.eps = 1e-8
  config.weight_decay = 0.0  # of adamw
  config.clip_norm = 0.0  # 0: off
  config.schedule = 'constant'  # constant | linear | cosine
  config.warmup_steps = 0
  config.decay_steps = 0
  return config
