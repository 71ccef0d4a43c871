"""The evaluation of a run: which images, which network, which metrics, and the report of all of it."""

from gengan.evaluate.evaluator import Evaluator, Settings, check, of_config, score_names
from gengan.evaluate.feature_network import data_classifier, make_network, real_images

__all__ = [
  'Evaluator',
  'Settings',
  'check',
  'data_classifier',
  'make_network',
  'of_config',
  'real_images',
  'score_names',
]
