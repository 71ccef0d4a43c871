"""SNGAN (Miyato et al. 2018): residual networks, spectral norm in D, hinge loss; with classes projection and cBN.

At 32x32x3 with widths of 64 and latents of 128: 4,276,739 parameters in G and 1,053,825 in D; with 10 classes
(Miyato and Koyama 2018) 4,304,387 and 1,055,105, as in PyTorch-StudioGAN.
"""

from ml_collections import ConfigDict

from gengan import core, gan
from gengan.config import classes
from gengan.models import from_config, resnet


def make(config: ConfigDict, axis_name: str | None = None) -> core.Algorithm:
  """Builds the recipe from a config such as `configs/sngan.py`.

  Args:
    config: read once, here. A conditional model needs `config.model.num_classes`.
    axis_name: the pmap axis that the step will run under; None for a global-view `jit`.

  Raises:
    ConfigError: a value that cannot be.
  """
  networks = resnet.networks(config, axis_name)
  draw_labels = gan.uniform_labels(classes(config))
  return from_config.gan(config, *networks, axis_name=axis_name, draw_labels=draw_labels)
