"""The residual networks of WGAN-GP, SNGAN, SAGAN and BigGAN, which differ in widths, norms, attention and latents.

Up to 56 px all blocks are equally wide (Gulrajani et al. 2017, appendix F; Miyato et al. 2018, table 4), from 64 px on
the width halves as the size doubles (Miyato et al. 2018, tables 5 and 6; Brock et al. 2019, tables 4 to 6). `tapered`
networks do so at every size: much wider where maps are small, for the same price.
"""

from functools import partial

import jax
import jax.numpy as jnp
from flax import linen as nn
from ml_collections import ConfigDict

from gengan import layers
from gengan.config import ConfigError, classes, reading

D_NORMS = ('none', 'layer', 'spectral')
POOLS = {'sum': jnp.sum, 'mean': jnp.mean}
INITS = {  # (3x3 kernels of blocks, all others)
  'orthogonal': (nn.initializers.orthogonal(), nn.initializers.orthogonal()),
  # A gain of sqrt(2) before each ReLU of a block (Miyato et al. 2018).
  'xavier': (nn.initializers.variance_scaling(2.0, 'fan_avg', 'uniform'), nn.initializers.xavier_uniform()),
  'normal': (nn.initializers.normal(0.02), nn.initializers.normal(0.02)),
}


class Generator(nn.Module):
  """Latents [N, Z] and labels [N] to images [N, S, S, C] in [-1, 1].

  Attributes:
    width: as in the papers' tables; G's blocks have 4 times as many feature maps up to 56 px.
    num_classes: 0: unconditional.
    label: 'batch_norm', or how `layers.LabelInput` puts the label beside the latent.
    shared: size of the class embedding that all batch norms read through dense layers of their own, each beside a part
      of z that is its block's (Brock et al. 2019, appendix B: shared embedding, hierarchical latents); 0: they have
      embeddings of their own, and all of z enters below.
    attention: self-attention where the maps have the image's size divided by this; 0: nowhere.
    tapered: the width halves as the size doubles up to 56 px too.
    initializer: one of `INITS`.
    spectral_norm: of every kernel.
    batch_norm_groups: see `layers.BatchNorm`.
    batch_norm_momentum: see `layers.BatchNorm`.
  """

  image_size: int
  channels: int
  width: int
  num_classes: int = 0
  label: str = 'batch_norm'
  shared: int = 0
  attention: int = 0
  tapered: bool = False
  initializer: str = 'orthogonal'
  spectral_norm: bool = False
  batch_norm_groups: int = 1
  batch_norm_momentum: float = 0.9
  axis_name: str | None = None

  @nn.compact
  def __call__(self, latents: jax.Array, labels: jax.Array, *, train: bool) -> jax.Array:
    base, doublings = layers.resolution_plan(self.image_size)
    residual_init, init = INITS[self.initializer]
    spectral = {'spectral_norm': self.spectral_norm}
    batch_norm = {
      'train': train,
      'groups': self.batch_norm_groups,
      'axis_name': self.axis_name,
      'momentum': self.batch_norm_momentum,
    }
    norm = partial(
      layers.ConditionalBatchNorm, num_classes=self.num_classes, kernel_init=init, **spectral, **batch_norm
    )
    first, *widths = generator_widths(self.width, doublings, self.tapered)

    latents, conditions = self._conditions(latents, labels, len(widths), train)
    x = layers.Dense(base * base * first, kernel_init=init, **spectral)(latents, train=train)
    x = x.reshape(-1, base, base, first)
    for features, condition in zip(widths, conditions, strict=True):
      if self.attention and x.shape[1] * self.attention == self.image_size:
        x = layers.SelfAttention(init, **spectral)(x, train=train)
      block = layers.UpBlock(features, norm, kernel_init=residual_init, shortcut_init=init, **spectral)
      x = block(x, condition, train=train)
    x = nn.relu(layers.ConditionalBatchNorm(**batch_norm)(x))
    return jnp.tanh(layers.Conv(self.channels, (3, 3), kernel_init=init, **spectral)(x, train=train))

  def _conditions(self, latents: jax.Array, labels: jax.Array, blocks: int, train: bool):
    """What enters below, [N, Z'], and what the norms of each block read."""
    if not self.shared:
      latents = layers.LabelInput(self.num_classes, self.label)(latents, labels, train=train)
      read = labels if self.num_classes and self.label == 'batch_norm' else None
      return latents, [read] * blocks
    latents, *parts = jnp.split(latents, blocks + 1, axis=-1)
    if self.num_classes:
      shared = layers.Embed(self.num_classes, self.shared, INITS[self.initializer][1], name='shared')(labels)
      parts = [jnp.concatenate([shared.astype(part.dtype), part], axis=-1) for part in parts]
    return latents, parts


