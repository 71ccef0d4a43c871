"""BigGAN (Brock et al. 2019): hierarchical latents, a shared class embedding, attention, orthogonal kernels.

At 32x32x3 with widths of 96, latents of 80 and 10 classes: 9,416,196 parameters in G and 2,415,170 in D, as in
PyTorch-StudioGAN. Labels of generated images are drawn by themselves, truncation draws latents again, and batch
statistics may be taken anew before a trained model is used ("standing statistics").
"""

from ml_collections import ConfigDict

from gengan import core, gan, latent
from gengan.config import ConfigError, classes
from gengan.models import from_config, resnet

STANDING_ROWS = 64  # images in a batch of the standing statistics


def make(config: ConfigDict, axis_name: str | None = None) -> core.Algorithm:
  """Builds the recipe from a config such as `configs/biggan.py`.

  Args:
    config: read once, here. A conditional model needs `config.model.num_classes`.
    axis_name: the pmap axis that the step will run under; None for a global-view `jit`.

  Raises:
    ConfigError: a value that cannot be.
  """
  _check(config)
  model, num_classes = config.model, classes(config)
  generator, discriminator = resnet.networks(config, axis_name, g={'spectral_norm': True, 'shared': model.shared_size})
  space = latent.z_space(generator, model.latent_size, redrawn=True)
  draw_labels = gan.uniform_labels(num_classes)
  algorithm = from_config.gan(
    config, generator, discriminator, axis_name=axis_name, space=space, draw_labels=draw_labels
  )
  if not model.standing_statistics:
    return algorithm
  forgetful = generator.clone(batch_norm_momentum=0.0, batch_norm_groups=1, axis_name=None)
  settings = {'batches': model.standing_statistics, 'rows': STANDING_ROWS, 'draw_labels': draw_labels}
  return algorithm._replace(settle=gan.standing_statistics(forgetful, algorithm.prior, **settings))


def _check(config: ConfigDict) -> None:
  resnet.check(config)
  model = config.model
  if model.standing_statistics < 0:
    raise ConfigError('model.standing_statistics', model.standing_statistics, 'at least 0')
  if model.shared_size < 1:
    raise ConfigError('model.shared_size', model.shared_size, 'at least 1')
  if model.g_label != 'batch_norm':
    raise ConfigError('model.g_label', model.g_label, "'batch_norm', which reads the shared embedding")
  parts = resnet.latent_parts(config.data.image_size)
  if model.latent_size < parts or model.latent_size % parts:
    allowed = f'a multiple of {parts}, one part for each block and one below'
    raise ConfigError('model.latent_size', model.latent_size, allowed)
