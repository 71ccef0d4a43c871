"""Every metric as a pure function: NumPy arrays in, Python floats out. Features are [N, D], one row a sample.

Each raises a ValueError, which names the argument, for shapes that do not fit, too few rows, values that are not finite
and settings out of range; docstrings tell what else they refuse.
"""

from gengan.metrics.bootstrap import Bootstrap as Bootstrap
from gengan.metrics.bootstrap import bootstrap as bootstrap
from gengan.metrics.checks import FewSamplesWarning as FewSamplesWarning
from gengan.metrics.copying import authenticity as authenticity
from gengan.metrics.copying import data_copying as data_copying
from gengan.metrics.copying import distance_to_closest_record as distance_to_closest_record
from gengan.metrics.family import Family as Family
from gengan.metrics.family import Images as Images
from gengan.metrics.family import Inputs as Inputs
from gengan.metrics.family import Meaning as Meaning
from gengan.metrics.family import Scores as Scores
from gengan.metrics.frechet import frechet_distance as frechet_distance
from gengan.metrics.frechet import frechet_distance_of_features as frechet_distance_of_features
from gengan.metrics.frechet import frechet_distance_of_moments as frechet_distance_of_moments
from gengan.metrics.frechet_infinity import frechet_distance_infinity as frechet_distance_infinity
from gengan.metrics.inception_score import inception_score as inception_score
from gengan.metrics.intra_class import intra_class_frechet_distance as intra_class_frechet_distance
from gengan.metrics.kernel import kernel_distance as kernel_distance
from gengan.metrics.kernel import kernel_distance_of_subsets as kernel_distance_of_subsets
from gengan.metrics.likelihood import active_units as active_units
from gengan.metrics.likelihood import bits_per_dimension as bits_per_dimension
from gengan.metrics.likelihood import importance_weighted_bounds as importance_weighted_bounds
from gengan.metrics.likelihood import reconstruction_error as reconstruction_error
from gengan.metrics.manifold import precision_recall as precision_recall
from gengan.metrics.manifold import precision_recall_density_coverage as precision_recall_density_coverage
from gengan.metrics.moments import Moments as Moments
from gengan.metrics.moments import merge as merge
from gengan.metrics.moments import moments as moments
from gengan.metrics.moments import moments_of_batches as moments_of_batches
from gengan.metrics.neighbours import nearest_neighbours as nearest_neighbours
from gengan.metrics.neighbours import nearest_others as nearest_others
from gengan.metrics.path_length import perceptual_path_length as perceptual_path_length
from gengan.metrics.sliced_wasserstein import sliced_wasserstein_distance as sliced_wasserstein_distance
from gengan.metrics.vendi import vendi_score as vendi_score
