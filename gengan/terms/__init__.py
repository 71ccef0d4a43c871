"""Terms: what is added up to a player's loss in one phase of a train step.

The adversarial loss is a term, R1 another, path length a third. A term reads a `Context` and, where it needs one, a
memory of its own that lives in `State.extra`.
"""

from gengan.terms.adversarial import discriminator_loss, generator_loss, logit_metrics, top_k_generator_loss
from gengan.terms.consistency import balanced_consistency, consistency
from gengan.terms.features import classification, feature_matching
from gengan.terms.finite_difference import squared_slopes
from gengan.terms.gradients import dragan, gradient_penalty, gradient_penalty_at, r1, r2, squared_gradient_norms
from gengan.terms.lecam import lecam
from gengan.terms.path_length import path_length
from gengan.terms.redrawing import redrawing
from gengan.terms.term import (
  Context,
  Critic,
  Term,
  check_weight,
  critic_of,
  logits_of,
  per_image,
  scaled,
  simple,
  total,
)
from gengan.terms.weights import orthogonal

__all__ = [
  'Context',
  'Critic',
  'Term',
  'balanced_consistency',
  'check_weight',
  'classification',
  'consistency',
  'critic_of',
  'discriminator_loss',
  'dragan',
  'feature_matching',
  'generator_loss',
  'gradient_penalty',
  'gradient_penalty_at',
  'lecam',
  'logit_metrics',
  'logits_of',
  'orthogonal',
  'path_length',
  'per_image',
  'r1',
  'r2',
  'redrawing',
  'scaled',
  'simple',
  'squared_gradient_norms',
  'squared_slopes',
  'top_k_generator_loss',
  'total',
]
