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

from gengan.config import defaults


def get_config(variant: str = 'digits') -> ConfigDict:
  config = defaults.vae(variant)
  if variant == 'digits':
    config.num_steps = 3000
  if variant in ('mnist', 'fashion_mnist'):
    config.data.image_size = 28
  if variant == 'mnist':
    config.num_steps = 4690
    config.batch_size = 128
    config.data.binarise = 'stochastic'
    config.model.likelihood = 'bernoulli'
  return config
