"""What every recipe promises, whatever it is: a `Contract` is held by the recipes that a class under it names."""

from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gengan.config
from gengan import core, runs, sharding

SIZE, ROWS = 8, 16


def tiny(config, *, size=SIZE, **options):
  """The config with a tiny network on a tiny batch of images with three classes."""
  config.data.image_size, config.batch_size = size, ROWS
  for name, value in {'width': 4, 'g_width': 4, 'd_width': 4, 'latent_size': 5, 'num_classes': 3}.items():
    if name in config.model:
      config.model[name] = value
  config.update_from_flattened_dict(options)
  return config


def shape_of(config):
  return config.data.image_size, config.data.image_size, config.data.channels


class Contract:
  RECIPES: ClassVar[dict]  # from a name to a function that gives a config
  JIT_ONLY = ()  # groups or averages that devices would have to share
  COMPILED_ONCE = ()  # these take long to compile: under pmap they are traced and not run

  def pytest_generate_tests(self, metafunc):
    if 'recipe' in metafunc.fixturenames:
      metafunc.parametrize('recipe', self.RECIPES, scope='class')

  @pytest.fixture(scope='class', autouse=True)
  @classmethod
  def compiled_quickly(cls):
    """Most of the time here is that of the compiler."""
    quick = {'xla_backend_optimization_level': '0', 'xla_cpu_use_fusion_emitters': 'False'}
    with pytest.MonkeyPatch.context() as patch:
      for name in ('CPU_INIT_OPTIONS', 'CPU_STEP_OPTIONS'):
        patch.setattr(sharding, name, getattr(sharding, name) | quick)
      yield

  @pytest.fixture(scope='class')
  @classmethod
  def stepped(cls, recipe):
    """A recipe, its state before and after one step on one device, and the metrics."""
    config = cls.RECIPES[recipe]()
    algorithm = gengan.config.make_algorithm(config)
    rng = np.random.default_rng(0)
    image = rng.uniform(-1, 1, (ROWS, *shape_of(config))).astype(np.float32)
    batch = {'image': image, 'label': rng.integers(0, 3, ROWS).astype(np.int32)}
    mesh = sharding.make_mesh(devices=jax.devices()[:1])
    state = sharding.init(algorithm, jax.random.key(0), runs.example_batch(config, ROWS), mesh)
    step = sharding.compile_step(algorithm.train_step, mesh=mesh, donate=False)
    after, metrics = step(state, batch, jax.random.key(1))
    return config, algorithm, batch, state, after, metrics, step

  def test_shapes_are_known_without_computing(self, stepped):
    config, algorithm, _, state, *_ = stepped
    abstract = jax.eval_shape(algorithm.init, jax.random.key(0), runs.example_batch(config, ROWS))
    assert jax.tree.map(lambda x: (x.shape, x.dtype), abstract) == jax.tree.map(lambda x: (x.shape, x.dtype), state)

  def test_two_steps_change_every_trainable_leaf_and_no_shape(self, stepped):
    _, _, batch, before, after, _, step = stepped
    assert jax.tree.structure(before) == jax.tree.structure(after)
    assert jax.tree.map(lambda x: (x.shape, x.dtype), before) == jax.tree.map(lambda x: (x.shape, x.dtype), after)
    twice, _ = step(after, batch, jax.random.key(2))  # what stands behind a gate that begins at 0 moves from here on
    same = jax.tree.map(np.array_equal, before.params, twice.params)
    assert [jax.tree_util.keystr(path) for path, is_same in jax.tree_util.tree_leaves_with_path(same) if is_same] == []
    assert int(after.step) == int(before.step) + 1

  def test_metrics_are_finite_scalars(self, stepped):
    metrics = stepped[5]
    assert metrics and all(np.shape(value) == () and np.isfinite(value) for value in metrics.values())

  def test_equal_keys_give_equal_steps_and_other_keys_others(self, stepped):
    _, _, batch, state, after, _, step = stepped
    again, _ = step(state, batch, jax.random.key(1))
    other, _ = step(state, batch, jax.random.key(2))
    assert all(jax.tree.leaves(jax.tree.map(np.array_equal, after, again)))
    assert not all(jax.tree.leaves(jax.tree.map(np.array_equal, after.params, other.params)))

  def test_samples_are_images(self, stepped):
    config, algorithm, _, _, after, _, _ = stepped
    labels = jnp.arange(6, dtype=jnp.int32) % 3
    sample = sharding.jit_step(lambda state, key: core.sample(algorithm, state, key, labels))
    images = sample(after, jax.random.key(0))
    assert images.shape == (6, *shape_of(config)) and images.dtype == jnp.float32
    assert np.abs(images).max() <= 1.0

  def test_evaluation_has_one_value_an_example(self, stepped):
    _, algorithm, batch, _, after, _, _ = stepped
    metrics = sharding.jit_step(algorithm.eval_step)(after, batch, jax.random.key(0))
    assert metrics and all(value.shape == (ROWS,) for value in metrics.values())

  def test_the_steps_are_traced_as_they_will_run(self, recipe, stepped):
    config, _, _, before, *_ = stepped
    axis_name = None if recipe in self.JIT_ONLY else 'data'  # without an axis the others are compiled anyway
    state = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), before)
    algorithm = gengan.config.make_algorithm(config, axis_name=axis_name)
    core.check_steps(algorithm, state, runs.example_batch(config, ROWS), axis_name=axis_name, devices=8)

  def test_one_device_equals_eight_and_jit_equals_pmap(self, recipe, stepped):
    config, algorithm, batch, state, after, metrics, _ = stepped
    mesh = sharding.make_mesh()
    state = jax.device_put(jax.device_get(state), sharding.replicated(mesh))
    for mode in ('jit',) if recipe in (*self.JIT_ONLY, *self.COMPILED_ONCE) else ('jit', 'pmap'):
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
      largest = max(np.abs(old).max() for old in moments[1] if np.ndim(old))  # not a count of steps
      rounding = max(1e-7, 1e-5 * largest)  # all that a bias before a norm gets
      for new, old in zip(*moments, strict=True):
        assert np.abs(np.asarray(new) - np.asarray(old)).max() <= 2e-3 * np.abs(old).max() + rounding
