"""The Inception-v3 of the Fréchet Inception distance, with the weights of 2015-12-05.

The architecture is that of Szegedy et al. 2016 ("Rethinking the Inception Architecture for Computer Vision") as the
published TensorFlow graph has it, which differs from torchvision's: averages over 3x3 pixels leave the padding out, the
last block pools by the maximum, there are 1008 outputs, and the image is resized inside (Heusel et al. 2017, "GANs
Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium"). The modules bear PyTorch's names.
"""

import os
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from gengan.networks import inception_fid_weights, weights
from gengan.networks.network import Network, check_images, to_levels
from gengan.networks.resizers import RESIZERS

FEATURES = 2048
CLASSES = 1008
IMAGE_SIZE = 299

PyTree = Any


def load(path: str | os.PathLike, *, allow_other: bool = False, resizer: str = 'tensorflow') -> Network:
  """The network with the weights of a file: a PyTorch state dict, TorchScript archive, .safetensors or .npz.

  Args:
    path: pt_inception-2015-12-05-6726825d.pth (pytorch-fid), weights-inception-2015-12-05-6726825d.pth
      (torch-fidelity) or inception-2015-12-05.pt (StyleGAN2-ADA). The file is known by its SHA-256.
    allow_other: take any weights that fit the architecture. The network is then called 'inception_other', and a
      distance of its features is no FID.
    resizer: 'tensorflow' as in the original FID, or 'clean' as in clean-fid.

  Returns:
    'inception_fid', or 'inception_other' where the file is not a published one. Its `apply` gives the keys of `apply`
    in this module, and is compiled: under another `jit` the weights would become constants of the program.

  Raises:
    FileNotFoundError: no such file.
    ValueError: another file, a damaged one, or weights that do not fit; an unknown resizer.
  """
  if resizer not in RESIZERS:
    raise ValueError(f'resizer is {resizer!r}; known are {", ".join(RESIZERS)}')
  published = inception_fid_weights.PUBLISHED
  tensors, sha256 = weights.read(path, sha256=None if allow_other else published)
  shapes = jax.eval_shape(Inception().init, jax.random.key(0), jnp.zeros((1, IMAGE_SIZE, IMAGE_SIZE, 3)))
  params = jax.device_put(inception_fid_weights.parameters(tensors, shapes['params'], str(path)))
  return Network(
    name='inception_fid' if sha256 in published else 'inception_other',
    sha256=sha256,
    size=FEATURES,
    resizer=resizer,
    precision='float32',
    apply=partial(apply, params, resizer=resizer),
    batch_size=32,
  )


def apply(params: PyTree, images: jax.Array, *, resizer: str = 'tensorflow') -> dict[str, jax.Array]:
  """Features and class scores of images. Two compiled programs, so that only the resizing depends on the image size.

  The network sees (level - 128) / 128 with the levels of `to_levels`, resized to 299 x 299. Grey images are repeated to
  three channels.

  Args:
    params: of `Inception`.
    images: [N, H, W, C], C = 1 or 3, uint8 or float in [-1, 1].
    resizer: a key of `gengan.networks.resizers.RESIZERS`.

  Returns:
    'features' [N, 2048], the averages before the last layer; 'logits' [N, 1008], without the last layer's bias, as
    the inception score has been computed ever since its first implementation; 'probs', their softmax.

  Raises:
    ValueError: another shape or type.
  """
  check_images(images)
  return _forward(params, _prepare(images, resizer))


@partial(jax.jit, static_argnames='resizer')
def _prepare(images: jax.Array, resizer: str) -> jax.Array:
  """[N, 299, 299, 3] float32, about -1 to 1."""
  levels = RESIZERS[resizer](to_levels(images), IMAGE_SIZE)
  return jnp.broadcast_to((levels - 128.0) / 128.0, (*levels.shape[:3], 3))


@jax.jit
def _forward(params: PyTree, x: jax.Array) -> dict[str, jax.Array]:
  features, logits = Inception().apply({'params': params}, x)
  return {'features': features, 'logits': logits, 'probs': jax.nn.softmax(logits)}


