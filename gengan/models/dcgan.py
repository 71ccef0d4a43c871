"""DCGAN (Radford, Metz and Chintala, 2016), unconditional or class-conditional, for any size base * 2^n.

At 64x64x3 with latent 100 and width 64 this is the network of the paper and of PyTorch's DCGAN example: 3,576,704
parameters in G and 2,765,568 in D. Conditional: G reads the label one-hot beside the latent (Mirza and
Osindero, 2014), D compares its features with an embedding of the label (projection; Miyato and Koyama, 2018, eq. 3).
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from flax import linen as nn
from ml_collections import ConfigDict

from gengan import augment, core, gan, layers, losses, optimizers
from gengan import terms as regularizers

D_NORMS = ('batch', 'layer', 'spectral', 'none')
KERNEL = (4, 4)
kernel_init = nn.initializers.normal(0.02)  # paper, section 4


class Generator(nn.Module):
  """Latents [N, Z] and labels [N] to images [N, S, S, C] in [-1, 1]; the width halves as the size doubles."""

  image_size: int
  channels: int
  width: int  # feature maps before the last layer
  num_classes: int = 0  # 0: unconditional
  slope: float = 0.0  # of the leaky ReLU; 0 is the paper's ReLU
  batch_norm_groups: int = 1
  axis_name: str | None = None

  @nn.compact
  def __call__(self, latents: jax.Array, labels: jax.Array, *, train: bool) -> jax.Array:
    base, doublings = layers.resolution_plan(self.image_size)
    norm = partial(_batch_norm, train, self.batch_norm_groups, self.axis_name)
    activation = partial(nn.leaky_relu, negative_slope=self.slope)

    if self.num_classes:
      # One-hot, not embedded: G listens to nothing but a label that is as loud as the latent, and a class collapses.
      latents = jnp.concatenate([latents, jax.nn.one_hot(labels, self.num_classes)], axis=-1)
    features = self.width * 2 ** (doublings - 1)
    x = nn.Dense(base * base * features, use_bias=False, kernel_init=kernel_init)(latents)
    x = activation(norm()(x.reshape(-1, base, base, features)))
    for _ in range(doublings - 1):
      features //= 2
      x = layers.ConvTranspose(features, KERNEL, strides=(2, 2), use_bias=False, kernel_init=kernel_init)(x)
      x = activation(norm()(x))
    x = layers.ConvTranspose(self.channels, KERNEL, strides=(2, 2), use_bias=False, kernel_init=kernel_init)(x)
    return jnp.tanh(x)


class Discriminator(nn.Module):
  """Images [N, S, S, C] and labels [N] to logits [N]; the mirror image of the generator, with strided convolutions."""

  width: int  # feature maps after the first layer
  num_classes: int = 0  # 0: unconditional
  norm: str = 'batch'  # one of D_NORMS
  slope: float = 0.2
  batch_norm_groups: int = 1
  axis_name: str | None = None

  @nn.compact
  def __call__(self, images: jax.Array, labels: jax.Array, *, train: bool) -> jax.Array:
    _, doublings = layers.resolution_plan(images.shape[1])
    spectral = self.norm == 'spectral'
    norm = {
      'batch': partial(_batch_norm, train, self.batch_norm_groups, self.axis_name),
      'layer': nn.LayerNorm,
    }.get(self.norm)

    x = images
    for i in range(doublings):
      x = layers.Conv(
        self.width * 2**i,
        KERNEL,
        strides=(2, 2),
        use_bias=norm is None,
        kernel_init=kernel_init,
        spectral_norm=spectral,
      )(x, train=train)
      if norm is not None and i > 0:  # the paper leaves D's input layer without
        x = norm()(x)
      x = nn.leaky_relu(x, self.slope)
    head = layers.Dense(1, use_bias=False, kernel_init=kernel_init, spectral_norm=spectral)
    logits = head(x.reshape(x.shape[0], -1), train=train)[:, 0]
    if self.num_classes:
      # Pooled: an embedding of every position would be a template of its class, and G would draw nothing else.
      pooled = jnp.sum(x, axis=(1, 2))
      embedding = nn.Embed(self.num_classes, pooled.shape[-1], embedding_init=kernel_init)(labels)
      logits += jnp.sum(pooled * embedding, axis=-1)
    return logits


def make(
  config: ConfigDict, axis_name: str | None = None, *, generator: Callable[..., nn.Module] | None = None
) -> core.Algorithm:
  """Builds the recipe from a config such as `configs/dcgan.py`.

  Args:
    config: read once, here. A conditional model needs `config.model.num_classes`.
    axis_name: the pmap axis that the step will run under; None for a global-view `jit`.
    generator: another class than `Generator` with the same fields; `width` is given already.

  Raises:
    ValueError: a value that cannot be, with the name of its field and what is allowed.
  """
  model = config.model
  _check(config)
  if axis_name is not None and config.loss == 'relativistic_average':
    raise ValueError(
      "config.loss is 'relativistic_average', whose averages are over the whole batch; set config.mesh.mode to 'jit'"
    )
  num_classes = model.num_classes if model.conditional else 0
  batch_norm = {'batch_norm_groups': model.batch_norm_groups, 'axis_name': axis_name}
  generator = (generator or partial(Generator, width=model.width))(
    image_size=config.data.image_size,
    channels=config.data.channels,
    num_classes=num_classes,
    slope=model.g_slope,
    **batch_norm,
  )
  discriminator = Discriminator(model.width, num_classes, norm=model.d_norm, slope=model.d_slope, **batch_norm)
  return gan.make(
    generator,
    discriminator,
    latent_size=model.latent_size,
    loss=losses.gan_loss(config.loss),
    optimizers={
      'generator': optimizers.make(config.optimizers.generator, section='config.optimizers.generator'),
      'discriminator': optimizers.make(config.optimizers.discriminator, section='config.optimizers.discriminator'),
    },
    regularizers=regularizers.make(config.regularizers, axis_name=axis_name),
    augment=augment.make(config.get('augment', ''), axis_name=axis_name),
    d_steps_per_g_step=config.d_steps_per_g_step,
    ema_half_life_kimg=config.ema.half_life_kimg,
    ema_rampup=config.ema.rampup,
    axis_name=axis_name,
  )


def _batch_norm(train: bool, groups: int, axis_name: str | None) -> layers.BatchNorm:
  return layers.BatchNorm(
    use_running_average=not train, groups=groups, axis_name=axis_name, scale_init=layers.normal_around_one(0.02)
  )


def _check(config: ConfigDict) -> None:
  model = config.model
  layers.resolution_plan(config.data.image_size)
  if model.width < 1:
    raise ValueError(f'config.model.width is {model.width}; it must be at least 1')
  if model.d_norm not in D_NORMS:
    raise ValueError(f'config.model.d_norm is {model.d_norm!r}; it must be one of {", ".join(D_NORMS)}')
  for name, slope in (('g_slope', model.g_slope), ('d_slope', model.d_slope)):
    if not 0 <= slope < 1:  # from 1 on it is linear, or no longer monotone
      raise ValueError(f'config.model.{name} is {slope}; it must be at least 0 and below 1')
  _check_batch_norm(config)
  if model.conditional and model.num_classes < 2:
    raise ValueError(f'config.model.num_classes is {model.num_classes}; a conditional model needs at least 2 classes')
  if config.regularizers.gradient_penalty and model.d_norm == 'batch':
    raise ValueError(
      "config.model.d_norm is 'batch', but config.regularizers.gradient_penalty needs a discriminator that sees each "
      "image alone: set it to 'layer', 'spectral' or 'none'"
    )


def _check_batch_norm(config: ConfigDict) -> None:
  """The groups divide every batch that a network sees: the share of one update of D."""
  groups, rows = config.model.batch_norm_groups, config.batch_size // max(config.d_steps_per_g_step, 1)
  if groups < 1 or rows % groups:
    share = 'config.batch_size' if rows == config.batch_size else 'config.batch_size / config.d_steps_per_g_step'
    raise ValueError(f'config.model.batch_norm_groups is {groups}; it must be at least 1 and divide {share}, {rows}')
