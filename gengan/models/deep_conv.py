"""The "standard" convolutional GAN of Miyato et al. (2018), table 3, which PyTorch-StudioGAN calls deep-conv DCGAN.

D has two convolutions a size, 3x3 and 4x4 with stride 2, and one more at the end; G is a DCGAN with a 3x3 convolution
to the image. At 32x32x3, latents of 128, width 64 and batch norm in D: 3,812,355 parameters in G and 2,931,009 in D, as
in PyTorch-StudioGAN's log. `config.model.d_norm` 'spectral' is SNGAN's network in the table, but that D sums its last
maps over the pixels.
"""

from functools import partial

import jax
import jax.numpy as jnp
from flax import linen as nn
from ml_collections import ConfigDict

from gengan import core, layers
from gengan.models import dcgan


class Generator(dcgan.Generator):
  """Latents [N, Z] and labels [N] to images [N, S, S, C] in [-1, 1]; `width` feature maps at full size."""

  @nn.compact
  def __call__(self, latents: jax.Array, labels: jax.Array, *, train: bool) -> jax.Array:
    base, doublings = layers.resolution_plan(self.image_size)
    norm, features = self._norm(labels, train), self.width * 2**doublings
    latents = layers.LabelInput(self.num_classes, self.label)(latents, labels, train=train)
    x = nn.Dense(base * base * features, kernel_init=dcgan.kernel_init)(latents).reshape(-1, base, base, features)
    for _ in range(doublings):
      features //= 2
      x = layers.ConvTranspose(features, (4, 4), strides=(2, 2), kernel_init=dcgan.kernel_init)(x)
      x = nn.leaky_relu(norm(x), self.slope)
    return jnp.tanh(layers.Conv(self.channels, (3, 3), kernel_init=dcgan.kernel_init)(x))


class Discriminator(dcgan.Discriminator):
  """Images [N, S, S, C] and labels [N] to 'logits' [N] and 'features' [N, F], the last maps summed over the pixels."""

  @nn.compact
  def __call__(self, images: jax.Array, labels: jax.Array, *, train: bool) -> dict[str, jax.Array]:
    _, doublings = layers.resolution_plan(images.shape[1])
    conv = partial(layers.Conv, **self._kernels)
    x = layers.LabelInput(self.num_classes if self.label == 'embedding' else 0)(images, labels)
    for features in [self.width * 2**i for i in range(doublings)]:
      x = self._activated(conv(features, (3, 3))(x, train=train), train)
      x = self._activated(conv(features, (4, 4), strides=(2, 2))(x, train=train), train)
    x = self._activated(conv(self.width * 2**doublings, (3, 3))(x, train=train), train)
    pooled = jnp.sum(x, axis=(1, 2))
    head = layers.LabelHead(self.num_classes, self.label, embedding_init=dcgan.kernel_init, **self._kernels)
    output = head(pooled, labels, train=train)
    return {**(output if isinstance(output, dict) else {'logits': output}), 'features': pooled}


def make(config: ConfigDict, axis_name: str | None = None) -> core.Algorithm:
  """Builds the recipe from a config such as `configs/deep_conv.py`.

  Args:
    config: read once, here; that of a DCGAN.
    axis_name: as in `gengan.models.dcgan.make`.

  Raises:
    ConfigError: as `gengan.models.dcgan.make`.
  """
  generator = partial(Generator, width=config.model.width, label=config.model.g_label)
  return dcgan.make(config, axis_name, generator=generator, discriminator=Discriminator)
