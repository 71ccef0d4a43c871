"""WGAN-GP (Gulrajani et al. 2017): residual networks, a critic without batch norm, gradient penalty.

At 32x32x3 with widths of 64 and latents of 128: 4,276,739 parameters in G, as in PyTorch-StudioGAN, and 1,053,824 in
D. StudioGAN's D has 1,055,879: 2,054 scales and biases of batch norm, which the paper leaves out of the critic (section
4), and a bias of the logit, which the loss never moves. `config.model.d_norm = 'layer'` puts layer norm in its place.
"""

from ml_collections import ConfigDict

from gengan import core
from gengan.models import from_config, resnet


def make(config: ConfigDict, axis_name: str | None = None) -> core.Algorithm:
  """Builds the recipe from a config such as `configs/wgan_gp.py`.

  Generated images have the labels of the real ones beside them, for the penalty is taken between the two.

  Args:
    config: read once, here. A conditional model needs `config.model.num_classes`.
    axis_name: the pmap axis that the step will run under; None for a global-view `jit`.

  Raises:
    ConfigError: a value that cannot be.
  """
  networks = resnet.networks(config, axis_name, d={'pool': 'mean', 'head_bias': False})
  return from_config.gan(config, *networks, axis_name=axis_name)
