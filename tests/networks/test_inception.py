from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from gengan.networks import inception, inception_fid_weights

THIN = 16  # what the tests divide every width by
SIDE = 75  # pixels: the least of which one is left for the last blocks
THIN_FEATURES = inception.FEATURES // THIN


def shapes_of(thin):
  images = np.zeros((1, SIDE, SIDE, 3), np.float32)
  return jax.eval_shape(inception.Inception(thin=thin).init, jax.random.key(0), images)['params']


@pytest.fixture(scope='module')
def shapes():
  return shapes_of(THIN)


def state_dict(shapes, seed=0):
  """Stand-in weights by the names of PyTorch's file, for a tree of parameters."""
  rng = np.random.default_rng(seed)
  tensors = {}
  for path, leaf in jax.tree_util.tree_leaves_with_path(shapes):
    *place, kind = [key.key for key in path]
    name = '.'.join(place)
    if name == 'fc':
      tensors['fc.weight'] = rng.normal(0, 0.1, leaf.shape[::-1])
      tensors['fc.bias'] = rng.normal(0, 1, leaf.shape[1])
    elif kind == 'kernel':
      height, width, inputs, outputs = leaf.shape
      scale = (2 / (height * width * inputs)) ** 0.5
      tensors[f'{name}.conv.weight'] = rng.normal(0, scale, (outputs, inputs, height, width))
      tensors[f'{name}.bn.weight'] = rng.uniform(0.5, 1.5, outputs)
      tensors[f'{name}.bn.bias'] = rng.normal(0, 0.2, outputs)
      tensors[f'{name}.bn.running_mean'] = rng.normal(0, 0.2, outputs)
      tensors[f'{name}.bn.running_var'] = rng.uniform(0.5, 1.5, outputs)
  tensors = {name: value.astype(np.float32) for name, value in tensors.items()}
  return tensors | {'Mixed_5b.branch1x1.bn.num_batches_tracked': np.array(0)}


def published(conv, average, maximum, join, x):
  """The published network once more, [N, 3, H, W] -> the outputs of its blocks by name.

  Args:
    conv: (name, x, stride=1, pad=(0, 0)) -> convolution, batch normalisation and ReLU.
    average: 3x3, stride 1, padding 1, which does not count.
    maximum: (x, stride, pad), 3x3.
    join: list -> one tensor, by channels.
  """
  outputs = {}

  def chain(prefix, x, *steps):
    for name, *settings in steps:
      x = conv(prefix + name, x, *settings)
    return x

  across, down = (0, 3), (3, 0)
  x = chain('Conv2d_', x, ('1a_3x3', 2), ('2a_3x3',), ('2b_3x3', 1, (1, 1)))
  x = chain('Conv2d_', maximum(x, 2, 0), ('3b_1x1',), ('4a_3x3',))
  x = maximum(x, 2, 0)
  for block in ('5b', '5c', '5d'):
    five = [('5x5_1',), ('5x5_2', 1, (2, 2))]
    double = [('3x3dbl_1',), ('3x3dbl_2', 1, (1, 1)), ('3x3dbl_3', 1, (1, 1))]
    run = partial(chain, f'Mixed_{block}.branch')
    x = join([run(x, ('1x1',)), run(x, *five), run(x, *double), run(average(x), ('_pool',))])
    outputs[f'Mixed_{block}'] = x
  run = partial(chain, 'Mixed_6a.branch')
  double = [('3x3dbl_1',), ('3x3dbl_2', 1, (1, 1)), ('3x3dbl_3', 2)]
  outputs['Mixed_6a'] = x = join([run(x, ('3x3', 2)), run(x, *double), maximum(x, 2, 0)])
  for block in ('6b', '6c', '6d', '6e'):
    seven = [('7x7_1',), ('7x7_2', 1, across), ('7x7_3', 1, down)]
    double = [('7x7dbl_1',), ('7x7dbl_2', 1, down), ('7x7dbl_3', 1, across)]
    double += [('7x7dbl_4', 1, down), ('7x7dbl_5', 1, across)]
    run = partial(chain, f'Mixed_{block}.branch')
    x = join([run(x, ('1x1',)), run(x, *seven), run(x, *double), run(average(x), ('_pool',))])
    outputs[f'Mixed_{block}'] = x
  run = partial(chain, 'Mixed_7a.branch')
  seven = [('7x7x3_1',), ('7x7x3_2', 1, across), ('7x7x3_3', 1, down), ('7x7x3_4', 2)]
  outputs['Mixed_7a'] = x = join([run(x, ('3x3_1',), ('3x3_2', 2)), run(x, *seven), maximum(x, 2, 0)])
  for block in ('7b', '7c'):
    run = partial(chain, f'Mixed_{block}.branch')
    three, double = run(x, ('3x3_1',)), run(x, ('3x3dbl_1',), ('3x3dbl_2', 1, (1, 1)))
    wide, high = ('3x3_2a', 1, (0, 1)), ('3x3_2b', 1, (1, 0))
    wider, higher = ('3x3dbl_3a', 1, (0, 1)), ('3x3dbl_3b', 1, (1, 0))
    branches = [run(x, ('1x1',)), run(three, wide), run(three, high), run(double, wider), run(double, higher)]
    x = join([*branches, run(average(x) if block == '7b' else maximum(x, 1, 1), ('_pool',))])
    outputs[f'Mixed_{block}'] = x
  return outputs


