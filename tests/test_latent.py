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


def test_what_the_second_does_to_a_state_before_use_is_done_to_it_alone(trained, steps):
  state = steps[2][-1]
  halved = lambda state: state.replace(ema_params=jax.tree.map(lambda leaf: leaf / 2, state.ema_params))
  assert latent.on(first_stage(), second_stage(), trained=trained).settle is None
  settled = latent.on(first_stage(), second_stage()._replace(settle=halved)).settle(state)
  for new, old in zip(jax.tree.leaves(settled.ema_params), jax.tree.leaves(state.ema_params), strict=True):
    np.testing.assert_array_equal(new, old / 2)
  assert jax.tree.all(jax.tree.map(np.array_equal, settled.extra, state.extra))


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


class Causal(nn.Module):
  """Logits of three values of a code from a running sum of what is known of the codes before it and of the label."""

  @nn.compact
  def __call__(self, codes, labels, *, train):
    known = jax.nn.one_hot(labels, 2)[:, None] @ self.param('label', nn.initializers.normal(1.0), (2, 3))
    before = jnp.pad(nn.Embed(3, 3)(codes)[:, :-1], ((0, 0), (1, 0), (0, 0)))
    return nn.Dense(3)(jnp.tanh(known + jnp.cumsum(before, axis=1)))


def coded(rows=8):
  draw = np.random.default_rng(0).integers
  return {'image': draw(0, 3, (rows, 2, 2), dtype=np.int32), 'label': np.arange(rows, dtype=np.int32) % 2}


def learned_prior(**settings):
  return latent.autoregressive(Causal(), shape=(2, 2), optimizer=optax.adam(0.1), **settings)


def test_a_learned_prior_is_a_distribution_over_codes_and_draws_from_it():
  algorithm = learned_prior()
  state = algorithm.init(jax.random.key(0), coded())
  everything = np.stack(np.meshgrid(*[range(3)] * 4, indexing='ij'), axis=-1).reshape(81, 2, 2).astype(np.int32)
  batch = {'image': everything, 'label': np.ones(81, np.int32)}
  probabilities = np.exp(-algorithm.eval_step(state, batch, jax.random.key(1))['nll'])
  np.testing.assert_allclose(probabilities.sum(), 1, rtol=1e-5)
  drawn = algorithm.prior(state, jax.random.key(2), jnp.ones(20_000, jnp.int32))
  assert drawn.shape == (20_000, 2, 2) and drawn.dtype == jnp.int32
  shares = np.bincount(np.asarray(drawn).reshape(-1, 4) @ [27, 9, 3, 1], minlength=81) / 20_000
  errors = np.sqrt(probabilities * (1 - probabilities) / 20_000)
  assert np.abs((shares - probabilities) / errors).max() < 5
  cold = algorithm.prior(state, jax.random.key(2), jnp.ones(50, jnp.int32), truncation=1e-4)
  assert (np.asarray(cold) == np.asarray(cold)[0]).all()  # the likeliest code at every place
  with pytest.raises(core.ArgumentError, match='truncation is 0'):
    algorithm.prior(state, jax.random.key(2), jnp.ones(2, jnp.int32), truncation=0)


def test_a_learned_prior_descends_its_negative_log_likelihood_on_one_device_and_on_two():
  algorithm, batch = learned_prior(), coded()
  state = algorithm.init(jax.random.key(0), batch)
  after, metrics = jax.jit(algorithm.train_step)(state, batch, jax.random.key(1))

  def nll(params):
    log_probs = jax.nn.log_softmax(
      Causal().apply({'params': params}, batch['image'].reshape(8, 4), batch['label'], train=True)
    )
    return -sum(log_probs[n, i, batch['image'].reshape(8, 4)[n, i]] for n in range(8) for i in range(4)) / 8

  expected, gradient = jax.value_and_grad(nll)(state.params['prior'])
  np.testing.assert_allclose(metrics['nll'], expected, rtol=1e-5)
  np.testing.assert_allclose(metrics['bits_per_code'], expected / 4 / np.log(2), rtol=1e-5)
  optimizer = optax.adam(0.1)
  updates, _ = optimizer.update(gradient, optimizer.init(state.params['prior']))
  moved = optax.apply_updates(state.params['prior'], updates)
  close = lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)
  jax.tree.map(close, after.params['prior'], moved)
  named = learned_prior(axis_name='data')
  parts = jax.tree.map(lambda x: x.reshape(2, 4, *x.shape[1:]), batch)
  step = jax.vmap(named.train_step, in_axes=(None, 0, None), axis_name='data')
  other, _ = step(state, parts, jax.random.key(1))
  jax.tree.map(lambda a, b: close(a, b[0]), after.params, other.params)


def test_redrawn_latents_lie_within_the_truncation_and_are_not_scaled():
  space = latent.z_space(LatentGenerator(), 4, redrawn=True)
  labels = jnp.zeros(5000, jnp.int32)
  drawn = np.asarray(space.prior(None, jax.random.key(0), labels, truncation=0.5))
  assert np.abs(drawn).max() <= 1
  np.testing.assert_allclose(drawn.std(), scipy.stats.truncnorm(-1, 1).std(), rtol=0.02)
  whole = np.asarray(space.prior(None, jax.random.key(0), labels))
  np.testing.assert_allclose(whole.std(), 1, rtol=0.02)
  for truncation in (0, 1.5):
    with pytest.raises(core.ArgumentError, match='drawn again'):
      space.prior(None, jax.random.key(0), labels, truncation=truncation)
