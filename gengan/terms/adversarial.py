"""The two sides of an adversarial loss as terms."""

import jax
import jax.numpy as jnp

from gengan import core
from gengan.core import ScalarOrSchedule
from gengan.losses import GanLoss
from gengan.terms.term import Context, Term, per_image, simple


def discriminator_loss(loss: GanLoss) -> Term:
  """D's side of an adversarial loss, with mean logits and accuracies as metrics."""

  def apply(context: Context, memory: core.PyTree) -> tuple[jax.Array, core.Metrics, core.PyTree]:
    value = loss.discriminator(*context.logits)
    return value, {'d_loss': value, **logit_metrics(*context.logits, context.axis_name)}, memory

  return Term(apply)


def generator_loss(loss: GanLoss) -> Term:
  """G's side of an adversarial loss."""
  return simple('g_loss', lambda context: loss.generator(*context.logits))


def top_k_generator_loss(loss: GanLoss, fraction: ScalarOrSchedule) -> Term:
  """G's side over the k generated images that D takes most for real (top-k; Sinha et al. 2020).

  k = fraction * rows, rounded up. The paper lets it fall from all rows to half of them. The rows are those of the whole
  update, on however many devices; of micro-batches each takes the k of its own.

  Args:
    loss: the mean over rows that do not look at each other, so not `losses.relativistic_average`.
    fraction: in (0, 1].

  >>> from gengan import losses
  >>> outputs = {'real_output': jnp.zeros(4), 'fake_output': jnp.array([1.0, 4.0, 3.0, 2.0])}
  >>> float(top_k_generator_loss(losses.hinge, 0.5).apply(Context(step=0, batch={}, **outputs), {})[0])  # -(4 + 3) / 2
  -3.5
  """

  def of_best(context: Context) -> jax.Array:
    real, fake = context.logits
    of_row = jax.vmap(lambda real, fake: loss.generator(real[None], fake[None]))(real, fake)
    sureness = per_image(fake)
    everyone = sureness if context.axis_name is None else jax.lax.all_gather(sureness, context.axis_name, tiled=True)
    # A tiny bit less, for 0.1 * 30 is a little more than 3.
    count = jnp.ceil(core.value_at(fraction, context.step) * len(everyone) - 1e-4).astype(jnp.int32)
    count = jnp.clip(count, 1, len(everyone))
    worst = jnp.sort(jax.lax.stop_gradient(everyone))[len(everyone) - count]
    chosen = sureness >= worst
    # Where logits tie at the limit there are more than k: the mean is over as many as there are.
    return jnp.sum(jnp.where(chosen, of_row, 0.0)) / (core.pmean(jnp.sum(chosen, dtype=jnp.float32), context.axis_name))

  return simple('g_loss', of_best)


def logit_metrics(real_logits: jax.Array, fake_logits: jax.Array, axis_name: str | None = None) -> core.Metrics:
  """Mean logits, and D's accuracy with the threshold halfway between them, which suits every loss."""
  d_real, d_fake = core.pmean((real_logits.mean(), fake_logits.mean()), axis_name)
  threshold = (d_real + d_fake) / 2
  return {
    'd_real': d_real,
    'd_fake': d_fake,
    'd_accuracy_real': (real_logits > threshold).mean(),
    'd_accuracy_fake': (fake_logits < threshold).mean(),
  }
