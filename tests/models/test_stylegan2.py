"""StyleGAN2 against the published sizes; its average of w, noise, styles and lazy phases."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import stylegan2 as stylegan2_config
from gengan.models import stylegan2

ROWS, BETA = 8, 0.9


def parameters(tree):
  return sum(leaf.size for leaf in jax.tree.leaves(tree))


def tiny(**options):
  config = stylegan2_config.get_config()
  config.data.image_size = 8
  config.batch_size = ROWS
  config.model.update(channel_base=64, channel_max=8, latent_size=6, w_size=5, num_classes=3, w_avg_beta=BETA)
  config.update_from_flattened_dict(options)
  return config


def abstract_init(config):
  size = config.data.image_size
  batch = {
    'image': jax.ShapeDtypeStruct((ROWS, size, size, config.data.channels), jnp.float32),
    'label': jax.ShapeDtypeStruct((ROWS,), jnp.int32),
  }
  algorithm = stylegan2.make(config)
  return algorithm, jax.eval_shape(algorithm.init, jax.random.key(0), batch), batch


def test_parameter_counts_on_cifar10_are_those_of_studiogan():
  config = stylegan2_config.get_config('cifar10')
  config.model.num_classes = 10
  _, state, _ = abstract_init(config)
  assert parameters(state.params['generator']) == 20_215_315
  assert parameters(state.params['discriminator']) == 23_089_664


@pytest.mark.parametrize('architecture', stylegan2.ARCHITECTURES)
@pytest.mark.parametrize('size', [28, 64])
@pytest.mark.parametrize('labels', [('embedding', 'projection'), ('one_hot', 'auxiliary'), ('embedding', 'embedding')])
def test_every_size_and_head_is_made(architecture, size, labels):
  options = {'architecture': architecture, 'conditional': True, 'g_label': labels[0], 'd_label': labels[1]}
  config = tiny(**{f'model.{name}': value for name, value in options.items()}, **{'data.image_size': size})
  algorithm, state, batch = abstract_init(config)
  images = jax.eval_shape(algorithm.decode, state, jax.ShapeDtypeStruct((ROWS, 5), jnp.float32), batch['label'])
  assert images.shape == batch['image'].shape
  assert jax.eval_shape(algorithm.eval_step, state, batch, jax.random.key(0))['d_real'].shape == (ROWS,)


@pytest.fixture(scope='module')
def trained():
  """Three steps with R1 at every second and path length at the first of four, and the compiled program."""
  options = {'lazy.r1': 2, 'lazy.path_length': 4, 'terms.path_length': 2.0, 'model.style_mixing': 0.9}
  config = tiny(**options, **{'model.conditional': True, 'model.architecture': 'resnet'})
  algorithm = stylegan2.make(config)
  rng = np.random.default_rng(0)
  image = rng.uniform(-1, 1, (ROWS, 8, 8, 1)).astype(np.float32)
  batch = {'image': image, 'label': np.arange(ROWS, dtype=np.int32) % 3}
  state = jax.jit(algorithm.init)(jax.random.key(0), batch)
  step = jax.jit(algorithm.train_step).lower(state, batch, jax.random.key(0)).compile()
  states, metrics = [state], []
  for number in range(3):
    state, found = step(state, batch, jax.random.key(number))
    states.append(state)
    metrics.append(found)
  return config, algorithm, batch, states, metrics, step


def test_lazy_phases_come_when_they_should(trained):
  _, _, _, states, metrics, _ = trained
  r1, length = ([float(found[name]) for found in metrics] for name in ('r1', 'path_length'))
  assert r1[0] == r1[1] != r1[2]  # of steps 0, 0 and 2
  assert length[0] == length[1] == length[2] > 0  # of step 0
  counts = [int(jax.tree.leaves(state.opt_state['discriminator'])[0]) for state in states]
  assert counts == [0, 2, 3, 5]


def test_no_convolution_of_the_step_is_slow_on_a_cpu(trained):
  convolutions = [line for line in trained[-1].as_text().splitlines() if ' convolution(' in line]
  assert len(convolutions) >= 15
  assert not [line for line in convolutions if 'rhs_reversal' in line or 'feature_group_count' in line]


def test_the_average_of_w_moves_towards_the_mean_and_truncation_towards_it(trained):
  config, algorithm, batch, states, _, _ = trained
  generator = states[1].ema_params['generator']
  average = np.asarray(generator['w_avg']['w_avg'])
  # The first pass draws its z from the key of the first phase, as `gan.make` does.
  phase_key = jax.random.split(jax.random.key(0), 4)[1]
  z = jax.random.normal(jax.random.split(phase_key)[0], (ROWS, config.model.latent_size))
  mapping = stylegan2.Mapping(5, 2, 3)
  w = mapping.apply({'params': states[0].params['generator']['to_w']}, z, batch['label'])
  np.testing.assert_allclose(average, (1 - BETA) * np.asarray(w).mean(0), rtol=1e-4, atol=1e-6)

  labels = jnp.asarray(batch['label'])
  full, half, least = (algorithm.prior(states[3], jax.random.key(0), labels, truncation=t) for t in (1.0, 0.5, 1e-6))
  centre = states[3].ema_params['generator']['w_avg']['w_avg']
  np.testing.assert_allclose(half, (full + centre) / 2, rtol=1e-4, atol=1e-6)
  np.testing.assert_allclose(least, np.broadcast_to(centre, least.shape), atol=1e-4)


def test_pictures_depend_on_w_alone_and_training_adds_noise(trained):
  _, algorithm, batch, states, _, _ = trained
  labels, variables = jnp.asarray(batch['label']), states[3].ema_params['generator']
  w = algorithm.prior(states[3], jax.random.key(0), labels)
  np.testing.assert_array_equal(algorithm.decode(states[3], w, labels), algorithm.decode(states[3], w, labels))
  louder = jax.tree_util.tree_map_with_path(lambda path, x: x + 1 if path[-1].key == 'strength' else x, variables)
  generator = stylegan2.Generator(8, 1, 64, 8, 5, 2, num_classes=3)
  draw = lambda seed, variables: generator.apply(
    variables, w, labels, train=True, method='synthesis', rngs={'noise': jax.random.key(seed)}
  )
  assert np.abs(draw(0, louder) - draw(1, louder)).max() > 0.01
  silent = jax.tree_util.tree_map_with_path(lambda path, x: 0 * x if path[-1].key == 'strength' else x, variables)
  np.testing.assert_array_equal(draw(0, silent), draw(1, silent))
  np.testing.assert_allclose(jnp.clip(draw(0, silent), -1, 1), algorithm.decode(states[3], w, labels), atol=1e-5)


def test_styles_are_mixed_from_some_layer_on():
  generator = stylegan2.Generator(16, 1, 64, 8, 5, 2, style_mixing=0.5)
  z, labels = jax.random.normal(jax.random.key(0), (200, 6)), jnp.zeros(200, jnp.int32)
  variables = generator.init(jax.random.key(1), z, labels, train=False)
  rngs = {'noise': jax.random.key(2)}
  w, _ = generator.apply(variables, z, labels, train=True, method='styles', rngs=rngs, mutable=['w_avg'])
  plain = generator.apply(variables, z, labels, train=False, method='styles')
  assert w.shape == (200, 6, 5)
  is_own = np.isclose(w, plain, atol=1e-6).all(axis=-1)
  assert is_own[:, 0].all()  # the first layer's w is always that of the given z
  assert (np.diff(is_own.astype(int), axis=1) <= 0).all()  # and once it is another's, it stays so
  assert np.mean(~is_own[:, -1]) == pytest.approx(0.5, abs=0.1)
  first_other = 6 - np.sum(~is_own, axis=1)[~is_own[:, -1]]
  assert set(first_other) == {1, 2, 3, 4, 5}


def test_both_networks_read_the_label(trained):
  _, algorithm, batch, states, _, _ = trained
  w = [algorithm.prior(states[3], jax.random.key(0), jnp.full(2, label)) for label in (0, 1)]
  assert np.abs(w[0] - w[1]).max() > 0.1
  image = jnp.repeat(jnp.asarray(batch['image'][:1]), 3, axis=0)
  assert np.unique(np.asarray(algorithm.score(states[3], image, jnp.arange(3)))).size == 3


@pytest.mark.parametrize(
  ('field', 'value', 'allowed'),
  [
    ('architecture', 'plain', 'one of orig, skip, resnet'),
    ('g_label', 'batch_norm', 'one of embedding, one_hot'),
    ('d_label', 'none', 'one of projection, auxiliary, embedding'),
    ('channel_base', 0, 'at least 1'),
    ('mapping_layers', 0, 'at least 1'),
    ('minibatch_std', -1, 'at least 0'),
    ('style_mixing', 1.5, 'a probability from 0 to 1'),
    ('w_avg_beta', 1.0, 'at least 0 and below 1'),
  ],
)
def test_impossible_settings_are_named(field, value, allowed):
  with pytest.raises(ValueError, match=rf'config\.model\.{field} is .*{allowed}'):
    stylegan2.make(tiny(**{f'model.{field}': value}))
