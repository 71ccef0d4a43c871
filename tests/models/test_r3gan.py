"""R3GAN against the authors' counts and settings, its loss by hand, its start, and its refusals."""

import math
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gengan.config
from configs import r3gan as config_file
from gengan import losses, runs, terms
from gengan.config import schedules
from gengan.models import r3gan
from tests.models.contract import ROWS, tiny


def parameters(tree):
  return sum(leaf.size for leaf in jax.tree.leaves(tree))


def abstract_state(config):
  algorithm = r3gan.make(config)
  return jax.eval_shape(algorithm.init, jax.random.key(0), runs.example_batch(config, 4))


def test_counts_at_32_px_are_those_that_the_published_settings_give():
  config = config_file.get_config('cifar10')
  config.model.num_classes = 10
  params = abstract_state(config).params
  inside, width, blocks = 1536, 768, 8
  block = 2 * width * inside + 9 * 16 * inside + 2 * inside  # two 1x1, a 3x3 in groups of 16, two biases
  basis = 16 * width
  g = blocks * block + basis + (64 + 64) * width + 10 * 64 + 3 * width
  d = blocks * block + basis + width * 768 + 10 * 768 + 3 * width
  assert (g, d) == (20_781_952, 21_280_512)  # 20.78 M and 21.28 M
  assert parameters(params['generator']) == g and parameters(params['discriminator']) == d


def test_feature_maps_halve_above_32_px_as_in_the_authors_models():
  assert r3gan.widths(64, 768, 32) == (768, 768, 768, 768, 384)
  assert r3gan.widths(256, 768, 32) == (768, 768, 768, 768, 384, 192, 96)


@pytest.mark.parametrize('variant, rows, start, half_life', [('cifar10', 512, 0.05, 5000), ('celeb_a', 256, 2.0, 500)])
def test_schedules_are_cosines_over_20_million_images_of_a_player(variant, rows, start, half_life):
  config = config_file.get_config(variant)
  assert config.batch_size == 2 * rows
  at = lambda value, millions: float(schedules.make(value, config.batch_size)(millions * 1e6 / rows))
  ends = [
    (config.terms.r1, start, start / 10),
    (config.terms.r2, start, start / 10),
    (config.ema.half_life_kimg, 0, 2 * half_life),  # of all images that a step reads
    (config.augment_probability, 0, {'cifar10': 0.55, 'celeb_a': 0.3}[variant]),
    (config.optimizers.generator.learning_rate, 2e-4, 5e-5),
    (config.optimizers.discriminator.b2, 0.9, 0.99),
  ]
  for value, first, last in ends:
    expected = [first, (first + last) / 2, last, last]
    np.testing.assert_allclose([at(value, m) for m in (0, 10, 20, 250)], expected, rtol=1e-5, atol=1e-9)


def test_the_loss_is_that_of_the_paper_on_logits_by_hand():
  real, fake = np.array([2.0, -1.0]), np.array([0.5, 0.0])
  context = terms.Context(step=0, batch={}, real_output=jnp.asarray(real), fake_output=jnp.asarray(fake))
  of_d, of_g = r3gan.apart(losses.relativistic)
  pairs = real - fake  # 1.5, -1
  d_loss = np.mean([math.log1p(math.exp(-x)) for x in pairs])
  g_loss = np.mean([math.log1p(math.exp(x)) for x in pairs])
  np.testing.assert_allclose(of_d.terms['adversarial'].apply(context, {})[0], d_loss, rtol=1e-6)
  np.testing.assert_allclose(of_g.terms['adversarial'].apply(context, {})[0], g_loss, rtol=1e-6)
  assert (of_d.share, of_g.share, of_g.fresh) == (0, 1, True)


