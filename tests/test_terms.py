"""Gradient penalties against hand-made gradients and loops over rows."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gengan import terms as regularizers

RNG = np.random.default_rng(0)
REAL, FAKE = (np.float32(RNG.normal(size=(5, 2, 2, 3))) for _ in range(2))
WEIGHTS = np.float32(RNG.normal(size=(2, 2, 3)))
r1, r2, gradient_penalty, gradient_penalty_at = (
  jax.jit(penalty, static_argnums=0)
  for penalty in (regularizers.r1, regularizers.r2, regularizers.gradient_penalty, regularizers.gradient_penalty_at)
)


def linear(images):
  return jnp.sum(images * WEIGHTS, axis=(1, 2, 3))


def quadratic(images):
  return 0.5 * jnp.sum(WEIGHTS * jnp.square(images), axis=(1, 2, 3))


def curved(images):
  return jnp.tanh(linear(images)) + quadratic(images)


def test_r1_and_r2_of_a_linear_critic_are_the_norm_of_its_weights():
  expected = 3.0 / 2 * np.sum(np.square(WEIGHTS))
  np.testing.assert_allclose(r1(linear, REAL, gamma=3.0), expected, rtol=1e-6)
  np.testing.assert_allclose(r2(linear, FAKE, gamma=3.0), expected, rtol=1e-6)


def test_r1_of_a_quadratic_critic():
  expected = 10.0 / 2 * np.mean(np.sum(np.square(np.asarray(WEIGHTS) * np.asarray(REAL)), axis=(1, 2, 3)))
  np.testing.assert_allclose(r1(quadratic, REAL, gamma=10.0), expected, rtol=1e-6)


def test_penalties_take_every_row_for_itself():
  row_gradient = jax.jit(jax.grad(lambda x: curved(x[None])[0]))
  row_gradients = [row_gradient(x) for x in REAL]
  norms = np.array([np.sqrt(np.sum(np.square(g))) for g in row_gradients])
  np.testing.assert_allclose(r1(curved, REAL, gamma=2.0), np.mean(norms**2), rtol=1e-5)
  np.testing.assert_allclose(gradient_penalty_at(curved, REAL, weight=4.0), 4.0 * np.mean((norms - 1) ** 2), rtol=1e-5)


def test_of_a_critic_with_batch_statistics_it_is_the_summed_logits_gradient():
  centred = lambda images: curved(images - images.mean(0))
  jacobian = jax.jit(jax.jacobian(centred))(REAL)  # [logit, image, ...]
  squares = np.sum(np.square(np.asarray(jacobian).sum(0)), axis=(1, 2, 3))
  np.testing.assert_allclose(r1(centred, REAL, gamma=2.0), squares.mean(), rtol=1e-5)
  alone = np.sum(np.square(np.asarray([jacobian[i, i] for i in range(len(REAL))])), axis=(1, 2, 3))
  assert abs(squares.mean() / alone.mean() - 1) > 0.1


def test_gradient_penalty_of_a_linear_critic_holds_wherever_the_points_are():
  norm = np.sqrt(np.sum(np.square(WEIGHTS)))
  penalty = gradient_penalty(linear, REAL, FAKE, jax.random.key(0))
  np.testing.assert_allclose(penalty, 10.0 * (norm - 1) ** 2, rtol=1e-5)
  unit = gradient_penalty(lambda x: linear(x) / norm, REAL, FAKE, jax.random.key(0))
  np.testing.assert_allclose(unit, 0.0, atol=1e-6)


def test_points_lie_between_the_pairs_one_position_for_an_image():
  with_pairs = gradient_penalty(quadratic, REAL, FAKE, jax.random.key(1), weight=2.0)
  positions = np.asarray(jax.random.uniform(jax.random.key(1), (5, 1, 1, 1)))
  assert positions.min() >= 0 and positions.max() < 1 and np.unique(positions).size == 5
  points = (1 - positions) * np.asarray(REAL) + positions * np.asarray(FAKE)
  norms = np.sqrt(np.sum(np.square(np.asarray(WEIGHTS) * points), axis=(1, 2, 3)))
  np.testing.assert_allclose(with_pairs, 2.0 * np.mean((norms - 1) ** 2), rtol=1e-5)


def test_points_do_not_depend_on_the_number_of_devices():
  real, fake = (np.resize(x, (8, 2, 2, 3)) for x in (REAL, FAKE))
  key = jax.random.key(2)
  whole = gradient_penalty(quadratic, real, fake, key)
  part = lambda r, f: jax.lax.pmean(regularizers.gradient_penalty(quadratic, r, f, key, axis_name='data'), 'data')
  cut = lambda x: x.reshape(4, 2, *x.shape[1:])
  parts = jax.jit(jax.vmap(part, axis_name='data'))(cut(real), cut(fake))
  np.testing.assert_allclose(parts, np.full(4, whole), rtol=1e-5)


def test_gradient_penalty_can_be_differentiated_where_the_gradient_is_zero():
  def objective(scale):
    return gradient_penalty(lambda x: scale * quadratic(x), 0 * REAL, 0 * REAL, jax.random.key(0))

  value, gradient = jax.jit(jax.value_and_grad(objective))(1.0)
  np.testing.assert_allclose(value, 10.0)
  assert gradient == 0.0


def test_make_keeps_what_is_switched_on():
  made = regularizers.make({'r1': 10.0, 'r2': 0.0, 'gradient_penalty': 5}) | regularizers.make({'r2': 1.0})
  key = jax.random.key(3)
  expected = {
    'r1': r1(quadratic, REAL, gamma=10.0),
    'gradient_penalty': gradient_penalty(quadratic, REAL, FAKE, key, weight=5.0),
    'r2': r2(quadratic, FAKE, gamma=1.0),
  }
  assert set(regularizers.make({'r1': 10.0, 'r2': 0.0})) == {'r1'}
  assert made.keys() == expected.keys()
  for name, penalty in made.items():
    np.testing.assert_allclose(
      jax.jit(penalty, static_argnums=0)(quadratic, REAL, FAKE, key), expected[name], rtol=1e-5
    )


@pytest.mark.parametrize(
  ('settings', 'message'),
  [
    ({'r3': 1.0}, r'config\.regularizers\.r3.*allowed: r1, r2, gradient_penalty'),
    ({'r1': -1.0}, r'config\.regularizers\.r1.*>= 0.*-1\.0'),
    ({'r2': float('nan')}, r'config\.regularizers\.r2'),
    ({'gradient_penalty': 'on'}, r"config\.regularizers\.gradient_penalty.*'on'"),
  ],
)
def test_make_refuses_what_it_cannot_do(settings, message):
  with pytest.raises(ValueError, match=message):
    regularizers.make(settings)
