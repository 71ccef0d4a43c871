"""Augmentation inside the graph, of real and generated images alike.

With few images a discriminator learns them by heart. Shown only augmented images, real and generated, in both updates,
it cannot; and because gradients flow through the augmentation, the generator still learns to draw clean ones (Zhao et
al. 2020, section 3.2).
"""

from gengan.augment.policies import POLICIES, Augment, adaptive, fixed, none, parts, policy

__all__ = ['POLICIES', 'Augment', 'adaptive', 'fixed', 'none', 'parts', 'policy']
