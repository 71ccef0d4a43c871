"""Penalties on the gradient of a discriminator with respect to its input, as pure functions of a closure.

A critic is `images [N, ...] -> logits [N]`, one logit for every row and from that row alone, so that the gradient of
the sum of the logits holds every row's own gradient.

Batch normalisation breaks that assumption: a logit then depends on the other images of the batch too, and the gradient
with respect to one image is that of all logits together. R1 and R2 of such a critic are penalties on the batch's summed
logits, (gamma / 2) E ||grad_x sum_j D(x_j)||^2, not eq. 9 and 10 of the paper exactly; the DCGAN recipe for
small sets is trained so. It refuses the gradient penalty beside batch normalisation, for there every norm has a target.
"""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp

from gengan import core

Critic = Callable[[jax.Array], jax.Array]
Regularizer = Callable[[Critic, jax.Array, jax.Array, jax.Array], jax.Array]


def _squared_gradient_norms(critic, images):
  gradients = jax.grad(lambda x: jnp.sum(critic(x)))(images)
  return jnp.sum(jnp.square(gradients), axis=tuple(range(1, images.ndim)))


def r1(critic: Critic, real: jax.Array, *, gamma: float) -> jax.Array:
  """gamma / 2 E ||grad D(x)||^2 on real images [N, ...] (Mescheder et al. 2018, eq. 9). A scalar."""
  return 0.5 * gamma * jnp.mean(_squared_gradient_norms(critic, real))


def r2(critic: Critic, fake: jax.Array, *, gamma: float) -> jax.Array:
  """gamma / 2 E ||grad D(x)||^2 on generated images [N, ...] (Mescheder et al. 2018, eq. 10). A scalar."""
  return 0.5 * gamma * jnp.mean(_squared_gradient_norms(critic, fake))


def gradient_penalty(
  critic: Critic,
  real: jax.Array,
  fake: jax.Array,
  key: jax.Array,
  *,
  weight: float = 10.0,
  axis_name: str | None = None,
) -> jax.Array:
  """weight E (||grad D(x)|| - 1)^2 at random points between real and generated images (Gulrajani et al. 2017, eq. 3).

  Args:
    critic: images [N, ...] -> logits [N].
    real: [N, ...].
    fake: [N, ...]; row i is mixed with row i of `real`.
    key: draws the N positions, uniform in [0, 1).
    weight: the paper's lambda.
    axis_name: the pmap axis over which the batch is split, so that every device has its own rows' positions.

  Returns:
    A scalar. Where a gradient is exactly zero, so is the derivative of its norm.
  """
  ones = (1,) * (real.ndim - 1)
  position = core.local_rows(lambda rows: jax.random.uniform(key, (rows, *ones), real.dtype), len(real), axis_name)
  return gradient_penalty_at(critic, real + position * (fake - real), weight=weight)


def gradient_penalty_at(critic: Critic, images: jax.Array, *, weight: float = 10.0) -> jax.Array:
  """The gradient penalty at given points [N, ...]: weight E (||grad D(x)|| - 1)^2. A scalar."""
  squares = _squared_gradient_norms(critic, images)
  positive = squares > 0
  # sqrt has an infinite slope at 0, and 0 * inf would be NaN: keep zero out of it, on the way back too.
  norms = jnp.where(positive, jnp.sqrt(jnp.where(positive, squares, 1.0)), 0.0)
  return weight * jnp.mean(jnp.square(norms - 1.0))


ALLOWED = ('r1', 'r2', 'gradient_penalty')


def _closure(name, strength, axis_name) -> Regularizer:
  match name:
    case 'r1':
      return lambda critic, real, fake, key: r1(critic, real, gamma=strength)
    case 'r2':
      return lambda critic, real, fake, key: r2(critic, fake, gamma=strength)
    case 'gradient_penalty':
      return lambda critic, real, fake, key: gradient_penalty(
        critic, real, fake, key, weight=strength, axis_name=axis_name
      )


def make(settings: Mapping[str, float], *, axis_name: str | None = None) -> dict[str, Regularizer]:
  """The regularisers that a config section switches on.

  Args:
    settings: strength by name, for instance `{'r1': 10.0, 'gradient_penalty': 0.0}`; 0 is off.
    axis_name: as in `gradient_penalty`.

  Returns:
    `{name: (critic, real, fake, key) -> scalar}`.

  Raises:
    ValueError: an unknown name, or a strength that is not a finite number >= 0.
  """
  for name, strength in settings.items():
    if name not in ALLOWED:
      raise ValueError(f'config.regularizers.{name}: unknown regulariser; allowed: {", ".join(ALLOWED)}.')
    if isinstance(strength, bool) or not isinstance(strength, (int, float)) or not 0 <= strength < float('inf'):
      raise ValueError(f'config.regularizers.{name}: must be a number >= 0 (0 is off), not {strength!r}.')
  return {name: _closure(name, float(strength), axis_name) for name, strength in settings.items() if strength > 0}
