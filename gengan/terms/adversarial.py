"""The two sides of an adversarial loss as terms."""

import jax

from gengan import core
from gengan.losses import GanLoss
from gengan.terms.term import Context, Term, simple


def discriminator_loss(loss: GanLoss) -> Term:
  """D's side of an adversarial loss, with mean logits and accuracies as metrics."""

  def apply(context: Context, memory: core.PyTree) -> tuple[jax.Array, core.Metrics, core.PyTree]:
    value = loss.discriminator(*context.logits)
    return value, {'d_loss': value, **logit_metrics(*context.logits, context.axis_name)}, memory

  return Term(apply)


def generator_loss(loss: GanLoss) -> Term:
  """G's side of an adversarial loss."""
  return simple('g_loss', lambda context: loss.generator(*context.logits))


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
