from functools import partial

import jax
import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from gengan.networks import resizers, vgg

THIN = 16  # what the tests divide every width by
SIDE = 64  # pixels, of which 2 x 2 are left for the fully connected layers
WIDTHS = (64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512)
POOLED = (1, 3, 6, 9, 12)  # convolutions that a pooling follows

# The names of the layers in the order of the network, spelled out: torchvision's, NVIDIA's and ours.
CONVOLUTIONS = [f'features.{index}' for index in (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)]
TORCHVISION = [*CONVOLUTIONS, 'classifier.0', 'classifier.3']
NVIDIA = [f'layers.{name}' for name in (*(f'conv{number}' for number in range(1, 14)), 'fc1', 'fc2')]
OURS = 'conv1_1 conv1_2 conv2_1 conv2_2 conv3_1 conv3_2 conv3_3 conv4_1 conv4_2 conv4_3 conv5_1 conv5_2 conv5_3 fc1 fc2'


def shapes_of(thin, height=SIDE, width=SIDE):
  images = np.zeros((1, height, width, 3), np.float32)
  return jax.eval_shape(vgg.VGG16(thin=thin).init, jax.random.key(0), images)['params']


def state_dict(pixels=4, *, names=TORCHVISION, thin=THIN):
  """Stand-in weights by the names of a file, for `pixels` that are left for the fully connected layers."""
  rng = np.random.default_rng(0)
  tensors, inputs = {}, 3
  for name, width in zip(names, (*WIDTHS, 4096, 4096), strict=True):
    window = () if width == 4096 else (3, 3)
    inputs = inputs * pixels if name in ('classifier.0', 'layers.fc1') else inputs
    shape = (width // thin, inputs, *window)
    tensors[f'{name}.weight'] = rng.normal(0, (2 / np.prod(shape[1:])) ** 0.5, shape).astype(np.float32)
    tensors[f'{name}.bias'] = rng.normal(0, 0.2, shape[0]).astype(np.float32)
    inputs = shape[0]
  return tensors


def convolution(x, weight, bias):
  """3x3 with one pixel of zeros around, of [N, C, H, W]."""
  windows = sliding_window_view(np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1))), (3, 3), (2, 3))
  return np.einsum('nihwab,oiab->nohw', windows, weight, optimize=True) + bias[:, None, None]


def in_numpy(tensors, x):
  """The network once more, in float64: [N, 3, H, W] -> [N, D]."""
  tensors = {name: value.astype(np.float64) for name, value in tensors.items()}
  for number, name in enumerate(CONVOLUTIONS):
    x = np.maximum(convolution(x, tensors[f'{name}.weight'], tensors[f'{name}.bias']), 0)
    if number in POOLED:
      x = np.maximum(np.maximum(x[..., ::2, ::2], x[..., ::2, 1::2]), np.maximum(x[..., 1::2, ::2], x[..., 1::2, 1::2]))
  x = x.reshape(len(x), -1)
  for name in ('classifier.0', 'classifier.3'):
    x = np.maximum(x @ tensors[f'{name}.weight'].T + tensors[f'{name}.bias'], 0)
  return x


@pytest.mark.parametrize(('height', 'width'), [(64, 64), (32, 96), (64, 32)])
def test_the_network_agrees_with_numpy(height, width):
  tensors = state_dict(height * width // 32**2)
  params = vgg.parameters(tensors, shapes_of(THIN, height, width), 'file')
  x = np.random.default_rng(1).normal(size=(2, height, width, 3)).astype(np.float32)
  found = jax.jit(vgg.VGG16(thin=THIN).apply)({'params': params}, x)
  expected = in_numpy(tensors, x.transpose(0, 3, 1, 2).astype(np.float64))
  assert (expected > 0).mean() > 0.2
  np.testing.assert_allclose(found, expected, atol=1e-5 * expected.max())


def test_single_layers_by_loops():
  tensors = state_dict(6)
  params = vgg.parameters(tensors, shapes_of(THIN, 64, 96), 'file')
  x = np.random.default_rng(1).normal(size=(1, 64, 96, 3)).astype(np.float32)
  capture = lambda module, _: module.name in ('conv1_1', 'conv5_3', 'fc1')
  run = jax.jit(partial(vgg.VGG16(thin=THIN).apply, capture_intermediates=capture))
  layers = run({'params': params}, x)[1]['intermediates']
  first, last, dense = (np.asarray(layers[name]['__call__'][0][0]) for name in ('conv1_1', 'conv5_3', 'fc1'))

  weight, bias = tensors['features.0.weight'], tensors['features.0.bias']
  for i, j in [(0, 0), (63, 95), (5, 80)]:
    for output in range(4):
      value = bias[output]
      for a, b, channel in np.ndindex(3, 3, 3):
        if 0 <= i + a - 1 < 64 and 0 <= j + b - 1 < 96:
          value += weight[output, channel, a, b] * x[0, i + a - 1, j + b - 1, channel]
      np.testing.assert_allclose(first[i, j, output], value, atol=1e-5)

  # The weights of the first fully connected layer count channels first, then rows, then columns.
  weight, expected = tensors['classifier.0.weight'], tensors['classifier.0.bias'].astype(np.float64)
  for channel, i, j in np.ndindex(32, 2, 3):
    pooled = max(last[2 * i : 2 * i + 2, 2 * j : 2 * j + 2, channel].max(), 0)
    expected += weight[:, (channel * 2 + i) * 3 + j] * pooled
  np.testing.assert_allclose(dense, expected, atol=1e-5 * np.abs(expected).max())


def test_the_size_of_the_published_network():
  shapes = shapes_of(1, 224, 224)
  assert list(shapes) == OURS.split()
  assert shapes['fc1']['kernel'].shape == (25088, 4096)
  last_layer = 4096 * 1000 + 1000  # which the features do not need
  assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) + last_layer == 138_357_544
  features = jax.eval_shape(vgg.VGG16().apply, {'params': shapes}, jax.ShapeDtypeStruct((4, 224, 224, 3), np.float32))
  assert features.shape == (4, 4096)


