"""The fields of a GAN's terms: what each counts, how often it is used, and how."""

from ml_collections import ConfigDict


def add(config: ConfigDict, *, r1: float) -> None:
  """Puts the sections `terms` and `lazy`, and what goes with them, into a config."""
  config.terms = ConfigDict()  # what each counts, 0: off; with d_norm 'batch' a logit depends on its whole batch
  config.terms.r1 = r1  # of D: half of it times the squared gradient at real images
  config.terms.r2 = 0.0  # of D: the same at generated images
  config.terms.gradient_penalty = 0.0  # of D: 10 in WGAN-GP; not with d_norm 'batch'
  config.terms.dragan = 0.0  # of D: 10 in DRAGAN, around real images
  config.terms.consistency = 0.0  # of D: 10 in CR, real images and the same transformed
  config.terms.balanced_consistency = 0.0  # of D: 10 in bCR, real and generated images
  config.terms.lecam = 0.0  # of D: 0.3 in LeCam, from step 1000 on
  config.terms.redrawing = 0.0  # of D: 1 in FastGAN, whose D redraws real images
  config.terms.d_classification = 1.0  # of D, with model.d_label 'auxiliary'
  config.terms.g_classification = 0.1  # of G, with model.d_label 'auxiliary'
  config.terms.orthogonal = 0.0  # of G: 1e-4 in BigGAN
  config.terms.feature_matching = 0.0  # of G: the mean features of D
  config.terms.path_length = 0.0  # of G: 2 in StyleGAN2; of a generator with mapping and synthesis

  config.lazy = ConfigDict()  # train steps between two uses of a term; above 1 it has updates of its own
  config.lazy.r1 = 1  # 16 in StyleGAN2
  config.lazy.r2 = 1  # as r1
  config.lazy.gradient_penalty = 1  # 1: in every update of D
  config.lazy.dragan = 1  # 1: in every update of D
  config.lazy.consistency = 1  # 1: in every update of D
  config.lazy.balanced_consistency = 1  # 1: in every update of D
  config.lazy.lecam = 1  # 1: in every update of D
  config.lazy.redrawing = 1  # 1: in every update of D
  config.lazy.d_classification = 1  # 1: in every update of D
  config.lazy.g_classification = 1  # 1: in every update of G
  config.lazy.orthogonal = 1  # 1: in every update of G
  config.lazy.feature_matching = 1  # 1: in every update of G
  config.lazy.path_length = 1  # 4 in StyleGAN2

  config.finite_difference = 0.0  # r1 and r2 from two values of D so far apart (0.01 in GAT); 0: exact gradients
  config.top_k = 1.0  # share of the generated images that count for G, the best; falls to 0.5 in top-k
  config.consistency_augment = 'flip,translation' if config.data.flip else 'translation'  # of both; words as in augment
