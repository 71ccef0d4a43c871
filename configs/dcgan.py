"""DCGAN on an image set of your choice.

    python -m gengan.main --config=configs/dcgan.py                   # scikit-learn's digits, 16 px
    python -m gengan.main --config=configs/dcgan.py:mnist             # prepared TFDS set, 32 px
    python -m gengan.main --config=configs/dcgan.py:mnist --config.data.source=idx:path/to/mnist
    python -m gengan.main --config=configs/dcgan.py:folder --config.data.source=folder:path/to/images
"""

from ml_collections import ConfigDict

VARIANTS = {
  'digits': dict(source='digits', image_size=16, channels=1),
  'mnist': dict(source='tfds:mnist', image_size=32, channels=1),
  'fashion_mnist': dict(source='tfds:fashion_mnist', image_size=32, channels=1),
  'cifar10': dict(source='tfds:cifar10', image_size=32, channels=3, flip=True),
  'celeb_a': dict(source='tfds:celeb_a', image_size=64, channels=3, flip=True),
  'folder': dict(source='folder:', image_size=64, channels=3, flip=True),
}


def get_config(variant: str = 'digits') -> ConfigDict:
  if variant not in VARIANTS:
    raise ValueError(f'unknown variant {variant!r} of configs/dcgan.py; it must be one of {", ".join(VARIANTS)}')
  config = ConfigDict()
  config.seed = 0
  config.num_steps = 3000 if variant == 'digits' else 20_000
  config.batch_size = 64  # images a train step reads, over all devices
  config.d_steps_per_g_step = 1  # updates of D, each with its share of the batch, for one of G

  config.data = ConfigDict()
  config.data.validation_fraction = 0.1  # of a set without a validation split of its own
  config.data.test_fraction = 0.1  # of a set without a test split of its own
  config.data.crop = True  # to the centre square, before the resize
  config.data.flip = False  # horizontally, at random
  config.data.dequantise = False  # uniform noise of one grey level
  config.data.binarise = 'none'
  config.data.exclude = ''  # manifest written by gengan.data.clean
  config.data.data_dir = ''  # where TFDS keeps its sets; '' is its default
  config.data.update(VARIANTS[variant])

  config.model = ConfigDict()
  config.model.name = 'gengan.models.dcgan'
  config.model.latent_size = 100
  config.model.width = 64
  config.model.conditional = False
  config.model.num_classes = 0  # 0: as many as the data has
  config.model.g_slope = 0.0  # of G's leaky ReLU; 0 is a ReLU
  config.model.d_slope = 0.2
  config.model.d_norm = 'batch'  # batch | layer | spectral | none
  config.model.batch_norm_groups = 1  # 1: statistics over the whole batch; n: as n separate devices would see them

  config.loss = 'non_saturating'
  config.regularizers = ConfigDict()
  config.regularizers.r1 = 0.0
  config.regularizers.r2 = 0.0
  config.regularizers.gradient_penalty = 0.0

  adam = dict(
    name='adam',
    learning_rate=2e-4,
    b1=0.5,
    b2=0.999,
    eps=1e-8,
    weight_decay=0.0,
    clip_norm=0.0,
    schedule='constant',
    warmup_steps=0,
    decay_steps=0,
  )
  config.optimizers = ConfigDict({'generator': adam, 'discriminator': adam})
  config.ema = ConfigDict()
  config.ema.half_life_kimg = 10.0
  config.ema.rampup = 0.05

  config.mesh = ConfigDict()
  config.mesh.data = -1  # devices that share the batch; -1: all that are left
  config.mesh.fsdp = 1  # devices that share the state
  config.mesh.mode = 'jit'  # jit | pmap
  config.mesh.distributed = False  # several processes, one program

  config.checkpoint = ConfigDict()
  config.checkpoint.every_steps = config.get_oneway_ref('num_steps') // 6
  config.checkpoint.keep_latest = 2
  config.checkpoint.keep_every_steps = 0
  config.checkpoint.best_metric = ''  # such as 'validation/d_real'; '': none
  config.checkpoint.best_mode = 'min'

  config.log_every_steps = 50
  config.eval_every_steps = config.get_oneway_ref('num_steps') // 6
  config.sample_every_steps = config.get_oneway_ref('num_steps') // 30
  return config
