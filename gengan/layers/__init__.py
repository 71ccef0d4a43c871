"""Linen layers that are quick on every backend, first and second gradients included.

Names, parameters and values are those of `flax.linen`; what differs is how the derivatives are computed.
"""

from gengan.layers.heads import D_LABELS, G_LABELS, Embed, LabelHead, LabelInput
from gengan.layers.linear import Conv, ConvTranspose, Dense
from gengan.layers.normalization import BatchNorm, normal_around_one
from gengan.layers.resolution import resolution_plan

__all__ = [
  'D_LABELS',
  'G_LABELS',
  'BatchNorm',
  'Conv',
  'ConvTranspose',
  'Dense',
  'Embed',
  'LabelHead',
  'LabelInput',
  'normal_around_one',
  'resolution_plan',
]
