"""The VGG16 in whose features improved precision and recall compare the manifolds of real and generated images.

The architecture is configuration D of Simonyan and Zisserman 2015 ("Very Deep Convolutional Networks for Large-Scale
Image Recognition") up to its second fully connected layer, whose 4096 outputs after the ReLU are the features of
Kynkäänniemi et al. 2019 ("Improved Precision and Recall Metric for Assessing Generative Models"). The published network
resizes the image inside, as TensorFlow 1 does, and StyleGAN's metrics then round its features to float16: here they
stay float32.
"""

import os
from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from gengan.networks import resizers, weights
from gengan.networks.network import Network, check_images, to_levels

FEATURES = 4096
IMAGE_SIZE = 224
STAGES = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))  # convolutions and their width, before each pooling
BATCH_SIZE = 32  # the first two convolutions hold 13 MB each for every image
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's red, green and blue, in units of [0, 1]

# SHA-256 of the published files, and what the network is called with each: their scores are not comparable.
PUBLISHED = {
  # vgg16-397923af.pth of torchvision (IMAGENET1K_V1)
  '397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0': 'vgg16_torchvision',
  # vgg16.pt of StyleGAN2-ADA, with which StyleGAN's precision and recall are measured
  'b437eb095feaeb0b83eb3fa11200ebca4548ee39a07fb944a417ddc516cc07c3': 'vgg16_nvidia',
}

PyTree = Any


def load(path: str | os.PathLike, *, allow_other: bool = False) -> Network:
  """The network with the weights of a file: a PyTorch state dict, TorchScript archive, .safetensors or .npz.

  Args:
    path: vgg16-397923af.pth (torchvision) or vgg16.pt (StyleGAN2-ADA). The file is known by its SHA-256.
    allow_other: take any weights that fit the architecture and the names of either file. The network is then called
      'vgg16_other', and its scores are no published ones.

  Returns:
    'vgg16_torchvision', 'vgg16_nvidia' or 'vgg16_other'. Its `apply` gives the keys of `apply` in this module, and is
    compiled: under another `jit` the weights would become constants of the program.

  Raises:
    FileNotFoundError: no such file.
    ValueError: another file, a damaged one, or weights that do not fit.
  """
  tensors, sha256 = weights.read(path, sha256=None if allow_other else PUBLISHED)
  shapes = jax.eval_shape(VGG16().init, jax.random.key(0), jnp.zeros((1, IMAGE_SIZE, IMAGE_SIZE, 3)))
  params = jax.device_put(parameters(tensors, shapes['params'], str(path)))
  return Network(
    name=PUBLISHED.get(sha256, 'vgg16_other'),
    sha256=sha256,
    size=FEATURES,
    resizer='tensorflow',
    precision='float32',
    apply=partial(apply, params),
    batch_size=BATCH_SIZE,
  )


def apply(params: PyTree, images: jax.Array) -> dict[str, jax.Array]:
  """Features of images. Two compiled programs, so that only the resizing depends on the image size.

  The network sees (level / 255 - mean) / deviation of ImageNet with the levels of `to_levels`, resized to 224 x 224.
  Grey images are repeated to three channels.

  Args:
    params: of `VGG16`.
    images: [N, H, W, C], C = 1 or 3, uint8 or float in [-1, 1].

  Returns:
    'features' [N, 4096], at least 0.

  Raises:
    ValueError: another shape or type.
  """
  check_images(images)
  return {'features': _forward(params, _prepare(images, IMAGE_SIZE))}


@partial(jax.jit, static_argnames='size')
def _prepare(images: jax.Array, size: int) -> jax.Array:
  """[N, size, size, 3] float32, about -2.1 to 2.6."""
  levels = resizers.tensorflow(to_levels(images), size)
  return (levels / 255.0 - jnp.array(MEAN)) / jnp.array(STD)


@jax.jit
def _forward(params: PyTree, x: jax.Array) -> jax.Array:
  return VGG16().apply({'params': params}, x)


class VGG16(nn.Module):
  """[N, H, W, 3], about -2.1 to 2.6, H and W multiples of 32 -> features [N, 4096].

  Attributes:
    thin: every width is divided by this power of two up to 64, for tests.
  """

  thin: int = 1

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    highest = jax.lax.Precision.HIGHEST
    for stage, (count, width) in enumerate(STAGES, start=1):
      for layer in range(1, count + 1):
        x = nn.relu(nn.Conv(width // self.thin, (3, 3), precision=highest, name=f'conv{stage}_{layer}')(x))
      x = nn.max_pool(x, (2, 2), (2, 2))
    x = x.transpose(0, 3, 1, 2).reshape(len(x), -1)  # by channels, then rows and columns, as the weights are published
    for layer in (1, 2):
      x = nn.relu(nn.Dense(FEATURES // self.thin, precision=highest, name=f'fc{layer}')(x))
    return x


def parameters(tensors: Mapping[str, np.ndarray], shapes: Mapping[str, Any], where: str) -> dict[str, Any]:
  """The network's parameters from the tensors of a file.

  Args:
    tensors: by the names of torchvision (features.0.weight) or of NVIDIA's archive (layers.conv1.weight). What the
      network does not need is ignored.
    shapes: the wanted tree of parameters, as `jax.eval_shape` gives it.
    where: the file, for error messages.

  Returns:
    The tree of `shapes` as float32 arrays.

  Raises:
    ValueError: see `weights.tensor`.
  """
  tensor = lambda key, shape: weights.tensor(tensors, key, shape, where).astype(np.float32)

  def layer(key: str, kernel: tuple[int, ...]) -> dict[str, np.ndarray]:
    *window, inputs, outputs = kernel
    weight = tensor(f'{key}.weight', (outputs, inputs, *window))
    order = (2, 3, 1, 0) if window else (1, 0)
    return {'kernel': weight.transpose(order), 'bias': tensor(f'{key}.bias', (outputs,))}

  keys = _keys(nvidia=any(name.startswith('layers.') for name in tensors))
  return {name: layer(key, shapes[name]['kernel'].shape) for name, key in keys.items()}


def _keys(*, nvidia: bool) -> dict[str, str]:
  """The names of the network's layers in a file."""
  keys, index = {}, 0
  for stage, (count, _) in enumerate(STAGES, start=1):
    for layer in range(1, count + 1):
      keys[f'conv{stage}_{layer}'] = f'layers.conv{len(keys) + 1}' if nvidia else f'features.{index}'
      index += 2  # the ReLU has a number too
    index += 1  # and so has the pooling
  dense = ('layers.fc1', 'layers.fc2') if nvidia else ('classifier.0', 'classifier.3')
  return keys | dict(zip(('fc1', 'fc2'), dense, strict=True))