class Inception(nn.Module):
  """[N, 299, 299, 3], about -1 to 1 -> features [N, 2048], logits without bias [N, 1008].

  Attributes:
    thin: every width is divided by this power of two up to 16, for tests.
  """

  thin: int = 1

  @nn.compact
  def __call__(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
    conv = partial(Conv, thin=self.thin)
    x = conv(32, (3, 3), stride=2, name='Conv2d_1a_3x3')(x)
    x = conv(32, (3, 3), padding='VALID', name='Conv2d_2a_3x3')(x)
    x = conv(64, (3, 3), name='Conv2d_2b_3x3')(x)
    x = _max_pool(x, stride=2)
    x = conv(80, (1, 1), name='Conv2d_3b_1x1')(x)
    x = conv(192, (3, 3), padding='VALID', name='Conv2d_4a_3x3')(x)
    x = _max_pool(x, stride=2)  # 35 x 35
    x = InceptionA(32, self.thin, name='Mixed_5b')(x)
    x = InceptionA(64, self.thin, name='Mixed_5c')(x)
    x = InceptionA(64, self.thin, name='Mixed_5d')(x)
    x = InceptionB(self.thin, name='Mixed_6a')(x)  # 17 x 17
    x = InceptionC(128, self.thin, name='Mixed_6b')(x)
    x = InceptionC(160, self.thin, name='Mixed_6c')(x)
    x = InceptionC(160, self.thin, name='Mixed_6d')(x)
    x = InceptionC(192, self.thin, name='Mixed_6e')(x)
    x = InceptionD(self.thin, name='Mixed_7a')(x)  # 8 x 8
    x = InceptionE(avg_pool, self.thin, name='Mixed_7b')(x)
    x = InceptionE(_max_pool, self.thin, name='Mixed_7c')(x)
    features = x.mean(axis=(1, 2))
    return features, nn.Dense(CLASSES, use_bias=False, precision=jax.lax.Precision.HIGHEST, name='fc')(features)


class InceptionA(nn.Module):
  """5x5 and twice 3x3 beside each other, at 35 x 35 pixels (Szegedy et al. 2016, figure 5)."""

  pool_features: int
  thin: int = 1

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    conv, tower = partial(Conv, thin=self.thin), partial(_tower, x, thin=self.thin)
    one = conv(64, (1, 1), name='branch1x1')(x)
    five = tower('branch5x5', (48, 1, 1), (64, 5, 5))
    double = tower('branch3x3dbl', (64, 1, 1), (96, 3, 3), (96, 3, 3))
    pool = conv(self.pool_features, (1, 1), name='branch_pool')(avg_pool(x))
    return jnp.concatenate([one, five, double, pool], axis=-1)


class InceptionB(nn.Module):
  """From 35 x 35 to 17 x 17 pixels."""

  thin: int = 1

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    three = Conv(384, (3, 3), stride=2, thin=self.thin, name='branch3x3')(x)
    double = _tower(x, 'branch3x3dbl', (64, 1, 1), (96, 3, 3), (96, 3, 3), stride=2, thin=self.thin)
    return jnp.concatenate([three, double, _max_pool(x, stride=2)], axis=-1)


class InceptionC(nn.Module):
  """7x7 in factors of 1x7 and 7x1, at 17 x 17 pixels (figure 6)."""

  features_7x7: int
  thin: int = 1

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    conv, tower = partial(Conv, thin=self.thin), partial(_tower, x, thin=self.thin)
    width = self.features_7x7
    one = conv(192, (1, 1), name='branch1x1')(x)
    seven = tower('branch7x7', (width, 1, 1), (width, 1, 7), (192, 7, 1))
    double = tower('branch7x7dbl', (width, 1, 1), (width, 7, 1), (width, 1, 7), (width, 7, 1), (192, 1, 7))
    pool = conv(192, (1, 1), name='branch_pool')(avg_pool(x))
    return jnp.concatenate([one, seven, double, pool], axis=-1)


class InceptionD(nn.Module):
  """From 17 x 17 to 8 x 8 pixels."""

  thin: int = 1

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    tower = partial(_tower, x, stride=2, thin=self.thin)
    three = tower('branch3x3', (192, 1, 1), (320, 3, 3))
    seven = tower('branch7x7x3', (192, 1, 1), (192, 1, 7), (192, 7, 1), (192, 3, 3))
    return jnp.concatenate([three, seven, _max_pool(x, stride=2)], axis=-1)


class InceptionE(nn.Module):
  """1x3 and 3x1 side by side, at 8 x 8 pixels (figure 7). `pool` differs between the two blocks of this kind."""

  pool: Callable[[jax.Array], jax.Array]
  thin: int = 1

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    conv = partial(Conv, thin=self.thin)
    one = conv(320, (1, 1), name='branch1x1')(x)
    three = conv(384, (1, 1), name='branch3x3_1')(x)
    wide = conv(384, (1, 3), name='branch3x3_2a')(three)
    high = conv(384, (3, 1), name='branch3x3_2b')(three)
    double = _tower(x, 'branch3x3dbl', (448, 1, 1), (384, 3, 3), thin=self.thin)
    double_wide = conv(384, (1, 3), name='branch3x3dbl_3a')(double)
    double_high = conv(384, (3, 1), name='branch3x3dbl_3b')(double)
    pool = conv(192, (1, 1), name='branch_pool')(self.pool(x))
    return jnp.concatenate([one, wide, high, double_wide, double_high, pool], axis=-1)


class Conv(nn.Module):
  """Convolution and ReLU; kernel and bias contain the batch normalisation between them. No padding where strided."""

  features: int
  kernel_size: tuple[int, int]
  stride: int = 1
  padding: str = 'SAME'
  thin: int = 1

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    features = self.features // self.thin
    kernel = self.param('kernel', nn.initializers.he_normal(), (*self.kernel_size, x.shape[-1], features))
    bias = self.param('bias', nn.initializers.zeros_init(), (features,))
    y = jax.lax.conv_general_dilated(
      x,
      kernel,
      (self.stride, self.stride),
      self.padding if self.stride == 1 else 'VALID',
      dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
      precision=jax.lax.Precision.HIGHEST,
    )
    return nn.relu(y + bias)


def _tower(x: jax.Array, name: str, *layers: tuple[int, int, int], stride: int = 1, thin: int) -> jax.Array:
  """Convolutions name_1, name_2, ... of (features, height, width) one after another; the stride is of the last one."""
  for number, (features, *kernel) in enumerate(layers, start=1):
    last = number == len(layers)
    x = Conv(features, tuple(kernel), stride if last else 1, thin=thin, name=f'{name}_{number}')(x)
  return x


def avg_pool(x: jax.Array) -> jax.Array:
  """Mean of 3x3 pixels of [N, H, W, C]; at the borders, of those that there are."""
  return nn.avg_pool(x, (3, 3), padding='SAME', count_include_pad=False)


def _max_pool(x: jax.Array, stride: int = 1) -> jax.Array:
  return nn.max_pool(x, (3, 3), (stride, stride), padding='SAME' if stride == 1 else 'VALID')
