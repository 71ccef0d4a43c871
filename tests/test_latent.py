"""Algorithms on the latents of a frozen first stage, and posteriors by their definitions."""

import shutil

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.stats
from flax import linen as nn

from gengan import core, gan, latent, likelihoods, losses, runs, sharding, train, vae
from gengan.config import defaults
from gengan.runs import checkpoint

SIZE, LATENTS, ROWS = 2, 3, 8


class Encoder(nn.Module):
  @nn.compact
  def __call__(self, images, labels, *, train):
    x = jnp.tanh(nn.Dense(5)(images.reshape(len(images), -1)))
    return nn.Dense(LATENTS)(x), nn.Dense(LATENTS)(x)


class Decoder(nn.Module):
  @nn.compact
  def __call__(self, latents, labels, *, train):
    return nn.Dense(SIZE * SIZE)(latents).reshape(-1, SIZE, SIZE, 1)


class LatentGenerator(nn.Module):
  @nn.compact
  def __call__(self, latents, labels, *, train):
    return nn.Dense(LATENTS)(nn.tanh(nn.Dense(6)(latents)))


class LatentDiscriminator(nn.Module):
  @nn.compact
  def __call__(self, latents, labels, *, train):
    return nn.Dense(1)(nn.tanh(nn.Dense(6)(latents)))[:, 0]


def first_stage():
  return vae.make(
    Encoder(),
    Decoder(),
    posterior=latent.gaussian(LATENTS),
    likelihood=likelihoods.gaussian(1, sigma=0.5),
    optimizer=optax.adam(1e-2),
  )


def second_stage():
  return gan.make(
    LatentGenerator(),
    LatentDiscriminator(),
    latent_size=2,
    phases=gan.alternating(losses.hinge),
    optimizers={name: optax.adam(1e-2) for name in gan.PLAYERS},
  )


@pytest.fixture(scope='module')
def batch():
  images = np.random.default_rng(0).uniform(-1, 1, (ROWS, SIZE, SIZE, 1)).astype(np.float32)
  return {'image': images, 'label': np.zeros(ROWS, np.int32)}


@pytest.fixture(scope='module')
def trained(batch):
  """A first stage after some steps."""
  algorithm = first_stage()
  state, step = algorithm.init(jax.random.key(0), batch), jax.jit(algorithm.train_step)
  for number in range(20):
    state, _ = step(state, batch, jax.random.key(number))
  return state


@pytest.fixture(scope='module')
def steps(batch, trained):
  """The algorithm, its compiled step, and its states after 0, 1, 2 and 3 steps."""
  algorithm = latent.on(first_stage(), second_stage(), trained=trained)
  states, step = [algorithm.init(jax.random.key(1), batch)], jax.jit(algorithm.train_step)
  for number in range(3):
    states.append(step(states[-1], batch, jax.random.key(number))[0])
  return algorithm, step, states


def test_the_second_learns_what_the_first_encodes_and_leaves_it_alone(batch, trained, steps):
  _, _, states = steps
  alone = second_stage()
  latents = first_stage().encode(trained, batch['image'], batch['label'])
  encoded = {'image': latents, 'label': batch['label']}
  state = alone.init(jax.random.split(jax.random.key(1))[1], encoded)
  for number in range(3):
    state, _ = jax.jit(alone.train_step)(state, encoded, jax.random.key(number))
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), states[-1].params, state.params)
  frozen = [state.extra['first_stage'] for state in (states[0], states[-1])]
  jax.tree.map(np.testing.assert_array_equal, *frozen)
  assert set(states[-1].params) == {'generator', 'discriminator'}  # nothing of the first is trained


def test_samples_are_decoded_by_the_first_and_images_are_judged_by_their_latents(batch, trained, steps):
  algorithm, _, states = steps
  latents = algorithm.prior(states[-1], jax.random.key(5), batch['label'], truncation=0.5)
  inner = second_stage().decode(states[-1], latents, batch['label'])
  expected = first_stage().decode(trained, inner, batch['label'])
  np.testing.assert_allclose(algorithm.decode(states[-1], latents, batch['label']), expected, rtol=1e-5, atol=1e-6)
  encoded = first_stage().encode(trained, batch['image'], batch['label'])
  logits = second_stage().score(states[-1], encoded, batch['label'])
  np.testing.assert_allclose(algorithm.score(states[-1], batch['image'], batch['label']), logits, rtol=1e-5)
  values = algorithm.eval_step(states[-1], batch, jax.random.key(0))
  np.testing.assert_allclose(values['d_real'], logits, rtol=1e-5)
  assert algorithm.encode is None
  walked = core.walk(algorithm, latents, latents[::-1], 3)
  assert walked.shape == (ROWS, 3, 2)


