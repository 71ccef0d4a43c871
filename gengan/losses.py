"""Adversarial losses, of a discriminator's logits.

A loss is a pair of functions of `(real_logits, fake_logits)`, each [N] and before any sigmoid, that returns the scalar
which that player minimises.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.nn import relu, softplus

from gengan.core import ArgumentError


class GanLoss(NamedTuple):
  """What the two players minimise.

  Attributes:
    discriminator: `(real_logits, fake_logits) -> scalar`.
    generator: `(real_logits, fake_logits) -> scalar`; only the relativistic forms read the real logits.

  >>> real, fake = jnp.array([2.0]), jnp.array([-0.5])
  >>> float(hinge.discriminator(real, fake)), float(hinge.generator(real, fake))  # max(0, 1 - 2) + max(0, 1 - 0.5)
  (0.5, 0.5)
  """

  discriminator: Callable[[jax.Array, jax.Array], jax.Array]
  generator: Callable[[jax.Array, jax.Array], jax.Array]


# With D = sigmoid(logit): -log D = softplus(-logit) and -log(1 - D) = softplus(logit), which never overflow.


def _cross_entropy(real_logits, fake_logits):
  return jnp.mean(softplus(-real_logits)) + jnp.mean(softplus(fake_logits))


minimax = GanLoss(
  discriminator=_cross_entropy,
  generator=lambda real_logits, fake_logits: -jnp.mean(softplus(fake_logits)),
)
"""The value function E log D(x) + E log(1 - D(G(z))) itself (Goodfellow et al. 2014, eq. 1).

The discriminator minimises its negative, the generator its second term. At the equilibrium, all logits 0, the value
is -log 4.

>>> round(float(minimax.discriminator(jnp.zeros(3), jnp.zeros(3))), 4)
1.3863
"""

non_saturating = GanLoss(
  discriminator=_cross_entropy,
  generator=lambda real_logits, fake_logits: jnp.mean(softplus(-fake_logits)),
)
"""The same discriminator; the generator minimises -E log D(G(z)) (Goodfellow et al. 2014, section 3).

>>> round(float(non_saturating.discriminator(jnp.zeros(3), jnp.zeros(3))), 4)
1.3863
"""

least_squares = GanLoss(
  discriminator=lambda real_logits, fake_logits: (
    0.5 * jnp.mean(jnp.square(real_logits - 1.0)) + 0.5 * jnp.mean(jnp.square(fake_logits))
  ),
  generator=lambda real_logits, fake_logits: 0.5 * jnp.mean(jnp.square(fake_logits - 1.0)),
)
"""Regression to the targets a = 0 (fake), b = 1 (real), c = 1 (Mao et al. 2017, eq. 2 and 9).

>>> round(float(least_squares.discriminator(jnp.zeros(3), jnp.zeros(3))), 4)
0.5
"""

hinge = GanLoss(
  discriminator=lambda real_logits, fake_logits: jnp.mean(relu(1.0 - real_logits)) + jnp.mean(relu(1.0 + fake_logits)),
  generator=lambda real_logits, fake_logits: -jnp.mean(fake_logits),
)
"""The margin loss of Lim and Ye 2017 and of Miyato et al. 2018, eq. 16 and 17.

>>> round(float(hinge.discriminator(jnp.zeros(3), jnp.zeros(3))), 4)
2.0
"""

wasserstein = GanLoss(
  discriminator=lambda real_logits, fake_logits: jnp.mean(fake_logits) - jnp.mean(real_logits),
  generator=lambda real_logits, fake_logits: -jnp.mean(fake_logits),
)
"""The dual of the earth mover's distance (Arjovsky et al. 2017, eq. 2 and 3).

It needs a critic that is 1-Lipschitz, for instance by `terms.gradient_penalty`.

>>> round(float(wasserstein.discriminator(jnp.zeros(3), jnp.zeros(3))), 4)
0.0
"""

relativistic = GanLoss(
  discriminator=lambda real_logits, fake_logits: jnp.mean(softplus(fake_logits - real_logits)),
  generator=lambda real_logits, fake_logits: jnp.mean(softplus(real_logits - fake_logits)),
)
"""Every real image against one generated image (RpGAN: Jolicoeur-Martineau 2018, section 3; Huang et al. 2024, eq. 2).

Both arrays have the same length: the pairs are rows.

>>> round(float(relativistic.discriminator(jnp.zeros(3), jnp.zeros(3))), 4)
0.6931
"""


def _relativistic_average(higher, lower):
  return jnp.mean(softplus(jnp.mean(lower) - higher)) + jnp.mean(softplus(lower - jnp.mean(higher)))


relativistic_average = GanLoss(
  discriminator=lambda real_logits, fake_logits: _relativistic_average(real_logits, fake_logits),
  generator=lambda real_logits, fake_logits: _relativistic_average(fake_logits, real_logits),
)
"""Every image against the average image of the other kind (RaSGAN: Jolicoeur-Martineau 2018, section 4).

Not additive over the batch: the inner means are over the rows that are passed in.

>>> round(float(relativistic_average.discriminator(jnp.zeros(3), jnp.zeros(3))), 4)
1.3863
"""

GAN_LOSSES = {
  'minimax': minimax,
  'non_saturating': non_saturating,
  'least_squares': least_squares,
  'hinge': hinge,
  'wasserstein': wasserstein,
  'relativistic': relativistic,
  'relativistic_average': relativistic_average,
}


def gan_loss(name: str) -> GanLoss:
  """The loss of that name; an ArgumentError with the allowed names where there is none."""
  if name not in GAN_LOSSES:
    raise ArgumentError('loss', name, f'one of {", ".join(GAN_LOSSES)}')
  return GAN_LOSSES[name]
