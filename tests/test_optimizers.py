"""Optimizers against updates written out by hand."""

import jax.numpy as jnp
import numpy as np
import optax
import pytest
from ml_collections import ConfigDict

from gengan import optimizers

GRADIENTS = [np.array([0.3, -2.0, 0.0]), np.array([-0.1, 0.5, 1.0]), np.array([0.2, 0.2, -3.0])]
START = np.array([1.0, -1.0, 2.0])


def run(settings):
  """The parameters after every step of GRADIENTS."""
  optimizer = optimizers.make(ConfigDict(settings))
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


def test_schedules():
  settings = {'learning_rate': 2.0, 'warmup_steps': 4, 'decay_steps': 10}
  rates = lambda kind: [
    float(optimizers.schedule({**settings, 'schedule': kind})(step)) for step in (0, 1, 4, 9, 14, 99)
  ]
  np.testing.assert_allclose(rates('constant'), [0.0, 0.5, 2.0, 2.0, 2.0, 2.0], atol=1e-6)
  np.testing.assert_allclose(rates('linear'), [0.0, 0.5, 2.0, 1.0, 0.0, 0.0], atol=1e-6)
  np.testing.assert_allclose(rates('cosine'), [0.0, 0.5, 2.0, 1.0, 0.0, 0.0], atol=1e-6)
  np.testing.assert_allclose(
    optimizers.schedule({**settings, 'warmup_steps': 0, 'schedule': 'cosine'})(2), 1 + np.cos(0.2 * np.pi), rtol=1e-6
  )
  assert optimizers.schedule({'learning_rate': 0.3}) == 0.3


def test_the_schedule_reaches_the_updates():
  steps = np.diff(
    run({'name': 'sgd', 'learning_rate': 1.0, 'b1': 0.0, 'schedule': 'linear', 'decay_steps': 2}),
    axis=0,
    prepend=START[None],
  )
  np.testing.assert_allclose(steps, [-GRADIENTS[0], -0.5 * GRADIENTS[1], 0 * GRADIENTS[2]], atol=1e-6)


@pytest.mark.parametrize(
  ('settings', 'message'),
  [
    ({'name': 'adamm'}, r"config\.optimizer\.name.*'adamm'.*adam, adamw, sgd, rmsprop"),
    ({'lr': 1.0}, r'config\.optimizer\.lr: unknown field.*learning_rate'),
    ({'learning_rate': 0.0}, r'config\.optimizer\.learning_rate'),
    ({'learning_rate': '1e-3'}, r"config\.optimizer\.learning_rate.*'1e-3'"),
    ({'b1': 1.0}, r'config\.optimizer\.b1.*below 1'),
    ({'eps': -1e-8}, r'config\.optimizer\.eps'),
    ({'clip_norm': -1.0}, r'config\.optimizer\.clip_norm'),
    ({'weight_decay': 0.1}, r"config\.optimizer\.weight_decay.*'adamw'"),
    ({'schedule': 'step'}, r"config\.optimizer\.schedule.*'step'.*cosine"),
    ({'schedule': 'cosine'}, r"config\.optimizer\.decay_steps.*'cosine'"),
    ({'warmup_steps': 0.5}, r'config\.optimizer\.warmup_steps'),
  ],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
  with pytest.raises(ValueError, match=message) as error:
    optimizers.make(settings)
  assert '\n' not in str(error.value)


def test_the_section_is_named_as_the_caller_says():
  with pytest.raises(ValueError, match=r'config\.optimizers\.generator\.b2'):
    optimizers.make({'b2': 2.0}, section='config.optimizers.generator')