def test_it_resumes_bit_for_bit_from_a_checkpoint_that_stands_alone(batch, steps, tmp_path):
  _, step, states = steps
  with checkpoint.Checkpointer(tmp_path) as saver:
    saver.save(1, states[1], data={}, config={})
  algorithm = latent.on(first_stage(), second_stage())  # nobody gives it the trained first stage
  mesh = sharding.make_mesh(devices=jax.devices()[:1])
  shapes = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), batch)
  with checkpoint.Checkpointer(tmp_path) as reader:
    state = reader.restore(sharding.abstract_state(algorithm, shapes, mesh)).state
  step = jax.jit(algorithm.train_step)
  for number in (1, 2):
    state, _ = step(state, batch, jax.random.key(number))
  assert all(jax.tree.leaves(jax.tree.map(np.array_equal, state, states[-1])))
  images = [core.sample(algorithm, each, jax.random.key(7), batch['label']) for each in (state, states[-1])]
  np.testing.assert_array_equal(*images)


def test_a_first_stage_must_encode():
  with pytest.raises(core.ArgumentError, match=r'first_stage is .*without an encoder'):
    latent.on(second_stage(), second_stage())


def test_the_gaussian_posterior_by_its_definitions():
  posterior = latent.gaussian(2)
  rng = np.random.default_rng(0)
  mean, logvar, noise = (rng.normal(size=(4, 2)).astype(np.float32) for _ in range(3))
  z = posterior.sample((mean, logvar), noise)
  np.testing.assert_allclose(z, mean + np.exp(logvar / 2) * noise, rtol=1e-5)
  normal = scipy.stats.norm
  expected = normal.logpdf(z).sum(1) - normal.logpdf(z, mean, np.exp(logvar / 2)).sum(1)
  np.testing.assert_allclose(posterior.log_ratio((mean, logvar), z), expected, rtol=1e-4, atol=1e-5)
  np.testing.assert_array_equal(posterior.point((mean, logvar)), mean)
  with pytest.raises(core.ArgumentError, match='latent_size is 0'):
    latent.gaussian(0)
  with pytest.raises(core.ArgumentError, match='num_codes is 1'):
    latent.codes(1, (2,))


def test_perplexity_is_the_effective_number_of_codes():
  posterior = latent.codes(4, (2,))
  report = lambda codes: float(
    posterior.report(posterior.statistics(latent.Quantized(codes, None, None)))['perplexity']
  )
  assert report(jnp.array([[0, 1], [2, 3]])) == pytest.approx(4.0)
  assert report(jnp.array([[1, 1], [1, 1]])) == pytest.approx(1.0)
  assert report(jnp.array([[0, 1], [1, 0]])) == pytest.approx(2.0)


RECIPE = """
from gengan import gan, latent, losses
from gengan.models import conv_vae, from_config
from tests.test_latent import LatentDiscriminator, LatentGenerator

def make(config, axis_name=None):
  first = conv_vae.make(config.first_stage)
  return latent.on(first, from_config.gan(config, LatentGenerator(), LatentDiscriminator()))
"""


def test_a_run_begins_with_the_first_stage_of_another_and_needs_it_no_more(tmp_path, monkeypatch):
  (tmp_path / 'latent_recipe.py').write_text(RECIPE)
  monkeypatch.syspath_prepend(str(tmp_path))

  def short(config, num_steps):
    config.data.image_size, config.batch_size, config.num_steps, config.checkpoint.every_steps = 8, 16, num_steps, 2
    return config

  first = short(defaults.vae('digits'), 2)
  first.model.update(architecture='mlp', hidden_size=8, latent_size=LATENTS)
  found = train.run(first, tmp_path / 'vae')

  def second(num_steps):
    config = short(defaults.gan('digits'), num_steps)
    config.first_stage, config.model = first, {'name': 'latent_recipe', 'latent_size': 2, 'conditional': False}
    config.init_from = f'{tmp_path / "vae"}:first_stage'
    return config

  straight = train.run(second(4), tmp_path / 'straight')
  jax.tree.map(np.testing.assert_array_equal, straight.extra['first_stage']['ema_params'], found.ema_params)
  train.run(second(2), tmp_path / 'stopped')
  shutil.rmtree(tmp_path / 'vae')
  resumed = train.run(second(4), tmp_path / 'stopped')
  assert all(jax.tree.leaves(jax.tree.map(np.array_equal, straight, resumed)))
  tuned = second(1)
  tuned.init_from = str(tmp_path / 'stopped')  # whole: with the first stage that is kept there
  begun = train.run(tuned, tmp_path / 'tuned')
  jax.tree.map(np.testing.assert_array_equal, begun.extra['first_stage'], straight.extra['first_stage'])
  images = runs.load(tmp_path / 'stopped').sample(3)
  assert images.shape == (3, 8, 8, 1) and np.isfinite(images).all()
