"""How labels enter networks: into D by projection, a classifier or a channel; into G beside the latent.

Without classes (`num_classes=0`) each of these is what an unconditional network has.
"""

import math

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax.typing import Initializer

from gengan.layers.linear import Dense, lecun_normal, spectrally_normalized

D_LABELS = ('projection', 'auxiliary', 'embedding')  # ways into a discriminator
G_LABELS = ('one_hot', 'embedding', 'batch_norm')  # ways into a generator; the last is ConditionalBatchNorm's


class Embed(nn.Module):
  """`flax.linen.Embed` with optional spectral normalisation: labels [N] to rows [N, F] of 'embedding' [K, F]."""

  num_embeddings: int
  features: int
  embedding_init: Initializer = nn.linear.default_embed_init
  spectral_norm: bool = False

  @nn.compact
  def __call__(self, labels: jax.Array, *, train: bool = False) -> jax.Array:
    table = self.param('embedding', self.embedding_init, (self.num_embeddings, self.features))
    if self.spectral_norm:
      table = spectrally_normalized(self, table, update=train)
    return table[labels]


class LabelHead(nn.Module):
  """The end of a discriminator: features [N, F] and labels [N] to what its terms read.

  'projection': logits w'f + b + e(y)'f, e an embedding of the label (Miyato and Koyama 2018, eq. 3). 'auxiliary': a
  dict of 'logits' and 'class_logits' [N, K] (Odena et al. 2017), which `terms.classification` reads. 'embedding': the
  label has entered before, see `LabelInput`: logits w'f + b.

  Attributes:
    num_classes: K; 0: unconditional, logits w'f + b.
    kind: one of `D_LABELS`.
    use_bias: of the dense layers.
    kernel_init: of the dense layers' kernels.
    embedding_init: of the projection's embedding [K, F].
    spectral_norm: of all of these matrices (Miyato and Koyama 2018, section 4).
  """

  num_classes: int = 0
  kind: str = 'projection'
  use_bias: bool = True
  kernel_init: Initializer = lecun_normal
  embedding_init: Initializer = nn.linear.default_embed_init
  spectral_norm: bool = False

  @nn.compact
  def __call__(
    self, features: jax.Array, labels: jax.Array, *, train: bool, pooled: jax.Array | None = None
  ) -> jax.Array | dict[str, jax.Array]:
    """Logits [N], or a dict with them.

    Args:
      features: [N, F].
      labels: [N].
      train: moves the spectral norm's vectors.
      pooled: [N, P], what the label is compared with or told from; None: the features.

    Raises:
      ValueError: an unknown kind.
    """
    _check(self.kind, D_LABELS)
    pooled = features if pooled is None else pooled
    dense = lambda size: Dense(
      size, use_bias=self.use_bias, kernel_init=self.kernel_init, spectral_norm=self.spectral_norm
    )
    logits = dense(1)(features, train=train)[:, 0]
    if not self.num_classes or self.kind == 'embedding':
      return logits
    if self.kind == 'auxiliary':
      return {'logits': logits, 'class_logits': dense(self.num_classes)(pooled, train=train)}
    embed = Embed(self.num_classes, pooled.shape[-1], self.embedding_init, self.spectral_norm)
    return logits + jnp.sum(pooled * embed(labels, train=train), axis=-1)


class LabelInput(nn.Module):
  """The label put beside an input: latents [N, Z] get more columns, images [N, H, W, C] one more channel.

  'one_hot': K columns (Mirza and Osindero 2014), of images K constant channels. 'embedding': a learned row a class, of
  images one picture of H x W a class. Any other kind, and no classes, leave the input as it is.

  Attributes:
    num_classes: K.
    kind: 'one_hot' or 'embedding'.
    features: columns that an embedding adds to latents; 0: as many as they have.
    embedding_init: of the embedding.
    spectral_norm: of the embedding.
  """

  num_classes: int
  kind: str = 'embedding'
  features: int = 0
  embedding_init: Initializer = nn.linear.default_embed_init
  spectral_norm: bool = False

  @nn.compact
  def __call__(self, x: jax.Array, labels: jax.Array, *, train: bool = False) -> jax.Array:
    if not self.num_classes or self.kind not in ('one_hot', 'embedding'):
      return x
    picture = x.ndim == 4
    if self.kind == 'one_hot':
      added = jax.nn.one_hot(labels, self.num_classes, dtype=x.dtype)
      added = jnp.broadcast_to(added[:, None, None], (*x.shape[:3], self.num_classes)) if picture else added
    else:
      size = math.prod(x.shape[1:3]) if picture else self.features or x.shape[-1]
      added = Embed(self.num_classes, size, self.embedding_init, self.spectral_norm)(labels, train=train)
      added = added.reshape(*x.shape[:3], 1) if picture else added
    return jnp.concatenate([x, added.astype(x.dtype)], axis=-1)


def _check(kind: str, allowed: tuple[str, ...]) -> None:
  if kind not in allowed:
    raise ValueError(f'the label enters by {kind!r}; it must be one of {", ".join(allowed)}')
