"""Terms of what D gives beside its logits: its features, and its guess at the class."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax

from gengan import core
from gengan.core import ArgumentError, ScalarOrSchedule
from gengan.terms.term import Context, Term, check_weight, simple


def feature_matching(weight: ScalarOrSchedule = 1.0) -> Term:
  """weight ||E f(x) - E f(G(z))||^2, f the features of D, for G (Salimans et al. 2016, section 3.1).

  D gives a dict with 'features', [N, ...]. The means are over the rows of the update; of micro-batches each takes its
  own, which adds the variance of their means.

  Raises:
    ArgumentError: a weight below 0; at trace time, a D without features.

  >>> outputs = {'real_output': {'features': jnp.ones((4, 3))}, 'fake_output': {'features': jnp.zeros((4, 3))}}
  >>> float(feature_matching(2.0).apply(Context(step=0, batch={}, **outputs), {})[0])  # 2 * 3 * 1^2
  6.0
  """
  check_weight('weight', weight)

  def loss(context: Context) -> jax.Array:
    outputs = (_part(output, 'features', 'feature_matching') for output in (context.real_output, context.fake_output))
    real, fake = core.pmean(tuple(features.mean(axis=0) for features in outputs), context.axis_name)
    return core.value_at(weight, context.step) * jnp.sum(jnp.square(real - fake))

  return simple('feature_matching', loss)


def classification(weight: ScalarOrSchedule = 1.0, *, player: str = 'discriminator') -> Term:
  """-weight E log P(C = c | x), P the auxiliary classifier of D (Odena et al. 2017, eq. 3).

  For D of real images, for G of generated ones. Eq. 3 shows D both; generated images that do not show their class yet
  only teach it wrongly (Gulrajani et al. 2017 leave them out too, with the weights 1 for D and 0.1 for G).

  Args:
    weight: of the cross-entropy.
    player: 'discriminator' or 'generator'.

  Raises:
    ArgumentError: a weight below 0; at trace time, a D without 'class_logits' [N, K].
  """
  check_weight('weight', weight)
  name = {'discriminator': 'd_classification', 'generator': 'g_classification'}[player]

  def apply(context: Context, memory: core.PyTree) -> tuple[jax.Array, core.Metrics, core.PyTree]:
    is_d = player == 'discriminator'
    output, labels = (context.real_output, context.batch['label']) if is_d else (context.fake_output, context.labels)
    logits = _part(output, 'class_logits', name)
    entropy = optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()
    loss = core.value_at(weight, context.step) * entropy
    agreement = jnp.mean(jnp.argmax(logits, axis=-1) == labels)
    return loss, {name: loss, f'{name}_accuracy': agreement}, memory

  return Term(apply)


def _part(output: Any, part: str, term: str) -> jax.Array:
  if not isinstance(output, Mapping) or part not in output:
    raise ArgumentError(term, 'on', 'off', why=f'for this discriminator gives no {part!r}')
  return output[part]
