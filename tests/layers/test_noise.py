"""Noise inputs: how strong, when, and the same on any number of devices."""

import jax
import jax.numpy as jnp
import numpy as np

from gengan import layers

X = np.float32(np.random.default_rng(0).normal(size=(8, 4, 4, 3)))
RNGS = {'noise': jax.random.key(1)}
PARAMS = {'params': {'strength': jnp.float32(0.5)}}


def test_noise_is_one_standard_normal_map_an_image_times_the_strength():
  many = jnp.zeros((64, 16, 16, 3))
  added = np.asarray(layers.Noise().apply(PARAMS, many, train=True, rngs=RNGS))
  np.testing.assert_array_equal(added[..., 0], added[..., 1])
  assert abs(added.std() - 0.5) < 0.01 and abs(added.mean()) < 0.01
  assert not np.array_equal(added[0], added[1])


def test_there_is_none_outside_of_training_and_none_at_first():
  np.testing.assert_array_equal(layers.Noise().apply(PARAMS, X, train=False), X)
  first = layers.Noise().init(jax.random.key(0), X, train=False)
  np.testing.assert_array_equal(layers.Noise().apply(first, X, train=True, rngs=RNGS), X)


def test_devices_draw_the_noise_of_their_own_rows():
  whole = layers.Noise().apply(PARAMS, X, train=True, rngs=RNGS)
  apply = lambda x: layers.Noise(axis_name='data').apply(PARAMS, x, train=True, rngs=RNGS)
  parts = jax.vmap(apply, axis_name='data')(X.reshape(4, 2, 4, 4, 3))
  np.testing.assert_array_equal(parts.reshape(X.shape), whole)
