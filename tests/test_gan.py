"""The alternating step against the same algorithm written naively, with plain gradients of two separate losses."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn

from gengan import gan, losses

LATENTS, ROWS, RATE = 3, 6, 0.1


class Generator(nn.Module):
  @nn.compact
  def __call__(self, latents, labels, *, train):
    return jnp.tanh(nn.Dense(4)(latents)).reshape(-1, 2, 2, 1)


class Discriminator(nn.Module):
  @nn.compact
  def __call__(self, images, labels, *, train):
    return nn.Dense(1)(nn.tanh(nn.Dense(5)(images.reshape(-1, 4))))[:, 0]


def make(**options):
  sgd = {name: optax.sgd(RATE) for name in ('generator', 'discriminator')}
  defaults = dict(latent_size=LATENTS, loss=losses.non_saturating, optimizers=sgd)
  return gan.make(Generator(), Discriminator(), **defaults | options)


@pytest.fixture(scope='module')
def batch():
  images = np.random.default_rng(0).uniform(-1, 1, (ROWS, 2, 2, 1)).astype(np.float32)
  return {'image': jnp.asarray(images), 'label': jnp.zeros(ROWS, jnp.int32)}


def dim(images, key):
  return images * jax.random.uniform(key)


def naive_step(params, batch, key, *, loss, d_steps, penalty=lambda *_: 0.0, augment=lambda x, key: x):
  """Goodfellow et al. (2014), algorithm 1, line by line: no shared passes, no state."""
  g, d = params['generator'], params['discriminator']
  generate = lambda g, z: Generator().apply({'params': g}, z, None, train=True)
  critic = lambda d, x: Discriminator().apply({'params': d}, x, None, train=True)
  descend = lambda p, grads: jax.tree.map(lambda a, b: a - RATE * b, p, grads)
  g_key, *d_keys = jax.random.split(key, 1 + d_steps)
  for i, k in enumerate(d_keys):
    latent_key, augment_key = jax.random.split(k)
    real_key, fake_key, _ = jax.random.split(augment_key, 3)
    shown = batch['image'][i::d_steps]
    latents = jax.random.normal(latent_key, (len(shown), LATENTS))
    real, fake = augment(shown, real_key), augment(generate(g, latents), fake_key)

    def d_objective(d, real=real, fake=fake):
      return loss.discriminator(critic(d, real), critic(d, fake)) + penalty(lambda x: critic(d, x), real)

    d = descend(d, jax.grad(d_objective)(d))
  real_key, fake_key = jax.random.split(g_key)
  real = augment(shown, real_key)
  g_objective = lambda g: loss.generator(critic(d, real), critic(d, augment(generate(g, latents), fake_key)))
  g = descend(g, jax.grad(g_objective)(g))
  return {'generator': g, 'discriminator': d}


@pytest.mark.parametrize('d_steps', [1, 3])
@pytest.mark.parametrize('name', ['non_saturating', 'relativistic'])
def test_one_step_is_the_textbook_algorithm(batch, name, d_steps):
  loss = losses.gan_loss(name)
  algorithm = make(loss=loss, d_steps_per_g_step=d_steps)
  state, key = algorithm.init(jax.random.key(0), batch), jax.random.key(1)
  after, _ = algorithm.train_step(state, batch, key)
  expected = naive_step(state.params, batch, key, loss=loss, d_steps=d_steps)
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), after.params, expected)


@pytest.mark.parametrize('name', ['non_saturating', 'relativistic'])
def test_the_discriminator_sees_augmented_images_in_both_updates(batch, name):
  loss = losses.gan_loss(name)
  algorithm = make(loss=loss, augment=dim)
  state, key = algorithm.init(jax.random.key(0), batch), jax.random.key(1)
  after, _ = algorithm.train_step(state, batch, key)
  expected = naive_step(state.params, batch, key, loss=loss, d_steps=1, augment=dim)
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), after.params, expected)


def test_a_regularizer_is_added_to_the_discriminators_loss_and_reported(batch):
  penalty = lambda critic, real, fake, key: 3.0 * jnp.mean(critic(real) ** 2)
  algorithm = make(regularizers={'drift': penalty})
  state, key = algorithm.init(jax.random.key(0), batch), jax.random.key(1)
  after, metrics = algorithm.train_step(state, batch, key)
  by_hand = lambda critic, real: 3.0 * jnp.mean(critic(real) ** 2)
  expected = naive_step(state.params, batch, key, loss=losses.non_saturating, d_steps=1, penalty=by_hand)
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), after.params, expected)
  logits = Discriminator().apply({'params': state.params['discriminator']}, batch['image'], None, train=True)
  assert float(metrics['drift']) == pytest.approx(3.0 * float(jnp.mean(logits**2)), rel=1e-5)


def test_samples_come_from_the_average_and_the_average_follows_the_generator(batch):
  algorithm = make(ema_half_life_kimg=ROWS / 1000, ema_rampup=None)  # decay 1/2 a step
  state = algorithm.init(jax.random.key(0), batch)
  after, _ = algorithm.train_step(state, batch, jax.random.key(1))
  midway = jax.tree.map(lambda a, b: (a + b) / 2, state.params['generator'], after.params['generator'])
  average = after.ema_params['generator']['params']
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), average, midway)
  latents = algorithm.prior(after, jax.random.key(2), batch['label'])
  images = Generator().apply({'params': midway}, latents, None, train=False)
  np.testing.assert_allclose(algorithm.decode(after, latents, batch['label']), images, rtol=1e-6)


def test_accuracy_counts_logits_on_the_right_side_of_the_middle():
  metrics = gan._logit_metrics(jnp.array([2.0, 2.0, -4.0, 4.0]), jnp.array([-2.0, -2.0, -2.0, 2.0]), None)
  assert float(metrics['d_real']) == 1.0 and float(metrics['d_fake']) == -1.0
  assert float(metrics['d_accuracy_real']) == 0.75 and float(metrics['d_accuracy_fake']) == 0.75


def test_evaluation_gives_one_value_an_example(batch):
  algorithm = make()
  metrics = algorithm.eval_step(algorithm.init(jax.random.key(0), batch), batch, jax.random.key(1))
  assert {name: value.shape for name, value in metrics.items()} == {'d_real': (ROWS,), 'd_fake': (ROWS,)}
  state = algorithm.init(jax.random.key(0), batch)
  np.testing.assert_allclose(algorithm.score(state, batch['image'], batch['label']), metrics['d_real'], rtol=1e-5)


@pytest.mark.parametrize(
  ('options', 'field'),
  [
    (dict(latent_size=0), 'latent_size'),
    (dict(d_steps_per_g_step=0), 'd_steps'),
    (dict(ema_rampup=-1.0), r'config\.ema\.rampup is -1\.0'),
    (dict(ema_half_life_kimg=float('inf')), r'config\.ema\.half_life_kimg is inf'),
  ],
)
def test_impossible_settings_are_named(options, field):
  with pytest.raises(ValueError, match=field):
    make(**options)


def test_a_batch_that_does_not_split_is_refused(batch):
  algorithm = make(d_steps_per_g_step=4)
  with pytest.raises(ValueError, match=r'config\.d_steps_per_g_step is 4; a batch of 6 rows'):
    algorithm.train_step(algorithm.init(jax.random.key(0), batch), batch, jax.random.key(1))
