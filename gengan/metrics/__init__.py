"""Every metric as a pure function: NumPy arrays in, Python floats out. Features are [N, D], one row a sample."""

from gengan.metrics.bootstrap import Bootstrap, bootstrap
from gengan.metrics.checks import FewSamplesWarning
from gengan.metrics.copying import authenticity, data_copying, distance_to_closest_record
from gengan.metrics.family import Family, Inputs, Meaning, Scores
from gengan.metrics.frechet import frechet_distance, frechet_distance_of_features, frechet_distance_of_moments
from gengan.metrics.frechet_infinity import frechet_distance_infinity
from gengan.metrics.inception_score import inception_score
from gengan.metrics.intra_class import intra_class_frechet_distance
from gengan.metrics.kernel import kernel_distance, kernel_distance_of_subsets
from gengan.metrics.likelihood import (
  active_units,
  bits_per_dimension,
  importance_weighted_bound,
  importance_weighted_bounds,
  reconstruction_error,
)
from gengan.metrics.manifold import precision_recall, precision_recall_density_coverage
from gengan.metrics.moments import Moments, merge, moments, moments_of_batches
from gengan.metrics.neighbours import nearest_neighbours, nearest_others
from gengan.metrics.path_length import perceptual_path_length
from gengan.metrics.vendi import vendi_score

__all__ = [
  'Bootstrap',
  'Family',
  'FewSamplesWarning',
  'Inputs',
  'Meaning',
  'Moments',
  'Scores',
  'active_units',
  'authenticity',
  'bits_per_dimension',
  'bootstrap',
  'data_copying',
  'distance_to_closest_record',
  'frechet_distance',
  'frechet_distance_infinity',
  'frechet_distance_of_features',
  'frechet_distance_of_moments',
  'importance_weighted_bound',
  'importance_weighted_bounds',
  'inception_score',
  'intra_class_frechet_distance',
  'kernel_distance',
  'kernel_distance_of_subsets',
  'merge',
  'moments',
  'moments_of_batches',
  'nearest_neighbours',
  'nearest_others',
  'perceptual_path_length',
  'precision_recall',
  'precision_recall_density_coverage',
  'reconstruction_error',
  'vendi_score',
]