def test_the_names_of_nvidia_give_the_same_parameters():
  torchvision, nvidia = state_dict(), state_dict(names=NVIDIA)
  extra = {'classifier.6.weight': np.zeros((1000, 256)), 'classifier.6.bias': np.zeros(1000)}
  shapes = shapes_of(THIN)
  expected = vgg.parameters(torchvision | extra, shapes, 'file')
  found = vgg.parameters(nvidia | {'lpips0': np.zeros(4)}, shapes, 'file')
  jax.tree.map(np.testing.assert_array_equal, found, expected)
  assert jax.tree.map(lambda x: (x.shape, x.dtype), found) == jax.tree.map(lambda x: (x.shape, x.dtype), shapes)
  del nvidia['layers.conv13.bias']
  with pytest.raises(ValueError, match=r'^file: the key layers\.conv13\.bias is missing among its 29'):
    vgg.parameters(nvidia, shapes, 'file')


@pytest.mark.parametrize(
  ('name', 'change', 'message'),
  [
    ('features.14.bias', None, 'is missing among its 29'),  # of configuration B, and of that with normalisation
    ('classifier.3.weight', None, 'is missing among its 29'),
    ('features.0.weight', lambda x: x.transpose(2, 3, 1, 0), r'has the shape \[3, 3, 3, 4\], not \[4, 3, 3, 3\]'),
    ('classifier.0.weight', lambda x: x[:, :32], r'has the shape \[256, 32\], not \[256, 128\]'),
    ('classifier.0.weight', lambda x: x * np.nan, 'holds values that are NaN or infinite'),
    ('features.28.bias', lambda x: x.astype(np.int64), 'is int64, not float'),
  ],
)
def test_weights_that_do_not_fit_are_named(name, change, message):
  tensors = state_dict()
  if change is None:
    del tensors[name]
  else:
    tensors[name] = change(tensors[name])
  with pytest.raises(ValueError, match=message) as caught:
    vgg.parameters(tensors, shapes_of(THIN), 'weights.pth')
  assert str(caught.value).startswith(f'weights.pth: the key {name} ' if change is None else f'weights.pth: {name} ')