class Discriminator(nn.Module):
  """Images [N, S, S, C] and labels [N] to logits [N], or to a dict with 'class_logits' beside them.

  Attributes:
    width: as in the papers' tables; D's blocks have twice as many feature maps up to 56 px.
    num_classes: 0: unconditional.
    label: one of `layers.D_LABELS`.
    attention: as of `Generator`.
    norm: one of `D_NORMS`.
    pool: of the last feature maps, 'sum' or 'mean'.
    tapered: as of `Generator`.
    initializer: one of `INITS`.
    head_bias: of the logits, which a loss of differences of logits never moves.
  """

  width: int
  num_classes: int = 0
  label: str = 'projection'
  attention: int = 0
  norm: str = 'spectral'
  pool: str = 'sum'
  tapered: bool = False
  initializer: str = 'orthogonal'
  head_bias: bool = True

  @nn.compact
  def __call__(self, images: jax.Array, labels: jax.Array, *, train: bool) -> jax.Array | dict[str, jax.Array]:
    size = images.shape[1]
    _, doublings = layers.resolution_plan(size)
    residual_init, init = INITS[self.initializer]
    spectral = {'spectral_norm': self.norm == 'spectral'}
    norm = partial(nn.LayerNorm, reduction_axes=(1, 2, 3), feature_axes=-1) if self.norm == 'layer' else None

    x = images
    if self.label == 'embedding':
      x = layers.LabelInput(self.num_classes, self.label, embedding_init=init, **spectral)(x, labels, train=train)
    for i, (features, down) in enumerate(discriminator_widths(self.width, doublings, self.tapered)):
      inits = {'kernel_init': residual_init, 'shortcut_init': init}
      x = layers.DownBlock(features, down, first=i == 0, norm=norm, **inits, **spectral)(x, train=train)
      if self.attention and down and x.shape[1] * self.attention == size:
        x = layers.SelfAttention(init, **spectral)(x, train=train)
    x = POOLS[self.pool](nn.relu(x), axis=(1, 2))
    inits = {'kernel_init': init, 'embedding_init': init}
    head = layers.LabelHead(self.num_classes, self.label, self.head_bias, **inits, **spectral)
    return head(x, labels, train=train)


def generator_widths(width: int, doublings: int, tapered: bool = False) -> list[int]:
  """Feature maps of the first layer and after each block, smallest size first.

  >>> generator_widths(64, 3), generator_widths(64, 4)
  ([256, 256, 256, 256], [1024, 512, 256, 128, 64])
  """
  if doublings < 4 and not tapered:
    return [4 * width] * (doublings + 1)
  return [width * 2 ** min(power, 4) for power in (doublings, *range(doublings - 1, -1, -1))]


def discriminator_widths(width: int, doublings: int, tapered: bool = False) -> list[tuple[int, bool]]:
  """(feature maps, whether the size is halved) of each block.

  >>> discriminator_widths(64, 3)
  [(128, True), (128, True), (128, False), (128, False)]
  >>> discriminator_widths(64, 4)
  [(64, True), (128, True), (256, True), (512, True), (1024, False)]
  """
  if doublings < 4 and not tapered:
    return [(2 * width, i < max(doublings - 1, 1)) for i in range(4)]
  return [(width * 2 ** min(i, 4), i < doublings) for i in range(doublings + 1)]


def latent_parts(image_size: int) -> int:
  """Parts of hierarchical latents: one below, and one for each block."""
  return 1 + layers.resolution_plan(image_size)[1]


def networks(
  config: ConfigDict, axis_name: str | None, *, g: dict | None = None, d: dict | None = None
) -> tuple[Generator, Discriminator]:
  """Both networks as a config says.

  Args:
    config: with the fields of `config.model` that all four recipes have.
    axis_name: the pmap axis that the step will run under; None for a global-view `jit`.
    g: attributes of G that are the recipe's own.
    d: attributes of D that are the recipe's own.

  Raises:
    ConfigError: a value that cannot be.
  """
  check(config)
  model = config.model
  common = {
    'num_classes': classes(config),
    'tapered': model.tapered,
    'initializer': model.initializer,
    'attention': model.get('attention', 0),
  }
  generator = Generator(
    image_size=config.data.image_size,
    channels=config.data.channels,
    width=model.g_width,
    label=model.g_label,
    batch_norm_groups=model.batch_norm_groups,
    axis_name=axis_name,
    **common,
    **(g or {}),
  )
  return generator, Discriminator(model.d_width, label=model.d_label, norm=model.d_norm, **common, **(d or {}))


def check(config: ConfigDict) -> None:
  """Raises a ConfigError for a field of the networks that cannot be."""
  model = config.model
  with reading('data'):
    _, doublings = layers.resolution_plan(config.data.image_size)
  for name in ('g_width', 'd_width'):
    if model[name] < 1:
      raise ConfigError(f'model.{name}', model[name], 'at least 1')
  words = {'g_label': layers.G_LABELS, 'd_label': layers.D_LABELS, 'd_norm': D_NORMS, 'initializer': tuple(INITS)}
  for name, allowed in words.items():
    if model[name] not in allowed:
      raise ConfigError(f'model.{name}', model[name], f'one of {", ".join(allowed)}')
  halvings = sum(down for _, down in discriminator_widths(1, doublings, model.tapered))
  places = [0, *(2**i for i in range(1, halvings + 1))]
  if model.get('attention', 0) not in places:
    allowed = f'one of {", ".join(map(str, places))}, at images of {config.data.image_size} px'
    raise ConfigError('model.attention', model.attention, allowed)
