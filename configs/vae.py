"""Variational autoencoder on an image set of your choice.

    python -m gengan.main --config=configs/vae.py                   # scikit-learn's digits, 16 px
    python -m gengan.main --config=configs/vae.py:mnist --config.data.source=idx:path/to/mnist
    python -m gengan.main --config=configs/vae.py:folder --config.data.source=folder:path/to/images

`:mnist` is stochastically binarised MNIST in the setting of flax's VAE example: 20 latents, 28 px, Bernoulli
likelihood, batches of 128, Adam at 1e-3, 10 passes over the training images.
"""

from ml_collections import ConfigDict

VARIANTS = {
  'digits': {'source': 'digits', 'image_size': 16, 'channels': 1},
  'mnist': {'source': 'tfds:mnist', 'image_size': 28, 'channels': 1, 'binarise': 'stochastic'},
  'fashion_mnist': {'source': 'tfds:fashion_mnist', 'image_size': 28, 'channels': 1},
  'cifar10': {'source': 'tfds:cifar10', 'image_size': 32, 'channels': 3, 'flip': True},
  'celeb_a': {'source': 'tfds:celeb_a', 'image_size': 64, 'channels': 3, 'flip': True},
  'folder': {'source': 'folder:', 'image_size': 64, 'channels': 3, 'flip': True},
}


def get_config(variant: str = 'digits') -> ConfigDict:
  if variant not in VARIANTS:
    raise ValueError(f'unknown variant {variant!r} of configs/vae.py; it must be one of {", ".join(VARIANTS)}')
  binary = variant == 'mnist'
  small = variant in ('digits', 'mnist', 'fashion_mnist')
  config = ConfigDict()
  config.seed = 0
  config.num_steps = {'digits': 3000, 'mnist': 4690}.get(variant, 20_000)
  config.batch_size = 128 if binary else 64  # images a train step reads, over all devices

  config.data = ConfigDict()
  config.data.validation_fraction = 0.1  # of a set without a validation split of its own
  config.data.test_fraction = 0.1  # of a set without a test split of its own
  config.data.crop = True  # to the centre square, before the resize
  config.data.flip = False  # horizontally, at random
  config.data.dequantise = False  # uniform noise of one grey level
  config.data.binarise = 'none'  # none | threshold | stochastic
  config.data.exclude = ''  # manifest written by gengan.data.clean
  config.data.data_dir = ''  # where TFDS keeps its sets; '' is its default
  config.data.update(VARIANTS[variant])

  config.model = ConfigDict()
  config.model.name = 'gengan.models.conv_vae'
  config.model.architecture = 'conv'  # conv | mlp
  config.model.latent_size = 20 if small else 128
  config.model.width = 32 if small else 64  # feature maps at half the image's size; doubled as the size halves
  config.model.hidden_size = 500  # units of the dense layer on either side
  config.model.norm = 'none'  # none | batch
  config.model.conditional = False
  config.model.num_classes = 0  # 0: as many as the data has
  config.model.likelihood = 'bernoulli' if binary else 'discretized_logistic'  # or gaussian, ..._logistic_mixture
  config.model.sigma = 0.0  # of 'gaussian', in units of images in [-1, 1]; 0: learned for every pixel
  config.model.mixtures = 10  # of 'discretized_logistic_mixture'
  config.model.beta = 1.0  # weight of the KL term
  config.model.kl_warmup_steps = 0  # steps over which that weight grows from 0
  config.model.free_bits = 0.0  # nats for every latent dimension

  config.optimizer = ConfigDict()
  config.optimizer.name = 'adam'  # adam | adamw | sgd | rmsprop
  config.optimizer.learning_rate = 1e-3
  config.optimizer.b1 = 0.9
  config.optimizer.b2 = 0.999
  config.optimizer.eps = 1e-8
  config.optimizer.weight_decay = 0.0
  config.optimizer.clip_norm = 0.0
  config.optimizer.schedule = 'constant'  # constant | linear | cosine
  config.optimizer.warmup_steps = 0
  config.optimizer.decay_steps = 0
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
  config.checkpoint.best_metric = ''  # such as 'validation/elbo' with best_mode 'max'; '': none
  config.checkpoint.best_mode = 'min'

  config.log_every_steps = 50
  config.eval_every_steps = config.get_oneway_ref('num_steps') // 6
  config.sample_every_steps = config.get_oneway_ref('num_steps') // 30
  return config
