"""Penalties on the gradients of D in its images: R1, R2, WGAN-GP's and DRAGAN's.

They take D's logits for functions of one image each. Batch normalisation breaks that: a logit then depends on the other
images of the batch too, and the gradient with respect to one image is that of all logits together. R1 and R2 of such a
discriminator are penalties on the batch's summed logits, (gamma / 2) E ||grad_x sum_j D(x_j)||^2, not eq. 9 and 10 of
the paper exactly; the DCGAN recipe for small sets is trained so.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from gengan import core
from gengan.core import ScalarOrSchedule
from gengan.terms.finite_difference import squared_slopes
from gengan.terms.term import Context, Critic, Term, check_weight, critic_of, logits_of, per_image, simple

NUMBERS = {'r1': 1, 'r2': 2}  # of their noise, so that the two draw apart


def squared_gradient_norms(critic: Critic, images: jax.Array) -> jax.Array:
  """||grad D(x)||^2 of every image [N, ...]: [N]."""
  gradients = jax.grad(lambda x: jnp.sum(critic(x)))(images)
  return jnp.sum(jnp.square(gradients), axis=tuple(range(1, images.ndim)))


def r1(gamma: ScalarOrSchedule, *, finite_difference: float = 0.0) -> Term:
  """gamma / 2 E ||grad D(x)||^2 on real images, as D sees them (Mescheder et al. 2018, eq. 9).

  Args:
    gamma: the strength.
    finite_difference: sigma of `squared_slopes`, which takes the place of the gradient; 0: the gradient itself.

  Raises:
    ArgumentError: a number below 0.

  >>> judge = lambda images, labels: 3.0 * images.sum(1)
  >>> context = Context(step=0, batch={'label': None}, real=jnp.ones((2, 4)), discriminate=judge)
  >>> float(r1(10.0).apply(context, {})[0])  # 10 / 2 * 4 * 3^2
  180.0
  """
  shown = lambda context: (context.real, context.batch['label'], context.real_output)
  return _half_gamma('r1', gamma, finite_difference, shown)


def r2(gamma: ScalarOrSchedule, *, finite_difference: float = 0.0) -> Term:
  """gamma / 2 E ||grad D(x)||^2 on generated images, as D sees them (Mescheder et al. 2018, eq. 10); as `r1`.

  >>> context = Context(step=0, batch={}, fake=jnp.ones((2, 4)), discriminate=lambda x, y: 3.0 * x.sum(1))
  >>> float(r2(10.0).apply(context, {})[0])
  180.0
  """
  # D(x) is asked for again: the pass over generated images had spectral norms that the one over real ones had moved.
  return _half_gamma('r2', gamma, finite_difference, lambda context: (context.fake, context.labels, None))


def _half_gamma(name: str, gamma: ScalarOrSchedule, sigma: float, shown: Callable[[Context], tuple]) -> Term:
  check_weight('gamma', gamma)
  check_weight('finite_difference', sigma)

  def loss(context: Context) -> jax.Array:
    images, labels, output = shown(context)
    critic = critic_of(context, labels)
    if sigma:
      key = jax.random.fold_in(context.key, NUMBERS[name])
      draw = lambda rows: jax.random.normal(key, (rows, *images.shape[1:]), images.dtype)
      noise = core.local_rows(draw, len(images), context.axis_name)
      logits = critic(images) if output is None else per_image(logits_of(output))
      squares = squared_slopes(critic, logits, images, noise, sigma)
    else:
      squares = squared_gradient_norms(critic, images)
    return 0.5 * core.value_at(gamma, context.step) * jnp.mean(squares)

  return simple(name, loss)


def gradient_penalty(weight: ScalarOrSchedule = 10.0) -> Term:
  """weight E (||grad D(x)|| - 1)^2 at random points between real and generated images (Gulrajani et al. 2017, eq. 3).

  Row i of the real images is mixed with row i of the generated ones, at a position uniform in [0, 1).

  >>> images = {'real': jnp.ones((2, 1)), 'fake': jnp.zeros((2, 1)), 'discriminate': lambda x, y: 3.0 * x[:, 0]}
  >>> float(gradient_penalty().apply(Context(step=0, batch={}, key=jax.random.key(0), **images), {})[0])
  40.0
  """
  check_weight('weight', weight)

  def loss(context: Context) -> jax.Array:
    real, fake = context.real, context.fake
    shape = (1,) * (real.ndim - 1)
    draw = lambda rows: jax.random.uniform(context.key, (rows, *shape), real.dtype)
    position = core.local_rows(draw, len(real), context.axis_name)
    at = real + position * (fake - real)
    return gradient_penalty_at(critic_of(context), at, weight=core.value_at(weight, context.step))

  return simple('gradient_penalty', loss)


def dragan(weight: ScalarOrSchedule = 10.0, *, noise: float = 0.5) -> Term:
  """weight E (||grad D(x + d)|| - 1)^2, d ~ N(0, (noise s)^2 I), s the deviation of the real pixels of this update.

  DRAGAN (Kodali et al. 2017, with k = 1): the penalty stands around the real images alone.

  >>> context = Context(step=0, batch={'label': None}, real=jnp.ones((2, 1)), key=jax.random.key(0))
  >>> float(dragan().apply(context._replace(discriminate=lambda x, y: 3.0 * x[:, 0]), {})[0])  # 10 (3 - 1)^2
  40.0
  """
  check_weight('weight', weight)

  def loss(context: Context) -> jax.Array:
    real = context.real
    mean, square = core.pmean((real.mean(), jnp.square(real).mean()), context.axis_name)
    deviation = jnp.sqrt(jnp.maximum(square - jnp.square(mean), 0.0))
    draw = lambda rows: jax.random.normal(context.key, (rows, *real.shape[1:]), real.dtype)
    at = real + noise * deviation * core.local_rows(draw, len(real), context.axis_name)
    return gradient_penalty_at(critic_of(context), at, weight=core.value_at(weight, context.step))

  return simple('dragan', loss)


def gradient_penalty_at(critic: Critic, images: jax.Array, *, weight: float | jax.Array = 10.0) -> jax.Array:
  """The gradient penalty at given points [N, ...]: weight E (||grad D(x)|| - 1)^2. A scalar.

  Where a gradient is exactly zero, so is the derivative of its norm.

  >>> float(gradient_penalty_at(lambda x: 3.0 * x[:, 0], jnp.ones((2, 1))))  # 10 (3 - 1)^2
  40.0
  """
  squares = squared_gradient_norms(critic, images)
  positive = squares > 0
  # sqrt has an infinite slope at 0, and 0 * inf would be NaN: keep zero out of it, on the way back too.
  norms = jnp.where(positive, jnp.sqrt(jnp.where(positive, squares, 1.0)), 0.0)
  return weight * jnp.mean(jnp.square(norms - 1.0))
