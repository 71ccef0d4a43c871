"""SAGAN (Zhang et al. 2019): SNGAN with self-attention and spectral norm in both networks.

At 32x32x3 with widths of 64, latents of 128, 10 classes and attention at 16 px: 4,386,308 parameters in G and 1,075,586
in D.
"""

from ml_collections import ConfigDict

from gengan import core, gan
from gengan.config import classes
from gengan.models import from_config, resnet


def make(config: ConfigDict, axis_name: str | None = None) -> core.Algorithm:
  """Builds the recipe from a config such as `configs/sagan.py`; arguments and errors are those of `sngan.make`."""
  networks = resnet.networks(config, axis_name, g={'spectral_norm': True})
  draw_labels = gan.uniform_labels(classes(config))
  return from_config.gan(config, *networks, axis_name=axis_name, draw_labels=draw_labels)
