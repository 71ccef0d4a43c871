"""DCGAN (Radford, Metz and Chintala, 2016), unconditional or class-conditional, for any size base * 2^n.

At 64x64x3 with latent 100 and width 64 this is the network of the paper and of PyTorch's DCGAN example: 3,576,704
parameters in G and 2,765,568 in D. Conditional: G reads the label one-hot beside the latent (Mirza and
Osindero, 2014), D compares its features with an embedding of the label (projection; Miyato and Koyama, 2018, eq. 3);
`config.model.g_label` and `d_label` have the other ways.
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from flax import linen as nn
from ml_collections import ConfigDict

from gengan import core, layers
from gengan.config import ConfigError, classes, reading
from gengan.models import from_config

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
  # One-hot, not embedded: G listens to nothing but a label that is as loud as the latent, and a class collapses.
  label: str = 'one_hot'  # one of layers.G_LABELS
  batch_norm_groups: int = 1
  axis_name: str | None = None

  @nn.compact
  def __call__(self, latents: jax.Array, labels: jax.Array, *, train: bool) -> jax.Array:
    base, doublings = layers.resolution_plan(self.image_size)
    norm = self._norm(labels, train)
    activation = partial(nn.leaky_relu, negative_slope=self.slope)

    latents = layers.LabelInput(self.num_classes, self.label)(latents, labels, train=train)
    features = self.width * 2 ** (doublings - 1)
    x = nn.Dense(base * base * features, use_bias=False, kernel_init=kernel_init)(latents)
    x = activation(norm(x.reshape(-1, base, base, features)))
    for _ in range(doublings - 1):
      features //= 2
      x = layers.ConvTranspose(features, KERNEL, strides=(2, 2), use_bias=False, kernel_init=kernel_init)(x)
      x = activation(norm(x))
    x = layers.ConvTranspose(self.channels, KERNEL, strides=(2, 2), use_bias=False, kernel_init=kernel_init)(x)
    return jnp.tanh(x)

  def _norm(self, labels: jax.Array, train: bool) -> Callable[[jax.Array], jax.Array]:
    """A batch norm of its own at every call."""
    settings = {'groups': self.batch_norm_groups, 'axis_name': self.axis_name}
    if self.num_classes and self.label == 'batch_norm':
      return lambda x: layers.ConditionalBatchNorm(train, self.num_classes, **settings)(x, labels)
    return lambda x: _batch_norm(train, **settings)(x)


class Discriminator(nn.Module):
  """Images [N, S, S, C] and labels [N] to 'logits' [N] and 'features' [N, F], the last maps pooled.

  The mirror image of the generator, with strided convolutions. With an auxiliary classifier there are 'class_logits'
  [N, K] too.
  """

  width: int  # feature maps after the first layer
  num_classes: int = 0  # 0: unconditional
  norm: str = 'batch'  # one of D_NORMS
  label: str = 'projection'  # one of layers.D_LABELS
  slope: float = 0.2
  batch_norm_groups: int = 1
  axis_name: str | None = None

  @nn.compact
  def __call__(self, images: jax.Array, labels: jax.Array, *, train: bool) -> dict[str, jax.Array]:
    _, doublings = layers.resolution_plan(images.shape[1])
    x = layers.LabelInput(self.num_classes if self.label == 'embedding' else 0)(images, labels)
    for i in range(doublings):  # the paper leaves D's input layer without norm
      conv = layers.Conv(self.width * 2**i, KERNEL, strides=(2, 2), use_bias=not self._normalises, **self._kernels)
      x = self._activated(conv(x, train=train), train, norm=i > 0)
    head = layers.LabelHead(self.num_classes, self.label, use_bias=False, embedding_init=kernel_init, **self._kernels)
    nn.share_scope(self, head)
    # Pooled: an embedding of every position would be a template of its class, and G would draw nothing else.
    pooled = jnp.sum(x, axis=(1, 2))
    output = head(x.reshape(x.shape[0], -1), labels, train=train, pooled=pooled)
    return {**(output if isinstance(output, dict) else {'logits': output}), 'features': pooled}

  @property
  def _normalises(self) -> bool:
    return self.norm in ('batch', 'layer')

  @property
  def _kernels(self) -> dict:
    return {'kernel_init': kernel_init, 'spectral_norm': self.norm == 'spectral'}

  def _activated(self, x: jax.Array, train: bool, *, norm: bool = True) -> jax.Array:
    if norm and self.norm == 'batch':
      x = _batch_norm(train, self.batch_norm_groups, self.axis_name)(x)
    elif norm and self.norm == 'layer':
      x = nn.LayerNorm()(x)
    return nn.leaky_relu(x, self.slope)


def make(
  config: ConfigDict,
  axis_name: str | None = None,
  *,
  generator: Callable[..., nn.Module] | None = None,
  discriminator: Callable[..., nn.Module] = Discriminator,
) -> core.Algorithm:
  """Builds the recipe from a config such as `configs/dcgan.py`.

  Args:
    config: read once, here. A conditional model needs `config.model.num_classes`.
    axis_name: the pmap axis that the step will run under; None for a global-view `jit`.
    generator: another class than `Generator` with the same fields; `width` is given already.
    discriminator: another class than `Discriminator` with the same fields.

  Raises:
    ConfigError: a value that cannot be.
  """
  model = config.model
  _check(config)
  num_classes = classes(config)
  batch_norm = {'batch_norm_groups': model.batch_norm_groups, 'axis_name': axis_name}
  generator = (generator or partial(Generator, width=model.width, label=model.g_label))(
    image_size=config.data.image_size,
    channels=config.data.channels,
    num_classes=num_classes,
    slope=model.g_slope,
    **batch_norm,
  )
  discriminator = discriminator(
    model.width, num_classes, norm=model.d_norm, label=model.d_label, slope=model.d_slope, **batch_norm
  )
  return from_config.gan(config, generator, discriminator, axis_name=axis_name)


def _batch_norm(train: bool, groups: int, axis_name: str | None) -> layers.BatchNorm:
  return layers.BatchNorm(
    use_running_average=not train, groups=groups, axis_name=axis_name, scale_init=layers.normal_around_one(0.02)
  )


def _check(config: ConfigDict) -> None:
  model = config.model
  with reading('data'):
    layers.resolution_plan(config.data.image_size)
  if model.width < 1:
    raise ConfigError('model.width', model.width, 'at least 1')
  for field, allowed in (('d_norm', D_NORMS), ('d_label', layers.D_LABELS), ('g_label', layers.G_LABELS)):
    if model[field] not in allowed:
      raise ConfigError(f'model.{field}', model[field], f'one of {", ".join(allowed)}')
  for name, slope in (('g_slope', model.g_slope), ('d_slope', model.d_slope)):
    if not 0 <= slope < 1:  # from 1 on it is linear, or no longer monotone
      raise ConfigError(f'model.{name}', slope, 'at least 0 and below 1')
  # The groups divide every batch that a network sees: the share of one update of D.
  groups, rows = model.batch_norm_groups, config.batch_size // max(config.d_steps_per_g_step, 1)
  if groups < 1 or rows % groups:
    raise ConfigError('model.batch_norm_groups', groups, f'at least 1 and divide the rows of an update, {rows}')
  if config.terms.gradient_penalty and model.d_norm == 'batch':
    raise ConfigError(
      'model.d_norm',
      'batch',
      "'layer', 'spectral' or 'none'",
      why='but the penalty needs a discriminator that sees each image alone',
      beside={'terms.gradient_penalty': config.terms.gradient_penalty},
    )
