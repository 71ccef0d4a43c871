"""From the names of the published Inception-v3 weights files to the parameters of `gengan.networks.inception`."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from gengan.networks import weights

EPSILON = 1e-3  # of the batch normalisation

# SHA-256 of the files that carry the weights of 2015-12-05, from which the Fréchet Inception distance is computed.
PUBLISHED = {
  # pt_inception-2015-12-05-6726825d.pth of pytorch-fid; weights-inception-2015-12-05-6726825d.pth of torch-fidelity
  '6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2': 'PyTorch state dict',
  # inception-2015-12-05.pt of StyleGAN2-ADA and clean-fid
  'f58cb9b6ec323ed63459aa4fb441fe750cfe39fafad6da5cb504a16f19e958f4': 'TorchScript',
}


def _numbered(name: str, ours: str) -> dict[str, str]:
  """TensorFlow's names by ours: it calls the first of a kind conv, the others conv_1, conv_2 and so on."""
  return {our: f'{name}_{number}' if number else name for number, our in enumerate(ours.split())}


# The TorchScript archive keeps TensorFlow's names: the place of a convolution in its block.
_STEM = _numbered('conv', 'Conv2d_1a_3x3 Conv2d_2a_3x3 Conv2d_2b_3x3 Conv2d_3b_1x1 Conv2d_4a_3x3')
_BLOCKS = _numbered(
  'mixed',
  'Mixed_5b Mixed_5c Mixed_5d Mixed_6a Mixed_6b Mixed_6c Mixed_6d Mixed_6e Mixed_7a Mixed_7b Mixed_7c',
)
_TOWERS = {
  'branch1x1': 'conv',
  'branch3x3': 'conv',
  **_numbered('tower_conv', 'branch3x3_1 branch3x3_2'),
  **_numbered('tower_conv', 'branch5x5_1 branch5x5_2'),
  **_numbered('tower_conv', 'branch7x7_1 branch7x7_2 branch7x7_3'),
  **_numbered('tower_mixed_conv', 'branch3x3_2a branch3x3_2b'),
  **_numbered('tower_1_conv', 'branch3x3dbl_1 branch3x3dbl_2 branch3x3dbl_3'),
  **_numbered('tower_1_conv', 'branch7x7dbl_1 branch7x7dbl_2 branch7x7dbl_3 branch7x7dbl_4 branch7x7dbl_5'),
  **_numbered('tower_1_conv', 'branch7x7x3_1 branch7x7x3_2 branch7x7x3_3 branch7x7x3_4'),
  **_numbered('tower_1_mixed_conv', 'branch3x3dbl_3a branch3x3dbl_3b'),
  'branch_pool': 'tower_2_conv',
}


def parameters(tensors: Mapping[str, np.ndarray], shapes: Mapping[str, Any], where: str) -> dict[str, Any]:
  """The network's parameters, the batch normalisations folded into the convolutions, see `weights.without_batch_norm`.

  Args:
    tensors: by the names of PyTorch (pytorch-fid, torch-fidelity) or of TensorFlow (StyleGAN's TorchScript archive).
      What the network does not need is ignored.
    shapes: the wanted tree of parameters, as `jax.eval_shape` gives it.
    where: the file, for error messages.

  Returns:
    The tree of `shapes` as float32 arrays.

  Raises:
    ValueError: see `weights.tensor`, or negative variances.
  """
  archive = _Archive(tensors, where)

  def walk(tree: Mapping[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    if path == ('fc',):
      return {'kernel': archive.tensor('fc.weight', tree['kernel'].shape[::-1]).T.astype(np.float32)}
    if 'kernel' in tree:
      return archive.convolution('.'.join(path), tree['kernel'].shape)
    return {name: walk(child, (*path, name)) for name, child in tree.items()}

  return walk(shapes, ())


class _Archive:
  """Tensors of either naming, by PyTorch's names."""

  def __init__(self, tensors: Mapping[str, np.ndarray], where: str):
    self.where = where
    self.tensorflow = any(name.startswith('layers.') for name in tensors)
    # Sequential towers give tower.conv, towers by attribute tower_conv.
    self.tensors = {_flat(name): value for name, value in tensors.items()} if self.tensorflow else tensors

  def convolution(self, name: str, shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    height, width, inputs, outputs = shape
    kernel = self.tensor(f'{name}.conv.weight', (outputs, inputs, height, width)).transpose(2, 3, 1, 0)
    mean, var, bias = (self.tensor(f'{name}.bn.{part}', (outputs,)) for part in ('running_mean', 'running_var', 'bias'))
    if (var < 0).any():
      raise ValueError(f'{self.where}: {self.key(f"{name}.bn.running_var")} has negative variances')
    # TensorFlow's network has no scale: its archive leaves the ones out.
    scale = np.ones(outputs) if self.tensorflow else self.tensor(f'{name}.bn.weight', (outputs,))
    moments = {'mean': mean, 'variance': var}
    return weights.without_batch_norm(kernel, scale=scale, bias=bias, **moments, epsilon=EPSILON)

  def tensor(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """In float64."""
    return weights.tensor(self.tensors, self.key(name), shape, self.where).astype(np.float64)

  def key(self, name: str) -> str:
    """The file's name for a tensor."""
    if not self.tensorflow:
      return name
    if name.startswith('fc.'):
      return f'output.{name.removeprefix("fc.")}'
    *place, _, leaf = name.split('.')
    leaf = {'weight': 'weight', 'running_mean': 'mean', 'running_var': 'var', 'bias': 'beta'}[leaf]
    if len(place) == 1:
      return f'layers.{_STEM[place[0]]}.{leaf}'
    block, branch = place
    tower = _TOWERS[branch]
    if block == 'Mixed_6a':  # it has no tower of its own for branch3x3, so that its numbers are one lower
      tower = tower.replace('tower_1_', 'tower_')
    return f'layers.{_BLOCKS[block]}.{tower}.{leaf}'


def _flat(name: str) -> str:
  """layers.mixed.tower.conv.weight -> layers.mixed.tower_conv.weight"""
  parts = name.split('.')
  return name if len(parts) < 5 else '.'.join([*parts[:2], '_'.join(parts[2:-1]), parts[-1]])
