"""Optimizers against updates written out by hand, and gradients against loops over rows."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gengan import optimizers
from gengan.config import defaults
from gengan.core import ArgumentError

GRADIENTS = [np.array([0.3, -2.0, 0.0]), np.array([-0.1, 0.5, 1.0]), np.array([0.2, 0.2, -3.0])]
START = np.array([1.0, -1.0, 2.0])
DEFAULTS = defaults.adam(1e-3, b1=0.9).to_dict()


def run(settings):
  """The parameters after every step of GRADIENTS."""
  optimizer = optimizers.make({**DEFAULTS, **settings})
  params, trace = jnp.asarray(START), []
  state = optimizer.init(params)
  for gradient in GRADIENTS:
    updates, state = optimizer.update(jnp.asarray(gradient), state, params)
    params = optax.apply_updates(params, updates)
    trace.append(np.asarray(params))
  return np.array(trace)


def adam_by_hand(learning_rate, b1, b2, eps, weight_decay=0.0):
  params, first, second, trace = START.copy(), 0.0, 0.0, []
  for t, gradient in enumerate(GRADIENTS, 1):
    first = b1 * first + (1 - b1) * gradient
    second = b2 * second + (1 - b2) * gradient**2
    step = (first / (1 - b1**t)) / (np.sqrt(second / (1 - b2**t)) + eps)
    params = params - learning_rate * (step + weight_decay * params)
    trace.append(params)
  return np.array(trace)


def test_adam_and_adamw():
  settings = {'learning_rate': 0.1, 'b1': 0.5, 'b2': 0.9, 'eps': 1e-3}
  np.testing.assert_allclose(run({'name': 'adam', **settings}), adam_by_hand(**settings), rtol=1e-5)
  settings['weight_decay'] = 0.2
  np.testing.assert_allclose(run({'name': 'adamw', **settings}), adam_by_hand(**settings), rtol=1e-5)


def test_sgd_with_momentum():
  velocity, params, trace = 0.0, START.copy(), []
  for gradient in GRADIENTS:
    velocity = 0.9 * velocity + gradient
    params = params - 0.1 * velocity
    trace.append(params)
  np.testing.assert_allclose(run({'name': 'sgd', 'learning_rate': 0.1, 'b1': 0.9}), trace, rtol=1e-5)


def test_rmsprop_without_momentum():
  second, params, trace = 0.0, START.copy(), []
  for gradient in GRADIENTS:
    second = 0.9 * second + 0.1 * gradient**2
    params = params - 0.1 * gradient / np.sqrt(second + 1e-8)
    trace.append(params)
  settings = {'name': 'rmsprop', 'learning_rate': 0.1, 'b1': 0.0, 'b2': 0.9}
  np.testing.assert_allclose(run(settings), trace, rtol=1e-5)


def test_clip_norm_bounds_the_whole_gradient():
  plain = {'name': 'sgd', 'learning_rate': 1.0, 'b1': 0.0}
  steps = np.diff(run({**plain, 'clip_norm': 0.5}), axis=0, prepend=START[None])
  np.testing.assert_allclose(np.linalg.norm(steps, axis=1), 0.5, rtol=1e-5)
  np.testing.assert_allclose(run({**plain, 'clip_norm': 100.0}), run(plain), rtol=1e-6)


def test_a_scheduled_learning_rate_and_b2_are_those_of_the_update():
  """Adam whose b2 changes, written out: the correction is by the b2 of the moment (1 - b2^t), as optax has it."""
  rate, b2 = (lambda updates: 0.1 / (1.0 + updates)), (lambda updates: 0.5 + 0.1 * updates)
  params, first, second, trace = START.copy(), 0.0, 0.0, []
  for t, gradient in enumerate(GRADIENTS, 1):
    now = 0.5 + 0.1 * (t - 1)
    first = 0.5 * first + 0.5 * gradient
    second = now * second + (1 - now) * gradient**2
    step = (first / (1 - 0.5**t)) / (np.sqrt(second / (1 - now**t)) + 1e-3)
    params = params - 0.1 / t * step
    trace.append(params)
  settings = {'name': 'adam', 'b1': 0.5, 'eps': 1e-3}
  np.testing.assert_allclose(run({**settings, 'learning_rate': rate, 'b2': b2}), trace, rtol=1e-5)


@pytest.mark.parametrize(
  ('settings', 'message'),
  [
    ({'name': 'adamm'}, r"name is 'adamm'; it must be one of adam, adamw, sgd, rmsprop"),
    ({'lr': 1.0}, r'lr is 1\.0; it must be left out.*learning_rate'),
    ({'learning_rate': 0.0}, r'learning_rate is 0\.0'),
    ({'learning_rate': '1e-3'}, r"learning_rate is '1e-3'"),
    ({'b1': 1.0}, r'b1 is 1\.0; .*below 1'),
    ({'eps': -1e-8}, r'eps is -1e-08'),
    ({'eps': lambda step: 1e-8}, r'eps is .*a number > 0'),
    ({'clip_norm': -1.0}, r'clip_norm is -1\.0'),
    ({'weight_decay': 0.1}, r"weight_decay is 0\.1 while name is 'adam'.*'adamw'"),
  ],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
  with pytest.raises(ArgumentError, match=message) as error:
    optimizers.make({**DEFAULTS, **settings})
  assert '\n' not in str(error.value)


def test_a_missing_field_is_named():
  with pytest.raises(ArgumentError, match='b2 is None, that is missing'):
    optimizers.make({name: value for name, value in DEFAULTS.items() if name != 'b2'})


X = np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32)
Y = np.random.default_rng(1).normal(size=12).astype(np.float32)
PARAMS = {'w': jnp.array([0.5, -1.0, 2.0]), 'b': jnp.float32(0.3)}


def squares(params, examples, key):
  errors = examples['x'] @ params['w'] + params['b'] - examples['y']
  return jnp.mean(errors**2), {'error': jnp.mean(errors), 'count': jnp.int32(len(errors))}


@pytest.mark.parametrize('parts', [1, 2, 4])
def test_micro_batches_give_the_gradient_of_the_whole_batch(parts):
  examples, key = {'x': X, 'y': Y}, jax.random.key(0)
  whole, (aux) = optimizers.whole_batch(squares, PARAMS, examples, key)
  grads, found = jax.jit(lambda p: optimizers.micro_batched(parts)(squares, p, examples, key))(PARAMS)
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), grads, whole)
  np.testing.assert_allclose(found['error'], aux['error'], rtol=1e-5)
  assert int(found['count']) == 12 // parts and found['count'].dtype == jnp.int32


def test_rows_are_clipped_one_by_one():
  """Against a loop over rows with the gradients of squares written out."""
  expected_w, expected_b = np.zeros(3), 0.0
  for x, y in zip(X.astype(float), Y.astype(float), strict=True):
    error = x @ np.array([0.5, -1.0, 2.0]) + 0.3 - y
    g = np.append(2 * error * x, 2 * error)
    g *= min(1.0, 0.8 / np.linalg.norm(g))
    expected_w, expected_b = expected_w + g[:3] / 12, expected_b + g[3] / 12
  clipped = optimizers.clipped_by_example(0.8)
  grads, aux = jax.jit(lambda p: clipped(squares, p, {'x': X, 'y': Y}, jax.random.key(0)))(PARAMS)
  np.testing.assert_allclose(grads['w'], expected_w, rtol=1e-4)
  np.testing.assert_allclose(grads['b'], expected_b, rtol=1e-4)
  assert int(aux['count']) == 1


def test_the_noise_has_the_deviation_of_the_paper():
  zero = lambda params, examples, key: (0.0 * jnp.sum(params['w']), {})
  noisy = optimizers.clipped_by_example(2.0, noise_multiplier=1.5)
  params = {'w': jnp.zeros(20_000)}
  draw = jax.jit(lambda key: noisy(zero, params, {'x': X}, key)[0]['w'])
  noise = np.asarray(draw(jax.random.key(0)))
  assert noise.std() == pytest.approx(1.5 * 2.0 / 12, rel=0.03) and abs(noise.mean()) < 0.01
  assert not np.array_equal(noise, draw(jax.random.key(1)))


@pytest.mark.parametrize(
  ('make', 'message'),
  [
    (lambda: optimizers.micro_batched(0), 'micro_batches is 0'),
    (lambda: optimizers.micro_batched(5)(squares, PARAMS, {'x': X, 'y': Y}, jax.random.key(0)), 'a divisor .* 12'),
    (lambda: optimizers.clipped_by_example(0.0), 'max_norm is 0.0'),
    (lambda: optimizers.clipped_by_example(1.0, noise_multiplier=-1), 'noise_multiplier is -1'),
  ],
)
def test_impossible_gradients_are_refused(make, message):
  with pytest.raises(ArgumentError, match=message):
    make()


def test_weights_are_clipped_after_the_update():
  """Arjovsky et al. 2017, algorithm 1, lines 6 and 7: an update, then clip(w, -c, c)."""
  settings = dict(name='sgd', learning_rate=1.0, b1=0.0, b2=0.9, eps=1e-8, weight_decay=0.0, clip_norm=0.0)
  optimizer = optimizers.make(settings | {'clip_weights': 0.01})
  params = jnp.array([0.008, -0.005, 0.2])
  updates, _ = optimizer.update(jnp.array([-0.01, 0.001, 0.01]), optimizer.init(params), params)
  np.testing.assert_allclose(optax.apply_updates(params, updates), [0.01, -0.006, 0.01], atol=1e-8)
