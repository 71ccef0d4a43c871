"""Variational autoencoder on an image set of your choice.

    python -m gengan.main --config=configs/vae.py                   # scikit-learn's digits, 16 px
    python -m gengan.main --config=configs/vae.py:mnist --config.data.source=idx:path/to/mnist
    python -m gengan.main --config=configs/vae.py:folder --config.data.source=folder:path/to/images

`:mnist` is stochastically binarised MNIST in the setting of flax's VAE example: 20 latents, 28 px, Bernoulli
likelihood, batches of 128, Adam at 1e-3, 600,000 images read.

Measured on 2 CPU cores (AMD EPYC), start and compilation included, by `python -m gengan.evaluate` on the test split:
  digits: 28 s. -ELBO 86.4 ± 0.5 nats (Gaussian of sigma 0.5 on [-1, 1]: a density), bound of 50 samples 83.7, 179
    images; fd_classifier 7.35 ± 0.09.
  mnist: 200 s. -ELBO 94.4 nats (0.174 bits a pixel), bound of 50 samples 90.3, 17 of 20 latents active; 10,000 images,
    54,001 trained on.
"""

from ml_collections import ConfigDict

from configs import defaults


def get_config(variant: str = 'digits') -> ConfigDict:
  config = defaults.get_config(variant)
  binary = variant == 'mnist'
  small = variant in ('digits', 'mnist', 'fashion_mnist')
  if variant == 'digits':
    config.num_steps = 3000
  if binary:
    config.num_steps = 4690
    config.batch_size = 128
    config.data.binarise = 'stochastic'
  if variant in ('mnist', 'fashion_mnist'):
    config.data.image_size = 28

  config.model = ConfigDict()
  config.model.name = 'gengan.models.conv_vae'
  config.model.architecture = 'conv'  # conv | mlp
  config.model.latent_size = 20 if small else 128
  config.model.width = 32 if small else 64  # feature maps at half the image's size; doubled as the size halves
  config.model.hidden_size = 500  # units of the dense layer on either side
  config.model.norm = 'none'  # none | batch
  config.model.conditional = False
  config.model.num_classes = 0  # 0: as many as the data has
  # bernoulli | gaussian | discretized_logistic | discretized_logistic_mixture
  config.model.likelihood = {'digits': 'gaussian', 'mnist': 'bernoulli'}.get(variant, 'discretized_logistic')
  config.model.sigma = 0.5  # of 'gaussian', in units of images in [-1, 1]; 0: learned for every pixel
  config.model.mixtures = 10  # of 'discretized_logistic_mixture'
  config.model.beta = 1.0  # weight of the KL term
  config.model.kl_warmup_steps = 0  # steps over which that weight grows from 0
  config.model.free_bits = 0.0  # nats for every latent dimension

  config.optimizer = defaults.adam(1e-3, b1=0.9)
  return config