def test_a_block_is_the_identity_at_the_start_and_its_kernels_have_their_variance():
  x, blocks = jnp.asarray(np.random.default_rng(0).normal(size=(2, 4, 4, 64)), jnp.float32), 8
  module = r3gan.Block(group_size=16, expansion=2, blocks=blocks)
  variables = module.init(jax.random.key(0), x)
  np.testing.assert_array_equal(module.apply(variables, x), x)
  gain = math.sqrt(2 / 1.04) * blocks**-0.25  # L^(-1 / (2 * 3 - 2))
  for name, inputs in (('in', 64), ('grouped', 16 * 9)):
    np.testing.assert_allclose(variables['params'][name]['kernel'].std(), gain / math.sqrt(inputs), rtol=0.03)
  assert not np.any(variables['params']['out']['kernel'])


def test_bases_embeddings_and_layers_between_have_the_variance_of_their_inputs():
  g, d = r3gan.Generator(8, 3, (256, 64), 1, 16, 2, 10), r3gan.Discriminator((256, 64), 1, 16, 2, 10)
  images, labels, z = jnp.zeros((2, 8, 8, 3)), jnp.zeros(2, int), jnp.zeros((2, 64))
  of_g = g.init(jax.random.key(0), z, labels, train=False)['params']
  of_d = d.init(jax.random.key(1), images, labels, train=False)['params']
  std = {name: np.std(leaf) for tree, net in ((of_g, 'g'), (of_d, 'd')) for name, leaf in named(tree, net)}
  expected = {
    'g/basis': 1,
    'g/LabelInput_0/Embed_0/embedding': 10**-0.5,
    'g/Dense_0/kernel': 128**-0.5,
    'g/Conv_0/kernel': 256**-0.5,
    'd/basis': 1 / 4,
    'd/Dense_0/kernel': 256**-0.5,
    'd/Embed_0/embedding': (10 * 768) ** -0.5,
  }
  np.testing.assert_allclose([std[name] for name in expected], list(expected.values()), rtol=0.1)


def named(tree, prefix):
  return [('/'.join([prefix, *(key.key for key in path)]), leaf) for path, leaf in jax.tree.leaves_with_path(tree)]


def test_the_compiled_step_has_no_grouped_and_no_reversed_convolution():
  config = tiny(config_file.get_config(), **{'model.width': 4, 'model.group_size': 2})
  algorithm = gengan.config.make_algorithm(config)
  batch = runs.example_batch(config, ROWS)
  state = jax.eval_shape(algorithm.init, jax.random.key(0), batch)
  program = jax.jit(algorithm.train_step).lower(state, batch, jax.random.key(0)).compile().as_text()
  convolutions = re.findall(r' convolution\(.*', program)
  assert len(convolutions) >= 10
  assert [line for line in convolutions if 'rhs_reversal' in line or re.search(r'group_count=[2-9]', line)] == []


def test_classes_are_drawn_and_judged_by_the_label_and_not_without_classes():
  z, images = jnp.ones((3, 5)), jnp.asarray(np.random.default_rng(0).normal(size=(1, 8, 8, 1)), jnp.float32)
  for num_classes, different in ((3, 3), (0, 1)):
    for network, x in (
      (r3gan.Generator(8, 1, (16, 16), 1, 16, 2, num_classes), z),
      (r3gan.Discriminator((16, 16), 1, 16, 2, num_classes), jnp.tile(images, (3, 1, 1, 1))),
    ):
      variables = network.init(jax.random.key(0), x, jnp.zeros(3, int), train=False)
      found = np.asarray(network.apply(variables, x, jnp.arange(3), train=True)).reshape(3, -1)
      assert len(np.unique(found.round(5), axis=0)) == different


@pytest.mark.parametrize(
  'path, value, message',
  [
    ('model.width', 0, r'config\.model\.width is 0; it must be at least 1'),
    ('model.group_size', 7, r'config\.model\.group_size is 7 .*must be a divisor of 128'),
    ('batch_size', 33, r'config\.batch_size is 33; it must be a multiple of 2'),
    ('data.image_size', 33, r'config\.data\.image_size'),
  ],
)
def test_what_cannot_be_is_refused_by_name(path, value, message):
  config = config_file.get_config()
  config.model.num_classes = 10
  config.update_from_flattened_dict({path: value})
  with pytest.raises(ValueError, match=message):
    r3gan.make(config)