def test_images_are_normalised_by_the_moments_of_imagenet():
  levels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
  prepared = np.asarray(vgg._prepare(levels, 16))
  assert prepared.shape == (1, 16, 16, 3) and prepared.dtype == np.float32
  expected = (levels / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
  np.testing.assert_allclose(prepared, expected, atol=1e-6)
  np.testing.assert_allclose(vgg._prepare(np.repeat(levels, 3, axis=3), 16), prepared, atol=1e-6)
  # Float images are not rounded, but clipped.
  np.testing.assert_allclose(vgg._prepare(levels / np.float32(127.5) - 1, 16), prepared, atol=1e-5)
  between = np.array([-1.5, -1, 0.001, 1, 1.5], np.float32).reshape(1, 5, 1, 1).repeat(5, axis=2)
  grey = np.array([0, 0, 0.5005, 1, 1])
  np.testing.assert_allclose(vgg._prepare(between, 5)[0, :, 0, 0], (grey - 0.485) / 0.229, atol=1e-6)


@pytest.mark.parametrize(
  ('images', 'message'),
  [
    (np.zeros((8, 8, 3), np.uint8), r'\[N, H, W, C\]'),
    (np.zeros((1, 8, 8, 4), np.uint8), 'C = 1 or 3'),
    (np.zeros((0, 8, 8, 3), np.uint8), 'C = 1 or 3'),
    (np.zeros((1, 8, 8, 3), np.int32), 'not int32'),
  ],
)
def test_other_images_are_refused(images, message):
  with pytest.raises(ValueError, match=message):
    vgg.apply({}, images)


@pytest.fixture
def thin(monkeypatch):
  """The network of the tests in place of the published one."""
  monkeypatch.setattr(vgg, 'VGG16', partial(vgg.VGG16, thin=THIN))
  monkeypatch.setattr(vgg, 'IMAGE_SIZE', SIDE)


def test_load(tmp_path, monkeypatch, thin):
  tensors = state_dict()
  path = tmp_path / 'vgg16.npz'
  np.savez(path, **tensors)
  with pytest.raises(ValueError, match=r'vgg16\.npz is not the published file.* not 397923af\.\.\. or b437eb09\.\.\.$'):
    vgg.load(path)
  network = vgg.load(path, allow_other=True)
  assert network.name == 'vgg16_other' and network[2:5] == (4096, 'tensorflow', 'float32')
  assert network.batch_size == 32
  for name in vgg.PUBLISHED.values():
    with monkeypatch.context() as context:
      context.setattr(vgg, 'PUBLISHED', {network.sha256: name})
      assert vgg.load(path)[:2] == (name, network.sha256)
  assert sorted(vgg.PUBLISHED.values()) == ['vgg16_nvidia', 'vgg16_torchvision']

  images = np.random.default_rng(0).integers(0, 256, (2, 24, 40, 1), np.uint8)
  outputs = network.apply(images)
  x = (np.asarray(resizers.tensorflow(images, SIDE), np.float64) / 255 - vgg.MEAN) / vgg.STD
  expected = in_numpy(tensors, x.transpose(0, 3, 1, 2))
  assert outputs.keys() == {'features'} and outputs['features'].dtype == np.float32
  np.testing.assert_allclose(outputs['features'], expected, atol=1e-5 * expected.max())

  content = path.read_bytes()
  path.write_bytes(content[: len(content) // 2])
  with pytest.raises(ValueError, match=r'vgg16\.npz cannot be read: ') as caught:
    vgg.load(path, allow_other=True)
  assert '\n' not in str(caught.value)
  with pytest.raises(FileNotFoundError, match='nowhere'):
    vgg.load(tmp_path / 'nowhere')


def in_torch(torch, kind):
  """The network by PyTorch's layers with random weights: one object in torchvision's or NVIDIA's structure.

  Returns:
    The module, whose state has the names of the file, and a function of normalised images [N, 3, 64, 64].
  """
  nn = torch.nn
  inputs, stages, named = 3, [], {}
  for number, width in enumerate(WIDTHS):
    named[f'conv{number + 1}'] = nn.Conv2d(inputs, width // THIN, 3, padding=1)
    stages += [named[f'conv{number + 1}'], nn.ReLU(), *([nn.MaxPool2d(2)] if number in POOLED else [])]
    inputs = width // THIN
  named['fc1'], named['fc2'] = nn.Linear(inputs * 4, 4096 // THIN), nn.Linear(4096 // THIN, 4096 // THIN)
  convolutions, first, second = nn.Sequential(*stages), named['fc1'], named['fc2']
  head = nn.Sequential(first, nn.ReLU(), nn.Dropout(), second, nn.ReLU(), nn.Dropout(), nn.Linear(4096 // THIN, 10))
  parts = {'features': convolutions, 'classifier': head} if kind == 'torchvision' else {'layers': nn.ModuleDict(named)}
  run = lambda x: torch.relu(second(torch.relu(first(torch.flatten(convolutions(x), 1)))))
  return nn.ModuleDict(parts).eval(), run


@pytest.mark.peers
@pytest.mark.parametrize('form', ['legacy', 'zip', 'script'])
def test_files_of_torch_give_its_features(tmp_path, thin, form):
  torch = pytest.importorskip('torch')
  torch.manual_seed(0)
  module, run = in_torch(torch, 'nvidia' if form == 'script' else 'torchvision')
  path = tmp_path / 'vgg16.bin'
  if form == 'script':
    torch.jit.save(torch.jit.script(module), path)
  else:
    torch.save(module.state_dict(), path, _use_new_zipfile_serialization=form == 'zip')
  network = vgg.load(path, allow_other=True)

  images = np.random.default_rng(0).integers(0, 256, (3, 28, 40, 3), np.uint8)
  with torch.no_grad():
    x = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    # TensorFlow's rule, which reads output pixel i at i * length / size: half a pixel beside PyTorch's.
    theta = torch.tensor([[1.0, 0, 1 / 40 - 1 / SIDE], [0, 1, 1 / 28 - 1 / SIDE]]).repeat(3, 1, 1)
    grid = torch.nn.functional.affine_grid(theta, (3, 3, SIDE, SIDE), align_corners=False)
    x = torch.nn.functional.grid_sample(x, grid, mode='bilinear', padding_mode='border', align_corners=False)
    mean, std = (torch.tensor(values)[:, None, None] for values in (vgg.MEAN, vgg.STD))
    expected = run((x - mean) / std).numpy()
  assert (expected > 0).mean() > 0.2
  np.testing.assert_allclose(network.apply(images)['features'], expected, atol=1e-5 * expected.max())
