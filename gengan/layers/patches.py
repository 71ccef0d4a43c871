"""The end of a discriminator that judges patches of an image, and several such ends as one."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax.typing import Initializer

from gengan.layers.heads import LabelHead
from gengan.layers.linear import Conv, lecun_normal


class PatchHead(nn.Module):
  """A map [N, H, W, F] and labels [N] to the logits of its patches and whatever else `LabelHead` gives.

  One convolution judges every patch (Isola et al. 2017, section 3.2.2). With classes, what a `LabelHead` says of the
  map's mean is added to all of an image's logits.

  Attributes:
    num_classes: 0: unconditional.
    kind: as in `LabelHead`.
    taps: pixels of a patch, (height, width).
    use_bias: of all of them.
    kernel_init: of all of them.
    spectral_norm: of all of them.
  """

  num_classes: int = 0
  kind: str = 'projection'
  taps: tuple[int, int] = (4, 4)
  use_bias: bool = True
  kernel_init: Initializer = lecun_normal
  spectral_norm: bool = True

  @nn.compact
  def __call__(self, x: jax.Array, labels: jax.Array, *, train: bool) -> dict[str, jax.Array]:
    """'logits' [N, P], P patches; with an auxiliary classifier 'class_logits' [N, K]."""
    shared = {'use_bias': self.use_bias, 'kernel_init': self.kernel_init, 'spectral_norm': self.spectral_norm}
    logits = Conv(1, self.taps, padding='VALID', **shared)(x, train=train).reshape(len(labels), -1)
    if not self.num_classes:
      return {'logits': logits}
    pooled = x.mean(axis=(1, 2))
    said = LabelHead(self.num_classes, self.kind, **shared)(pooled, labels, train=train)
    said = said if isinstance(said, dict) else {'logits': said}
    return {**said, 'logits': logits + said['logits'][:, None]}


def joined(outputs: Sequence[dict[str, jax.Array]]) -> dict[str, jax.Array]:
  """What several heads say of the same images as one output: all logits [N, P1 + P2 + ...], and the mean of the rest.

  >>> {name: x.tolist() for name, x in joined([{'logits': jnp.ones((1, 2))}, {'logits': jnp.zeros((1, 1))}]).items()}
  {'logits': [[1.0, 1.0, 0.0]]}
  """
  rest = {name for output in outputs for name in output if name != 'logits'}
  said = {name: [output[name] for output in outputs if name in output] for name in sorted(rest)}
  means = {name: sum(values) / len(values) for name, values in said.items()}
  return {'logits': jnp.concatenate([output['logits'] for output in outputs], axis=1), **means}
