"""Linen layers that are quick on every backend, first and second gradients included.

Names, parameters and values are those of `flax.linen`; what differs is how the derivatives are computed.
"""

from gengan.layers.attention import SelfAttention
from gengan.layers.conditional import ConditionalBatchNorm
from gengan.layers.depthwise import depthwise_convolved
from gengan.layers.doubling import ConvAfterDoubling, ConvBeforePooling, doubled, pooled
from gengan.layers.equalized import EqualizedConv, EqualizedDense
from gengan.layers.grouped import GroupedConv
from gengan.layers.heads import D_LABELS, G_LABELS, Embed, LabelHead, LabelInput
from gengan.layers.linear import Conv, ConvTranspose, Dense, convolved
from gengan.layers.minibatch import MinibatchDeviation
from gengan.layers.modulated import ModulatedConv
from gengan.layers.noise import Noise
from gengan.layers.normalization import BatchNorm, normal_around_one
from gengan.layers.patches import PatchHead, joined
from gengan.layers.resampling import resampled
from gengan.layers.residual import DownBlock, UpBlock
from gengan.layers.resolution import resolution_plan

__all__ = [
  'D_LABELS',
  'G_LABELS',
  'BatchNorm',
  'ConditionalBatchNorm',
  'Conv',
  'ConvAfterDoubling',
  'ConvBeforePooling',
  'ConvTranspose',
  'Dense',
  'DownBlock',
  'Embed',
  'EqualizedConv',
  'EqualizedDense',
  'GroupedConv',
  'LabelHead',
  'LabelInput',
  'MinibatchDeviation',
  'ModulatedConv',
  'Noise',
  'PatchHead',
  'SelfAttention',
  'UpBlock',
  'convolved',
  'depthwise_convolved',
  'doubled',
  'joined',
  'normal_around_one',
  'pooled',
  'resampled',
  'resolution_plan',
]
