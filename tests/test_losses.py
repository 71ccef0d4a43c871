"""Losses against the papers' formulas in float64 numpy and against scipy's distributions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gengan import losses

RNG = np.random.default_rng(0)
REAL, FAKE = RNG.normal(0.5, 2.0, 12), RNG.normal(-0.5, 2.0, 12)


def sigmoid(x):
  return 1.0 / (1.0 + np.exp(-x))


def papers(c_real, c_fake):
  """(discriminator, generator) as the papers write them, with D = sigmoid(C)."""
  log, mean = np.log, np.mean
  d_real, d_fake = sigmoid(c_real), sigmoid(c_fake)
  value = mean(log(d_real)) + mean(log(1 - d_fake))
  relative = lambda a, b: -mean(log(sigmoid(a - b)))
  average = lambda a, b: -mean(log(sigmoid(a - mean(b)))) - mean(log(1 - sigmoid(b - mean(a))))
  return {
    'minimax': (-value, mean(log(1 - d_fake))),
    'non_saturating': (-value, -mean(log(d_fake))),
    'least_squares': (mean((c_real - 1) ** 2) / 2 + mean(c_fake**2) / 2, mean((c_fake - 1) ** 2) / 2),
    'hinge': (-mean(np.minimum(0, c_real - 1)) - mean(np.minimum(0, -c_fake - 1)), -mean(c_fake)),
    'wasserstein': (mean(c_fake) - mean(c_real), -mean(c_fake)),
    'relativistic': (relative(c_real, c_fake), relative(c_fake, c_real)),
    'relativistic_average': (average(c_real, c_fake), average(c_fake, c_real)),
  }


@pytest.mark.parametrize('name', losses.GAN_LOSSES)
def test_gan_losses_are_the_papers(name):
  loss = losses.GanLoss(*map(jax.jit, losses.gan_loss(name)))
  discriminator, generator = papers(REAL, FAKE)[name]
  np.testing.assert_allclose(loss.discriminator(REAL, FAKE), discriminator, rtol=1e-5)
  np.testing.assert_allclose(loss.generator(REAL, FAKE), generator, rtol=1e-5)


@pytest.mark.parametrize('name', losses.GAN_LOSSES)
def test_gan_losses_and_gradients_are_finite_for_huge_logits(name):
  real, fake = jnp.array([1e4, -1e4, 0.0]), jnp.array([-1e4, 1e4, 1e4])
  for player in losses.gan_loss(name):
    value, gradients = jax.jit(jax.value_and_grad(player, argnums=(0, 1)))(real, fake)
    assert np.isfinite(value) and all(np.isfinite(g).all() for g in gradients)
    assert any(np.any(np.asarray(g) != 0) for g in gradients)


def test_value_of_the_minimax_game_at_its_equilibrium_is_minus_log_four():
  zeros = jnp.zeros(5)
  np.testing.assert_allclose(-losses.minimax.discriminator(zeros, zeros), -np.log(4.0), rtol=1e-6)


def test_minimax_generator_has_its_gradient_where_d_is_fooled_and_non_saturating_where_it_is_not():
  slope = lambda loss, logit: float(jax.grad(loss.generator, argnums=1)(np.zeros(1), np.float32([logit]))[0])
  assert abs(slope(losses.minimax, -8.0)) < 1e-3 < 0.9 < abs(slope(losses.non_saturating, -8.0))


@pytest.mark.parametrize('name', ['relativistic', 'relativistic_average', 'wasserstein'])
def test_only_differences_of_logits_count(name):
  loss = losses.gan_loss(name)
  np.testing.assert_allclose(
    loss.discriminator(REAL + 3.0, FAKE + 3.0), loss.discriminator(REAL, FAKE), rtol=1e-5, atol=1e-6
  )


def test_unknown_loss_names_the_field_and_the_choices():
  with pytest.raises(ValueError, match=r"loss is 'wgan'.*minimax.*wasserstein"):
    losses.gan_loss('wgan')