def in_numpy(tensors, x):
  """`published` in float64, by windows."""

  def windows(x, size, stride, pad, value):
    x = np.pad(x, ((0, 0), (0, 0), (pad[0], pad[0]), (pad[1], pad[1])), constant_values=value)
    return sliding_window_view(x, size, (2, 3))[:, :, ::stride, ::stride]

  def conv(name, x, stride=1, pad=(0, 0)):
    kernel, scale, bias, mean, var = (
      tensors[f'{name}.{part}'].astype(np.float64)
      for part in ('conv.weight', 'bn.weight', 'bn.bias', 'bn.running_mean', 'bn.running_var')
    )
    y = np.einsum('nihwab,oiab->nhwo', windows(x, kernel.shape[2:], stride, pad, 0), kernel, optimize=True)
    return np.maximum((y - mean) / np.sqrt(var + 0.001) * scale + bias, 0).transpose(0, 3, 1, 2)

  def average(x):
    total, count = (windows(part, (3, 3), 1, (1, 1), 0).sum((4, 5)) for part in (x, np.ones_like(x)))
    return total / count

  def maximum(x, stride, pad):
    return windows(x, (3, 3), stride, (pad, pad), -np.inf).max((4, 5))

  return published(conv, average, maximum, partial(np.concatenate, axis=1), x.astype(np.float64))


def in_torch(torch, tensors, x):
  """`published` by PyTorch's own layers."""
  functional = torch.nn.functional

  def conv(name, x, stride=1, pad=(0, 0)):
    weight, scale, bias, mean, var = (
      torch.from_numpy(tensors[f'{name}.{part}'])
      for part in ('conv.weight', 'bn.weight', 'bn.bias', 'bn.running_mean', 'bn.running_var')
    )
    y = functional.conv2d(x, weight, stride=stride, padding=pad)
    return functional.relu(functional.batch_norm(y, mean, var, scale, bias, eps=0.001))

  def average(x):
    return functional.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)

  def maximum(x, stride, pad):
    return functional.max_pool2d(x, 3, stride=stride, padding=pad)

  return published(conv, average, maximum, partial(torch.cat, dim=1), x)


def test_every_block_agrees_with_numpy(shapes):
  tensors = state_dict(shapes)
  params = inception_fid_weights.parameters(tensors, shapes, 'file')
  x = np.random.default_rng(1).uniform(-1, 1, (2, SIDE, SIDE, 3)).astype(np.float32)

  @jax.jit
  def run(params, x):
    capture = lambda module, _: (module.name or '').startswith('Mixed_')
    outputs, state = inception.Inception(thin=THIN).apply({'params': params}, x, capture_intermediates=capture)
    return outputs, state['intermediates']

  (features, logits), blocks = run(params, x)
  expected = in_numpy(tensors, x.transpose(0, 3, 1, 2))
  assert blocks.keys() == expected.keys()
  for name, value in expected.items():
    found = blocks[name]['__call__'][0]
    np.testing.assert_allclose(found, value.transpose(0, 2, 3, 1), atol=1e-4 * np.abs(value).max(), err_msg=name)
  pooled = expected['Mixed_7c'].mean((2, 3))
  np.testing.assert_allclose(features, pooled, atol=1e-4 * pooled.max())
  scores = pooled @ tensors['fc.weight'].T  # the bias stays out
  np.testing.assert_allclose(logits, scores, atol=1e-4 * np.abs(scores).max())


