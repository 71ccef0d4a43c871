"""The augmentation pipeline of ADA (Karras et al. 2020, "Training GANs with limited data", appendix B), by groups.

Every transformation comes to an image with a probability of its own, and at probability 0 images stay as they are, bit
by bit. What is drawn has the paper's standard strengths. Below a probability of about 0.8 the transformations do not
leak (section 2.2): each leaves an image alone more often than it does any one other thing to it, so that D can only be
satisfied by the clean distribution.

A group is a function `(images [N, S, S, C] in [-1, 1], key, probability, *, axis_name) -> images`, C = 1 or 3.
"""

from gengan.augment.ada.blitting import blit
from gengan.augment.ada.colors import color
from gengan.augment.ada.corruption import cutout, noise
from gengan.augment.ada.filtering import image_filter
from gengan.augment.ada.geometry import geometric

GROUPS = {
  'ada_blit': blit,
  'ada_geometric': geometric,
  'ada_color': color,
  'ada_filter': image_filter,
  'ada_noise': noise,
  'ada_cutout': cutout,
}
SETS = {'ada': ('ada_blit', 'ada_geometric', 'ada_color'), 'ada_all': tuple(GROUPS)}  # the paper's bgc, and all of it

__all__ = ['GROUPS', 'SETS', 'blit', 'color', 'cutout', 'geometric', 'image_filter', 'noise']
