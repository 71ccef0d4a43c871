"""What every recipe promises, whatever it is: add a recipe to RECIPES and it is held to all of it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gengan.config
from configs import conditional_dcgan, dcgan, residual_dcgan, vae
from gengan import core, runs, sharding

SIZE, ROWS = 8, 16


def tiny_dcgan(**options):
  config = conditional_dcgan.get_config() if options.pop('conditional', False) else dcgan.get_config()
  config.data.image_size, config.batch_size = SIZE, ROWS
  config.model.update(width=4, latent_size=5, num_classes=3)
  config.update_from_flattened_dict(options)
  return config


def tiny_residual(**options):
  config = residual_dcgan.get_config()
  config.data.image_size, config.batch_size = SIZE, ROWS
  config.model.update(width=4, g_width=4, latent_size=5, num_classes=3)
  config.update_from_flattened_dict(options)
  return config


def tiny_vae(**options):
  config = vae.get_config()
  config.data.image_size, config.batch_size = SIZE, ROWS
  config.model.update(width=4, latent_size=5)
  if 'num_classes' in config.model:
    config.model.num_classes = 3
  config.update_from_flattened_dict(options)
  return config


RECIPES = {
  'dcgan': lambda: tiny_dcgan(),
  'dcgan, several updates of D': lambda: tiny_dcgan(d_steps_per_g_step=2, loss='hinge'),
  'wgan-gp': lambda: tiny_dcgan(**{'loss': 'wasserstein', 'model.d_norm': 'none', 'terms.gradient_penalty': 10.0}),
  'spectral norm, R1 and R2': lambda: tiny_dcgan(
    **{'model.d_norm': 'spectral', 'terms.r1': 1.0, 'terms.r2': 1.0, 'loss': 'relativistic'}
  ),
  'augmented': lambda: tiny_dcgan(augment='color,translation,cutout', loss='relativistic'),
  'adaptive augmentation': lambda: tiny_dcgan(augment='cutout', ada_target=0.6, **{'model.d_norm': 'none'}),
  'micro-batches': lambda: tiny_dcgan(micro_batches=2, **{'model.d_norm': 'layer', 'terms.r1': 1.0}),
  'conditional dcgan': lambda: tiny_dcgan(conditional=True),
  'layer norm': lambda: tiny_dcgan(**{'model.d_norm': 'layer'}),
  'ghost batch norm': lambda: tiny_dcgan(**{'model.batch_norm_groups': 2}),
  'relativistic average': lambda: tiny_dcgan(loss='relativistic_average'),
  'residual dcgan': lambda: tiny_residual(),
  'unconditional residual dcgan': lambda: tiny_residual(**{'model.conditional': False}),
  'vae': lambda: tiny_vae(),
  'conditional vae': lambda: tiny_vae(**{'model.conditional': True, 'model.hidden_size': 8}),
  'mlp vae': lambda: tiny_vae(**{'model.architecture': 'mlp', 'model.hidden_size': 8}),
}
JIT_ONLY = ('ghost batch norm', 'relativistic average')  # groups or averages that devices would have to share


@pytest.fixture(scope='module', params=RECIPES, ids=lambda name: name)
def recipe(request):
  return request.param


@pytest.fixture(scope='module')
def stepped(recipe):
  """A recipe, its state before and after one step on one device, and the metrics."""
  config = RECIPES[recipe]()
  algorithm = gengan.config.make_algorithm(config)
  rng = np.random.default_rng(0)
  image = rng.uniform(-1, 1, (ROWS, SIZE, SIZE, config.data.channels)).astype(np.float32)
  batch = {'image': image, 'label': rng.integers(0, 3, ROWS).astype(np.int32)}
  mesh = sharding.make_mesh(devices=jax.devices()[:1])
  state = sharding.init(algorithm, jax.random.key(0), runs.example_batch(config, ROWS), mesh)
  step = sharding.compile_step(algorithm.train_step, mesh=mesh, donate=False)
  after, metrics = step(state, batch, jax.random.key(1))
  return config, algorithm, batch, state, after, metrics, step


def test_shapes_are_known_without_computing(stepped):
  config, algorithm, _, state, *_ = stepped
  abstract = jax.eval_shape(algorithm.init, jax.random.key(0), runs.example_batch(config, ROWS))
  assert jax.tree.map(lambda x: (x.shape, x.dtype), abstract) == jax.tree.map(lambda x: (x.shape, x.dtype), state)


def test_one_step_changes_every_trainable_leaf_and_no_shape(stepped):
  _, _, _, before, after, _, _ = stepped
  assert jax.tree.structure(before) == jax.tree.structure(after)
  assert jax.tree.map(lambda x: (x.shape, x.dtype), before) == jax.tree.map(lambda x: (x.shape, x.dtype), after)
  same = jax.tree.map(np.array_equal, before.params, after.params)
  assert [jax.tree_util.keystr(path) for path, is_same in jax.tree_util.tree_leaves_with_path(same) if is_same] == []
  assert int(after.step) == int(before.step) + 1


def test_metrics_are_finite_scalars(stepped):
  metrics = stepped[5]
  assert metrics and all(np.shape(value) == () and np.isfinite(value) for value in metrics.values())


def test_equal_keys_give_equal_steps_and_other_keys_others(stepped):
  _, _, batch, state, after, _, step = stepped
  again, _ = step(state, batch, jax.random.key(1))
  other, _ = step(state, batch, jax.random.key(2))
  assert all(jax.tree.leaves(jax.tree.map(np.array_equal, after, again)))
  assert not all(jax.tree.leaves(jax.tree.map(np.array_equal, after.params, other.params)))


def test_samples_are_images(stepped):
  config, algorithm, _, _, after, _, _ = stepped
  labels = jnp.arange(6, dtype=jnp.int32) % 3
  images = jax.jit(lambda state, key: core.sample(algorithm, state, key, labels))(after, jax.random.key(0))
  assert images.shape == (6, SIZE, SIZE, config.data.channels) and images.dtype == jnp.float32
  assert np.abs(images).max() <= 1.0


def test_evaluation_has_one_value_an_example(stepped):
  _, algorithm, batch, _, after, _, _ = stepped
  metrics = jax.jit(algorithm.eval_step)(after, batch, jax.random.key(0))
  assert metrics and all(value.shape == (ROWS,) for value in metrics.values())


def test_the_steps_are_traced_as_they_will_run(recipe, stepped):
  config, _, _, before, *_ = stepped
  state = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), before)
  for axis_name in (None,) if recipe in JIT_ONLY else (None, 'data'):
    algorithm = gengan.config.make_algorithm(config, axis_name=axis_name)
    core.check_steps(algorithm, state, runs.example_batch(config, ROWS), axis_name=axis_name, devices=8)


def test_one_device_equals_eight_and_jit_equals_pmap(recipe, stepped):
  config, algorithm, batch, state, after, metrics, _ = stepped
  mesh = sharding.make_mesh()
  state = jax.device_put(jax.device_get(state), sharding.replicated(mesh))
  for mode in ('jit',) if recipe in JIT_ONLY else ('jit', 'pmap'):
    algorithm = gengan.config.make_algorithm(config, axis_name='data' if mode == 'pmap' else None)
    step = sharding.compile_step(algorithm.train_step, mesh=mesh, mode=mode, donate=False)
    shared, shared_metrics = step(state, batch, jax.random.key(1))
    for name in metrics:
      np.testing.assert_allclose(shared_metrics[name], metrics[name], rtol=1e-3, atol=1e-4, err_msg=f'{mode} {name}')
    # Adam's first step is little more than the sign of the gradient, and signs of rounding errors differ: compare the
    # gradients' moments and not the parameters.
    for new, old in zip(jax.tree.leaves(shared.model_state), jax.tree.leaves(after.model_state), strict=True):
      np.testing.assert_allclose(new, old, rtol=1e-3, atol=1e-4)
    moments = [jax.tree.leaves(s.opt_state) for s in (shared, after)]
    for new, old in zip(*moments, strict=True):
      scale = np.abs(old).max() + 1e-12
      assert np.abs(np.asarray(new) - np.asarray(old)).max() <= 2e-3 * scale + 1e-7