def test_the_whole_network_agrees_with_torch():
  torch = pytest.importorskip('torch')
  shapes = shapes_of(1)
  tensors = state_dict(shapes)
  images = np.random.default_rng(1).integers(0, 256, (1, 299, 299, 3), np.uint8)
  with torch.no_grad():
    x = (torch.from_numpy(images).permute(0, 3, 1, 2).float() - 128) / 128
    features = in_torch(torch, tensors, x)['Mixed_7c'].mean((2, 3)).numpy()
  found = inception.apply(inception_fid_weights.parameters(tensors, shapes, 'file'), images)
  np.testing.assert_allclose(found['features'], features, atol=1e-4 * features.max())
  logits = features @ tensors['fc.weight'].T
  np.testing.assert_allclose(found['logits'], logits, atol=1e-4 * np.abs(logits).max())


def test_the_size_of_the_published_network():
  shapes = shapes_of(1)
  leaves = {jax.tree_util.keystr(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(shapes)}
  sizes = {kind: sum(leaf.size for path, leaf in leaves.items() if kind in path) for kind in ('kernel', 'bias')}
  assert sum('kernel' in path for path in leaves) == 95
  # Four vectors of batch normalisation for each bias of ours, and the bias of the last layer, which has no use here.
  assert sizes['kernel'] + 4 * sizes['bias'] + inception.CLASSES == 23_885_392
  network = inception.Inception()
  outputs = jax.eval_shape(network.apply, {'params': shapes}, jax.ShapeDtypeStruct((4, 299, 299, 3), np.float32))
  assert [output.shape for output in outputs] == [(4, 2048), (4, 1008)]


@pytest.mark.parametrize(('height', 'width'), [(1, 1), (2, 5), (4, 3)])
def test_averages_leave_the_padding_out(height, width):
  x = np.random.default_rng(0).normal(size=(2, height, width, 3)).astype(np.float32)
  found = np.asarray(inception.avg_pool(jnp.asarray(x)))
  for i in range(height):
    for j in range(width):
      window = x[:, max(i - 1, 0) : i + 2, max(j - 1, 0) : j + 2]
      np.testing.assert_allclose(found[:, i, j], window.mean((1, 2)), rtol=1e-5, atol=1e-6)


def test_images_become_grey_levels_then_about_minus_one_to_one():
  levels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
  prepared = np.asarray(inception._prepare(levels, 'tensorflow'))
  assert prepared.shape == (1, 299, 299, 3)
  assert prepared.min() == -1 and prepared.max() == 127 / 128
  np.testing.assert_array_equal(prepared[..., 0], prepared[..., 2])
  # Every level survives the way to [-1, 1] and back; what lies between two stays there; the rest is clipped.
  same = inception._prepare(levels / np.float32(127.5) - 1, 'tensorflow')
  np.testing.assert_allclose(same, prepared, atol=1e-6)
  between = jnp.array([-1.5, -1.0, 0.0, 1.0, 1.5]).reshape(1, 1, 5, 1)
  found = np.asarray(inception._prepare(jnp.repeat(between, 299, 1).repeat(60, 2)[:, :, :299], 'tensorflow'))[
    0, 0, ::60, 0
  ]
  np.testing.assert_allclose(found, [-1, -1, -0.5 / 128, 127 / 128, 127 / 128], atol=1e-6)


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
    inception.apply({}, images)


def test_load(tmp_path, shapes, monkeypatch):
  monkeypatch.setattr(inception, 'Inception', partial(inception.Inception, thin=THIN))
  monkeypatch.setattr(inception, 'IMAGE_SIZE', SIDE)
  tensors = state_dict(shapes)
  path = tmp_path / 'inception.npz'
  np.savez(path, **tensors)
  with pytest.raises(ValueError, match=r'inception\.npz is not the published file.* 6726825d\.\.\. or f58cb9b6'):
    inception.load(path)
  with pytest.raises(ValueError, match="'nearest'; known are tensorflow, clean"):
    inception.load(path, allow_other=True, resizer='nearest')
  network = inception.load(path, allow_other=True)
  assert network[:1] + network[2:5] == ('inception_other', 2048, 'tensorflow', 'float32')
  published = dict.fromkeys([network.sha256], 'npz')
  monkeypatch.setattr(inception_fid_weights, 'PUBLISHED', published)
  assert inception.load(path, resizer='clean')[:5] == ('inception_fid', network.sha256, 2048, 'clean', 'float32')

  images = np.random.default_rng(0).integers(0, 256, (2, SIDE, SIDE, 1), np.uint8)
  outputs = network.apply(images)
  assert {name: value.shape for name, value in outputs.items()} == {
    'features': (2, THIN_FEATURES),
    'logits': (2, 1008),
    'probs': (2, 1008),
  }
  x = (np.repeat(images, 3, axis=3).astype(np.float64) - 128) / 128
  expected = in_numpy(tensors, x.transpose(0, 3, 1, 2))['Mixed_7c'].mean((2, 3))
  np.testing.assert_allclose(outputs['features'], expected, atol=1e-4 * expected.max())
  np.testing.assert_allclose(np.sum(outputs['probs'], axis=1), 1, rtol=1e-5)

  del tensors['fc.bias'], tensors['Mixed_7a.branch3x3_2.bn.bias']
  np.savez(path, **tensors)
  with pytest.raises(ValueError, match=r'inception\.npz: the key Mixed_7a\.branch3x3_2\.bn\.bias is missing'):
    inception.load(path, allow_other=True)


def test_batch_normalisation_is_folded_in(shapes):
  tensors = state_dict(shapes)
  params = inception_fid_weights.parameters(tensors, shapes, 'file')
  assert jax.tree.map(lambda x: (x.shape, x.dtype), params) == jax.tree.map(lambda x: (x.shape, x.dtype), shapes)
  layer, name = params['Mixed_7a']['branch7x7x3_2'], 'Mixed_7a.branch7x7x3_2'
  x = np.random.default_rng(1).normal(size=layer['kernel'].shape[:3])  # one window
  y = np.einsum('hwi,oihw->o', x, tensors[f'{name}.conv.weight']) - tensors[f'{name}.bn.running_mean']
  y = y / np.sqrt(tensors[f'{name}.bn.running_var'] + 1e-3) * tensors[f'{name}.bn.weight'] + tensors[f'{name}.bn.bias']
  np.testing.assert_allclose(np.einsum('hwi,hwio->o', x, layer['kernel']) + layer['bias'], y, rtol=1e-4, atol=1e-5)


# TensorFlow's names, as the TorchScript archive has them: spelled out here once more.
TOWERS = {
  'A': {
    'conv': 'branch1x1',
    'tower.conv': 'branch5x5_1',
    'tower.conv_1': 'branch5x5_2',
    'tower_1.conv': 'branch3x3dbl_1',
    'tower_1.conv_1': 'branch3x3dbl_2',
    'tower_1.conv_2': 'branch3x3dbl_3',
    'tower_2.conv': 'branch_pool',
  },
  'B': {
    'conv': 'branch3x3',
    'tower.conv': 'branch3x3dbl_1',
    'tower.conv_1': 'branch3x3dbl_2',
    'tower.conv_2': 'branch3x3dbl_3',
  },
  'C': {
    'conv': 'branch1x1',
    'tower.conv': 'branch7x7_1',
    'tower.conv_1': 'branch7x7_2',
    'tower.conv_2': 'branch7x7_3',
    'tower_1.conv': 'branch7x7dbl_1',
    'tower_1.conv_1': 'branch7x7dbl_2',
    'tower_1.conv_2': 'branch7x7dbl_3',
    'tower_1.conv_3': 'branch7x7dbl_4',
    'tower_1.conv_4': 'branch7x7dbl_5',
    'tower_2.conv': 'branch_pool',
  },
  'D': {
    'tower.conv': 'branch3x3_1',
    'tower.conv_1': 'branch3x3_2',
    'tower_1.conv': 'branch7x7x3_1',
    'tower_1.conv_1': 'branch7x7x3_2',
    'tower_1.conv_2': 'branch7x7x3_3',
    'tower_1.conv_3': 'branch7x7x3_4',
  },
  'E': {  # by attribute, not as a sequence
    'conv': 'branch1x1',
    'tower_conv': 'branch3x3_1',
    'tower_mixed_conv': 'branch3x3_2a',
    'tower_mixed_conv_1': 'branch3x3_2b',
    'tower_1_conv': 'branch3x3dbl_1',
    'tower_1_conv_1': 'branch3x3dbl_2',
    'tower_1_mixed_conv': 'branch3x3dbl_3a',
    'tower_1_mixed_conv_1': 'branch3x3dbl_3b',
    'tower_2_conv': 'branch_pool',
  },
}
LEAVES = {'weight': 'conv.weight', 'beta': 'bn.bias', 'mean': 'bn.running_mean', 'var': 'bn.running_var'}


def test_the_names_of_tensorflow_give_the_same_parameters(shapes):
  tensors = state_dict(shapes)
  tensors |= {name: np.ones_like(value) for name, value in tensors.items() if name.endswith('bn.weight')}
  places = {'conv': '1a_3x3', 'conv_1': '2a_3x3', 'conv_2': '2b_3x3', 'conv_3': '3b_1x1', 'conv_4': '4a_3x3'}
  places = {name: f'Conv2d_{place}' for name, place in places.items()}
  blocks = zip('AAABCCCCDEE', ['5b', '5c', '5d', '6a', '6b', '6c', '6d', '6e', '7a', '7b', '7c'], strict=True)
  for index, (kind, block) in enumerate(blocks):
    mixed = 'mixed' + (f'_{index}' if index else '')
    places |= {f'{mixed}.{name}': f'Mixed_{block}.{branch}' for name, branch in TOWERS[kind].items()}
  renamed = {'output.weight': tensors['fc.weight'], 'output.bias': tensors['fc.bias']}
  for place, name in places.items():
    renamed |= {f'layers.{place}.{leaf}': tensors[f'{name}.{published}'] for leaf, published in LEAVES.items()}
  assert len(renamed) == 94 * 4 + 2
  expected = inception_fid_weights.parameters(tensors, shapes, 'file')
  found = inception_fid_weights.parameters(renamed, shapes, 'file')
  jax.tree.map(np.testing.assert_array_equal, found, expected)
  del renamed['layers.mixed_3.tower.conv.beta']
  with pytest.raises(ValueError, match=r'^file: the key layers\.mixed_3\.tower_conv\.beta is missing'):
    inception_fid_weights.parameters(renamed, shapes, 'file')


@pytest.mark.parametrize(
  ('name', 'change', 'message'),
  [
    (
      'Mixed_6b.branch7x7_2.conv.weight',
      lambda x: x.swapaxes(2, 3),
      r'has the shape \[8, 8, 7, 1\], not \[8, 8, 1, 7\]',
    ),
    ('Mixed_7c.branch_pool.bn.running_var', lambda x: -x, 'has negative variances'),
    ('Mixed_5b.branch1x1.bn.bias', lambda x: x * np.nan, 'holds values that are NaN or infinite'),
    ('Conv2d_1a_3x3.bn.weight', lambda x: x.astype(np.int32), 'is int32, not float'),
    ('fc.weight', lambda x: x[:1000], r'has the shape \[1000, 128\], not \[1008, 128\]'),  # torchvision's network
    ('fc.weight', None, 'is missing among its 472'),
    ('Mixed_5d.branch5x5_1.bn.running_mean', None, 'is missing among its 472'),
  ],
)
def test_weights_that_do_not_fit_are_named(shapes, name, change, message):
  tensors = state_dict(shapes)
  if change is None:
    del tensors[name]
  else:
    tensors[name] = change(tensors[name])
  with pytest.raises(ValueError, match=message) as caught:
    inception_fid_weights.parameters(tensors, shapes, 'weights.pth')
  assert str(caught.value).startswith('weights.pth: ') and name in str(caught.value)
