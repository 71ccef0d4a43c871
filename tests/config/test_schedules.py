"""Schedules as functions of the step, and what cannot be one."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from configs import conditional_dcgan
from gengan.config import ConfigError, check, defaults, make_algorithm, schedules
from gengan.config.command_line import change
from gengan.core import ArgumentError

STEPS = jnp.arange(200)


def test_a_number_passes_through():
  assert schedules.make(3, 64) == 3 and schedules.make(2e-4, 64) == 2e-4


@pytest.mark.parametrize(
  ('section', 'expected'),
  [
    (defaults.linear(2e-4, 0.0, kimg=6.4), optax.linear_schedule(2e-4, 0.0, 100)),
    (defaults.linear(0.9, 0.99, kimg=3.2), optax.linear_schedule(0.9, 0.99, 50)),
    (defaults.cosine(2e-4, 0.0, kimg=6.4), optax.cosine_decay_schedule(2e-4, 100)),
    (defaults.cosine(1.0, 0.1, kimg=6.4), optax.cosine_decay_schedule(1.0, 100, alpha=0.1)),
    (
      defaults.cosine(1.0, 0.0, kimg=6.4, warmup_kimg=1.28),
      optax.warmup_cosine_decay_schedule(0.0, 1.0, warmup_steps=20, decay_steps=120),
    ),
    (defaults.step(0.0, 5.0, kimg=3.2), lambda step: jnp.where(step < 50, 0.0, 5.0)),
    (
      {'schedule': 'constant', 'start': 2.0, 'warmup_kimg': 0.64},
      optax.join_schedules([optax.linear_schedule(0.0, 2.0, 10), optax.constant_schedule(2.0)], [10]),
    ),
  ],
)
def test_the_values_are_those_of_optax(section, expected):
  made = schedules.make(section, 64)
  values = jax.jit(jax.vmap(made))(STEPS)
  expected = jnp.zeros(200) + jax.vmap(expected)(STEPS)
  np.testing.assert_allclose(values, expected, rtol=1e-6, atol=1e-7 * expected.max())


def test_a_cosine_may_rise():
  values = jax.vmap(schedules.make(defaults.cosine(0.0, 1.0, kimg=6.4), 64))(STEPS)
  np.testing.assert_allclose(values[jnp.array([0, 50, 100, 150])], [0.0, 0.5, 1.0, 1.0], atol=1e-6)


def test_a_length_need_not_be_a_whole_number_of_steps():
  falling = schedules.make(defaults.linear(1.0, 0.0, kimg=1.0), 400)  # 2.5 steps
  np.testing.assert_allclose([falling(step) for step in range(4)], [1.0, 0.6, 0.2, 0.0], atol=1e-6)


@pytest.mark.parametrize(
  ('fields', 'message'),
  [
    ({'schedule': 'square'}, "^schedule is 'square'; it must be one of constant, linear, cosine"),
    ({'start': None}, '^start is None; it must be a number'),
    ({'start': float('nan')}, '^start is nan'),
    ({'end': True}, '^end is True'),
    ({'kimg': 0.0}, '^kimg is 0.0; it must be above 0'),
    ({'warmup_kimg': -1.0}, '^warmup_kimg is -1.0; it must be at least 0'),
    ({'decay_steps': 3}, '^decay_steps is 3; it must be left out: a schedule has schedule, start'),
  ],
)
def test_a_field_that_cannot_be_is_named(fields, message):
  with pytest.raises(ArgumentError, match=message):
    schedules.make({**defaults.linear(1.0, 0.0, kimg=1.0).to_dict(), **fields}, 64)


def scheduled(**fields):
  config = conditional_dcgan.get_config('mnist')
  config.num_steps = 1060
  config.optimizers.generator.learning_rate.update(fields)
  return config


def test_a_learning_rate_does_not_fall_to_nothing_before_the_last_step():
  # 1,060 steps of 64 read 67.84 thousand images.
  message = (
    r'^config\.optimizers\.generator\.learning_rate\.kimg is 60\.0, but the run reads 67\.84 thousand images '
    r'and from 63\.2 on it is 0; it must be at least 64\.64, or end above 0'
  )
  with pytest.raises(ConfigError, match=message):
    check(scheduled(kimg=60.0, warmup_kimg=3.2))
  for fields in ({'kimg': 67.84}, {'kimg': 64.64, 'warmup_kimg': 3.2}, {'kimg': 1.0, 'end': 1e-6}):
    check(scheduled(**fields))


def test_a_schedule_anywhere_in_the_config_is_checked():
  config = scheduled()
  with config.unlocked():
    del config.terms['r1']
    config.terms.r1 = {'schedule': 'linear', 'start': 0.1, 'end': 0.0, 'kimg': 1.0}
  check(config)
  config.terms.r1.kimg = -1.0
  with pytest.raises(ConfigError, match=r'^config\.terms\.r1\.kimg is -1\.0; it must be above 0'):
    check(config)


PLAIN = ('model.d_slope', 'ema.rampup', 'd_steps_per_g_step', 'mesh.data', 'ada_target', 'seed')


@pytest.mark.parametrize('path', PLAIN)
def test_a_number_that_cannot_change_is_no_schedule(path):
  config = change(scheduled(), [f"--config.{path}={{'schedule': 'linear', 'start': 0.5, 'end': 0.9, 'kimg': 1.0}}"])
  with pytest.raises(ConfigError, match=rf'^config\.{path} is .*a number, for it cannot change over a run'):
    check(config)
  config.model.name = 'my_package.my_gan'  # whose fields are its own
  if path.startswith('model.'):
    check(config)


@pytest.mark.parametrize(
  ('path', 'start', 'end', 'wrong'),
  [
    ('optimizers.generator.learning_rate', 1e-3, -0.1, 'optimizers.generator.learning_rate is -0.1'),
    ('optimizers.discriminator.b2', 0.9, 1.5, 'optimizers.discriminator.b2 is 1.5'),
    ('terms.r1', -1.0, 0.0, 'terms.r1 is -1.0'),
    ('augment_probability', 0.0, 7.0, 'augment_probability is 7.0'),
    ('ema.half_life_kimg', 1.0, -2.0, 'ema.half_life_kimg is -2.0'),
  ],
)
def test_both_ends_of_a_schedule_are_values_that_the_number_may_have(path, start, end, wrong):
  section = {'schedule': 'linear', 'start': start, 'end': end, 'kimg': 1e6}
  config = change(scheduled(), [f'--config.{path}={section}', '--config.model.num_classes=10'])
  with pytest.raises(ConfigError, match=rf'^config\.{wrong}; it must be'):
    make_algorithm(config)
