"""Samples of a model whose images say which latents and label they come from."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gengan import core
from gengan.sample import grids


def prior(state, key, labels, *, truncation=1.0):
  return core.truncated(jax.random.normal(key, (len(labels), 6)), truncation)


def decode(state, latents, labels):
  """[N, 4, 8, 1]: the label's grey level in the left half, the latents (times the weight) in the right half."""
  right = jnp.tanh(state.params['weight'] * latents).reshape(-1, 1, 6, 1)
  left = jnp.broadcast_to((labels / 4.0)[:, None, None, None], (len(labels), 1, 2, 1))
  return jnp.concatenate([left, right], axis=2).repeat(4, axis=1)


ALGORITHM = core.Algorithm(init=None, train_step=None, eval_step=None, prior=prior, decode=decode)
STATE = core.State(
  step=jnp.int32(7),
  params={'weight': jnp.float32(0.5)},
  opt_state={},
  model_state={},
  ema_params={},
  extra={},
)
KEY = jax.random.key(3)


def latents_of(samples):
  return np.arctanh(samples[:, 0, 2:, 0]) / 0.5


def test_samples_are_the_prior_decoded_with_their_labels_whatever_the_batch_size():
  labels = [0, 2, 1, 1, 0]
  expected = np.asarray(decode(STATE, prior(STATE, KEY, jnp.array(labels)), jnp.array(labels)))
  for batch_size in (1, 2, 5, 64):
    samples = grids.sample_images(ALGORITHM, STATE, KEY, labels=labels, batch_size=batch_size)
    np.testing.assert_allclose(samples, expected, rtol=1e-6)


def test_truncation_is_the_priors_own():
  labels = [0] * 4
  full = latents_of(grids.sample_images(ALGORITHM, STATE, KEY, labels=labels))
  for truncation in (0.5, 1.25):
    scaled = latents_of(grids.sample_images(ALGORITHM, STATE, KEY, labels=labels, truncation=truncation))
    np.testing.assert_allclose(scaled, full * truncation, rtol=1e-3)


def codes_prior(state, key, labels, *, truncation=1.0):
  return core.truncated({'codes': jax.random.randint(key, (len(labels), 2, 3), 0, 50)}, truncation)


def codes_decode(state, latents, labels):
  """[N, 4, 8, 1]: the label's grey level in the left half, the codes in the right half."""
  return decode(state, jnp.arctanh(latents['codes'].reshape(-1, 6) / 50.0) / state.params['weight'], labels)


CODES = ALGORITHM._replace(prior=codes_prior, decode=codes_decode)


def test_latents_may_be_codes():
  samples = grids.sample_images(CODES, STATE, KEY, labels=[0, 1, 2], batch_size=2)
  codes = np.asarray(codes_prior(STATE, KEY, jnp.zeros(3))['codes']).reshape(3, 6)
  np.testing.assert_allclose(50 * samples[:, 0, 2:, 0], codes, atol=1e-3)
  walks = 50 * grids.sample_walks(CODES, STATE, KEY, labels=[0, 1], num=4)[:, :, 0, 2:, 0]
  ends = np.asarray(codes_prior(STATE, KEY, jnp.zeros(4))['codes']).reshape(4, 6)
  np.testing.assert_allclose(walks, np.stack([ends[:2], ends[:2], ends[2:], ends[2:]], axis=1), atol=1e-3)
  with pytest.raises(core.ArgumentError, match=r'truncation is 0\.5, but this model draws codes'):
    grids.sample_images(CODES, STATE, KEY, labels=[0], truncation=0.5)


def test_walks_go_between_two_draws_with_one_label():
  labels = np.array([2, 0, 1])
  walks = grids.sample_walks(ALGORITHM, STATE, KEY, labels=labels, num=5, batch_size=4)
  ends = np.asarray(prior(STATE, KEY, jnp.zeros(6)))
  assert walks.shape == (3, 5, 4, 8, 1)
  np.testing.assert_allclose(walks[:, :, 0, 0, 0], np.repeat(labels / 4, 5).reshape(3, 5))
  np.testing.assert_allclose(latents_of(walks[:, 0]), ends[:3], rtol=1e-3, atol=1e-4)
  np.testing.assert_allclose(latents_of(walks[:, -1]), ends[3:], rtol=1e-3, atol=1e-4)
  middle = core.walk(ALGORITHM, jnp.asarray(ends[:3]), jnp.asarray(ends[3:]), 5)[:, 2]
  np.testing.assert_allclose(latents_of(walks[:, 2]), middle, rtol=1e-3, atol=1e-4)


def test_labels_are_balanced():
  assert grids.choose_labels(7, classes=[], num_classes=3).tolist() == [0, 1, 2, 0, 1, 2, 0]
  assert grids.choose_labels(3, classes=[], num_classes=0).tolist() == [0, 0, 0]
  assert grids.choose_labels(5, classes=[2, 0], num_classes=3).tolist() == [2, 2, 2, 0, 0, 0]
