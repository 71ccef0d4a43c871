"""R1 and R2 by finite differences against gradients worked out by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gengan import terms

ROWS = 100_000


def mean_slope(critic, point, sigma):
  """Mean over many draws at one point."""
  images = jnp.tile(jnp.asarray(point), (ROWS, 1))
  noise = jax.random.normal(jax.random.key(0), images.shape)
  return float(jnp.mean(terms.squared_slopes(critic, critic(images), images, noise, sigma)))


@pytest.mark.parametrize('sigma', [0.01, 1.0])
def test_the_mean_of_a_linear_critic_is_the_squared_gradient_whatever_sigma(sigma):
  critic = lambda x: 2.0 * x[:, 0] - 3.0 * x[:, 1] + 5.0
  np.testing.assert_allclose(mean_slope(critic, [0.3, -0.2], sigma), 2**2 + 3**2, rtol=0.02)


def test_the_mean_of_a_quadratic_critic_has_the_rest_that_its_hessian_says():
  critic = lambda x: 0.5 * (1.0 * x[:, 0] ** 2 + 3.0 * x[:, 1] ** 2)  # gradient (x, 3 y), Hessian diag(1, 3)
  gradient = 2.0**2 + (3 * 1.0) ** 2
  np.testing.assert_allclose(mean_slope(critic, [2.0, 1.0], 0.01), gradient, rtol=0.02)
  rest = 1 / 4 * ((1 + 3) ** 2 + 2 * (1 + 9))  # sigma = 1
  np.testing.assert_allclose(mean_slope(critic, [2.0, 1.0], 1.0), gradient + rest, rtol=0.02)


def context_of(critic, rows):
  real, fake = jnp.ones((rows, 2, 2, 1)), -jnp.ones((rows, 2, 2, 1))
  judge = lambda images, labels=None: critic(images)
  images = {'real': real, 'fake': fake, 'real_output': critic(real), 'fake_output': {'logits': critic(fake)}}
  batch, key = {'label': jnp.zeros(rows, int)}, jax.random.key(0)
  return terms.Context(step=0, batch=batch, labels=batch['label'], discriminate=judge, key=key, **images)


def test_both_terms_are_half_gamma_times_the_squared_gradient():
  context = context_of(lambda images: 3.0 * images.sum((1, 2, 3)), ROWS)
  for make, name in ((terms.r1, 'r1'), (terms.r2, 'r2')):
    loss, metrics, _ = make(10.0, finite_difference=0.01).apply(context, {})
    np.testing.assert_allclose(loss, 10 / 2 * 4 * 3**2, rtol=0.02)
    assert metrics == {name: loss}
  assert (
    terms.r1(1.0, finite_difference=0.01).apply(context, {})[0]
    != terms.r2(1.0, finite_difference=0.01).apply(context, {})[0]
  )


def test_r2_compares_two_values_of_one_and_the_same_discriminator():
  context = context_of(lambda images: 3.0 * images.sum((1, 2, 3)), 4)
  other = context._replace(fake_output=context.fake_output['logits'] + 0.01)  # its spectral norms had moved
  found = [terms.r2(1.0, finite_difference=0.01).apply(c, {})[0] for c in (context, other)]
  assert found[0] == found[1]


def test_the_derivative_in_the_parameters_is_that_of_the_exact_term():
  def value(scale, sigma):
    context = context_of(lambda images: scale * images.sum((1, 2, 3)), ROWS)
    return terms.r1(1.0, finite_difference=sigma).apply(context, {})[0]

  exact, found = (jax.grad(value)(3.0, sigma) for sigma in (0.0, 0.01))
  np.testing.assert_allclose(exact, 0.5 * 4 * 2 * 3.0)
  np.testing.assert_allclose(found, exact, rtol=0.02)


@pytest.mark.parametrize('sigma', [-0.1, float('inf'), '0.1'])
def test_what_is_no_distance_is_refused(sigma):
  with pytest.raises(ValueError, match=r'finite_difference is .*; it must be a number >= 0'):
    terms.r1(1.0, finite_difference=sigma)
