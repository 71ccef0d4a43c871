"""Consistency: D gives an image and the same image transformed alike."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from gengan import core
from gengan.core import ScalarOrSchedule
from gengan.terms.term import Context, Term, check_weight, critic_of, logits_of, simple

Transform = Callable[
  [jax.Array, jax.Array], jax.Array
]  # (images [N, H, W, C], key) -> images, such as flips and shifts


def consistency(weight: ScalarOrSchedule, transform: Transform) -> Term:
  """weight E (D(x) - D(T(x)))^2 on real images (CR; Zhang et al. 2020); weight 10 in the paper.

  x is what D sees, T the transform. The paper's T mirrors at random and moves by a few pixels.

  >>> judge = lambda images, labels: images.sum(1)
  >>> real = jnp.ones((2, 3))
  >>> images = {'real': real, 'real_output': judge(real, None), 'discriminate': judge, 'key': jax.random.key(0)}
  >>> term = consistency(10.0, lambda images, key: images + 1)
  >>> float(term.apply(Context(step=0, batch={'label': None}, **images), {})[0])  # 10 (3 - 6)^2
  90.0
  """
  check_weight('weight', weight)
  return simple('consistency', lambda context: core.value_at(weight, context.step) * _of_real(context, transform))


def balanced_consistency(
  weight: ScalarOrSchedule, transform: Transform, *, fake_weight: ScalarOrSchedule | None = None
) -> Term:
  """weight E (D(x) - D(T(x)))^2 + fake_weight E (D(G(z)) - D(T(G(z))))^2 (bCR; Zhao et al. 2021).

  Both weights are 10 in the paper; without a fake_weight both are the same.
  """
  fake_weight = weight if fake_weight is None else fake_weight
  check_weight('weight', weight)
  check_weight('fake_weight', fake_weight)

  def loss(context: Context) -> jax.Array:
    of_fake = _squared_change(context, context.fake, context.fake_output, context.labels, transform, number=1)
    real_weight, weight_of_fake = (core.value_at(value, context.step) for value in (weight, fake_weight))
    return real_weight * _of_real(context, transform) + weight_of_fake * of_fake

  return simple('balanced_consistency', loss)


def _of_real(context: Context, transform: Transform) -> jax.Array:
  return _squared_change(context, context.real, context.real_output, context.batch['label'], transform, number=0)


def _squared_change(context: Context, images, output, labels, transform: Transform, *, number: int) -> jax.Array:
  changed = transform(images, jax.random.fold_in(context.key, number))
  return jnp.mean(jnp.square(logits_of(output) - critic_of(context, labels)(changed)))
