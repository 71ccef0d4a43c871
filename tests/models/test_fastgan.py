"""FastGAN's gates and what its discriminator redraws, against loops; the shapes at every size."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import fastgan as config_file
from gengan import config as configs
from gengan import terms
from gengan.models import fastgan

RNG = np.random.default_rng(0)


def variables_of(module, *inputs):
  return jax.eval_shape(lambda: module.init(jax.random.key(0), *inputs, train=False))


def test_a_gate_weighs_every_channel_by_what_the_small_map_holds():
  large, small = (np.float32(RNG.normal(size=shape)) for shape in ((2, 6, 6, 3), (2, 8, 8, 5)))
  gate = fastgan.Excitation(train=False, base=4)
  variables = gate.init(jax.random.key(0), large, small)
  found = gate.apply(variables, large, small)
  first, second = (np.asarray(variables['params'][f'Conv_{i}']['kernel'], np.float64) for i in range(2))
  first, second = first / sigma(variables, 0), second / sigma(variables, 1)
  sigmoid = lambda x: 1 / (1 + np.exp(-x))
  for image, (map_, small_) in enumerate(zip(large, small, strict=True)):
    means = np.array([[small_[2 * i : 2 * i + 2, 2 * j : 2 * j + 2].mean((0, 1)) for j in range(4)] for i in range(4)])
    hidden = np.einsum('ijc,ijco->o', means, first)
    weights = sigmoid((hidden * sigmoid(hidden)) @ second[0, 0])
    np.testing.assert_allclose(found[image], map_ * weights, rtol=1e-4, atol=1e-5)


def sigma(variables, number):
  """u' W v of the power iteration that the layer makes from its stored u."""
  kernel = np.asarray(variables['params'][f'Conv_{number}']['kernel'], np.float64)
  matrix, u = kernel.reshape(-1, kernel.shape[-1]), np.asarray(variables['spectral_norm'][f'Conv_{number}']['u'])
  v = matrix @ u / np.linalg.norm(matrix @ u)
  return v @ matrix @ u


@pytest.mark.parametrize('size', [16, 32, 64, 128, 256])
def test_networks_fit_every_size(size):
  images, labels = jnp.zeros((2, size, size, 3)), jnp.zeros(2, jnp.int32)
  latents = jnp.zeros((2, 8))
  generator, discriminator = fastgan.Generator(size, 3, 8), fastgan.Discriminator(size, 3, 8)
  drawn = jax.eval_shape(
    lambda v: generator.apply(v, latents, labels, train=False), variables_of(generator, latents, labels)
  )
  output = jax.eval_shape(
    lambda v: discriminator.apply(v, images, labels, train=False), variables_of(discriminator, images, labels)
  )
  assert drawn.shape == images.shape
  assert output['logits'].shape[0] == 2 and output['logits'].ndim == 2
  assert output['maps']['whole'].shape[1] == 8  # twice the base


def test_the_first_map_gates_the_last_where_none_is_16_times_as_small():
  labels, latents = jnp.zeros(2, jnp.int32), jnp.zeros((2, 8))
  gates = lambda size: sum('Excitation' in name for name in params_of(fastgan.Generator(size, 3, 8), latents, labels))
  assert [gates(size) for size in (16, 32, 64, 128, 256)] == [1, 1, 1, 2, 3]


def params_of(module, *inputs):
  return variables_of(module, *inputs)['params']


@pytest.fixture(scope='module')
def judged():
  """D at 16 px, its variables, images, and what it says of them."""
  discriminator = fastgan.Discriminator(16, 3, 2)
  images, labels = np.float32(RNG.uniform(-1, 1, (2, 16, 16, 3))), np.zeros(2, np.int32)
  variables = jax.jit(lambda key: discriminator.init(key, images, labels, train=False))(jax.random.key(0))
  return discriminator, variables, images, labels, discriminator.apply(variables, images, labels, train=False)


@pytest.mark.parametrize('corner', range(4))
def test_pictures_to_redraw_are_the_images_at_half_the_size_and_a_quarter_of_them(judged, corner):
  discriminator, variables, images, labels, output = judged
  pairs = discriminator.apply(variables, (output['maps'], images, corner), labels, train=False, method='redraw')
  small = images.reshape(2, 8, 2, 8, 2, 3).mean(axis=(2, 4))
  row, column = divmod(corner, 2)
  quarter = images[:, 8 * row : 8 * row + 8, 8 * column : 8 * column + 8]
  for (drawn, picture), expected in zip(pairs, (small, small, quarter), strict=True):
    assert drawn.shape == picture.shape == (2, 8, 8, 3)
    np.testing.assert_allclose(picture, expected, atol=1e-6)


def test_only_the_term_trains_the_decoders_and_it_trains_the_encoder_too(judged):
  discriminator, variables, images, labels, _ = judged
  rest = {name: value for name, value in variables.items() if name != 'params'}

  def loss(params, redrawing):
    run = lambda *inputs, method=None: discriminator.apply(
      {'params': params, **rest}, *inputs, train=True, method=method, mutable=list(rest)
    )[0]
    output = run(images, labels)
    if not redrawing:
      return output['logits'].mean()
    discriminate = lambda seen, labels_=None, method=None: run(seen, labels, method=method)
    context = terms.Context(0, {}, real=images, real_output=output, discriminate=discriminate, key=jax.random.key(0))
    return terms.redrawing().apply(context, {})[0]

  moved = lambda redrawing: {
    name: max(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(gradient)) > 0
    for name, gradient in jax.grad(loss)(variables['params'], redrawing).items()
  }
  decoders = {name for name in variables['params'] if name.startswith('decoders')}
  assert len(decoders) == 3
  plain, redrawn = moved(False), moved(True)
  assert not any(plain[name] for name in decoders)
  assert all(redrawn[name] for name in decoders) and redrawn['Conv_0']


def test_a_size_that_cannot_be_is_one_line_about_the_field():
  config = config_file.get_config('digits')
  config.data.image_size = 8
  with pytest.raises(configs.ConfigError, match='image_size is 8; it must be at least 16'):
    configs.make_algorithm(config)
