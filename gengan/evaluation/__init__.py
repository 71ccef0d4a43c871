"""The evaluation of a run: which images, which network, which metrics, and the report of all of it."""

from gengan.evaluation.evaluator import (
  TRAINING,
  Evaluator,
  Settings,
  check,
  data_classifier,
  make_network,
  mean_and_deviation,
  of_config,
  real_images,
)

__all__ = [
  'TRAINING',
  'Evaluator',
  'Settings',
  'check',
  'data_classifier',
  'make_network',
  'mean_and_deviation',
  'of_config',
  'real_images',
]
