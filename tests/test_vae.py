"""The evidence lower bound against models whose evidence is known, and the step against plain gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.stats
from flax import linen as nn

from gengan import latent, likelihoods, optimizers, vae

SIZE, LATENTS, ROWS, RATE, SIGMA = 2, 3, 8, 0.05, 0.7
KEY = jax.random.key(1)


class Encoder(nn.Module):
  axis_name: str | None = None

  @nn.compact
  def __call__(self, images, labels, *, train):
    x = nn.Dense(5)(images.reshape(len(images), -1))
    x = jnp.tanh(nn.BatchNorm(use_running_average=not train, axis_name=self.axis_name if train else None)(x))
    return nn.Dense(LATENTS)(x), nn.Dense(LATENTS)(x)


class Decoder(nn.Module):
  parameters_per_pixel: int = 1

  @nn.compact
  def __call__(self, latents, labels, *, train):
    return nn.Dense(SIZE * SIZE * self.parameters_per_pixel)(latents).reshape(-1, SIZE, SIZE, self.parameters_per_pixel)


def make(axis_name=None, *, beta=1.0, free_bits=0.0, latent_size=LATENTS, **options):
  defaults = {
    'likelihood': likelihoods.bernoulli(1),
    'optimizer': optax.sgd(RATE),
    'posterior': latent.gaussian(latent_size),
    'bound': vae.evidence(beta=beta, free_bits=free_bits),
  }
  return vae.make(Encoder(axis_name), Decoder(), axis_name=axis_name, **defaults | options)


@pytest.fixture(scope='module')
def batch():
  images = np.random.default_rng(0).choice([-1.0, 1.0], (ROWS, SIZE, SIZE, 1))
  return {'image': jnp.asarray(images, jnp.float32), 'label': jnp.zeros(ROWS, jnp.int32)}


@pytest.fixture(scope='module')
def state(batch):
  return jax.jit(make().init)(jax.random.key(0), batch)


def naive(params, model_state, batch):
  """recon [N] and KL [N, Z] from the definitions, with the noise of KEY."""
  (mean, logvar), _ = Encoder().apply(
    {'params': params['encoder'], **model_state['encoder']}, batch['image'], None, train=True, mutable='batch_stats'
  )
  sigma = jnp.exp(logvar / 2)
  latents = mean + sigma * jax.random.normal(KEY, (ROWS, LATENTS))
  white = jax.nn.sigmoid(Decoder().apply({'params': params['decoder']}, latents, None, train=True))
  recon = jnp.log(jnp.where(batch['image'] > 0, white, 1 - white)).sum((1, 2, 3))
  return recon, -jnp.log(sigma) + (sigma**2 + mean**2) / 2 - 0.5


def gradient_step(state, objective):
  grads = jax.jit(jax.grad(objective))(state.params)
  return jax.tree.map(lambda p, g: p - RATE * g, state.params, grads)


def assert_trees_close(new, old, rtol=1e-4, atol=1e-6):
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=rtol, atol=atol), new, old)


def test_one_step_descends_the_negative_elbo(batch, state):
  algorithm = make()
  after, metrics = jax.jit(algorithm.train_step)(state, batch, KEY)
  recon, kl = naive(state.params, state.model_state, batch)
  np.testing.assert_allclose(metrics['recon'], recon.mean(), rtol=1e-5)
  np.testing.assert_allclose(metrics['kl'], kl.sum(1).mean(), rtol=1e-5)
  np.testing.assert_allclose(metrics['elbo'], metrics['recon'] - metrics['kl'], rtol=1e-6)
  np.testing.assert_allclose(metrics['loss'], -metrics['elbo'], rtol=1e-6)
  np.testing.assert_allclose(metrics['bpd'], -metrics['elbo'] / np.log(2) / SIZE**2, rtol=1e-6)

  def objective(params):
    recon, kl = naive(params, state.model_state, batch)
    return (kl.sum(1) - recon).mean()

  assert_trees_close(after.params, gradient_step(state, objective))
  assert np.abs(after.model_state['encoder']['batch_stats']['BatchNorm_0']['mean']).max() > 0
  assert int(after.step) == 1


def test_beta_grows_linearly_and_free_bits_hold_small_terms(batch, state):
  step = jax.jit(make(beta=lambda step: 3.0 * jnp.minimum(step / 4, 1.0)).train_step)
  betas = [float(step(state.replace(step=jnp.int32(i)), batch, KEY)[1]['beta']) for i in (0, 1, 4, 9)]
  np.testing.assert_allclose(betas, [0.0, 0.75, 3.0, 3.0])

  _, kl = naive(state.params, state.model_state, batch)
  terms = np.sort(kl.mean(0))
  free_bits = float(terms[:2].mean())  # one dimension lies below, the others above
  after, metrics = jax.jit(make(beta=2.0, free_bits=free_bits).train_step)(state, batch, KEY)

  def objective(params):
    recon, kl = naive(params, state.model_state, batch)
    return 2.0 * jnp.maximum(kl.mean(0), free_bits).sum() - recon.mean()

  np.testing.assert_allclose(metrics['loss'], objective(state.params), rtol=1e-5)
  np.testing.assert_allclose(metrics['kl'], terms.sum(), rtol=1e-5)
  assert_trees_close(after.params, gradient_step(state, objective))


def test_parts_of_a_batch_on_named_devices_make_the_same_step(batch, state):
  free_bits = 0.2
  whole, whole_metrics = jax.jit(make(free_bits=free_bits).train_step)(state, batch, KEY)
  part = make(axis_name='data', free_bits=free_bits)
  cut = jax.tree.map(lambda x: x.reshape(4, 2, *x.shape[1:]), batch)
  step = jax.jit(jax.vmap(part.train_step, in_axes=(None, 0, None), axis_name='data'))
  parts, metrics = step(state, cut, KEY)
  for device in range(4):
    assert_trees_close(jax.tree.map(lambda x, d=device: x[d], (parts, metrics)), (whole, whole_metrics))


def test_active_units_are_the_dimensions_that_tell_images_apart(batch, state):
  step = jax.jit(make().train_step)
  same = batch | {'image': jnp.ones_like(batch['image'])}
  assert step(state, same, KEY)[1]['active_units'] == 0
  assert step(state, batch, KEY)[1]['active_units'] == LATENTS


class ExactEncoder(nn.Module):
  """The true posterior of x = W z + sigma noise, for a W whose columns are orthogonal and of length 1."""

  @nn.compact
  def __call__(self, images, labels, *, train):
    scale = self.param('scale', nn.initializers.ones, ())
    variance = SIGMA**2 / (1 + SIGMA**2)
    mean = images.reshape(-1, 4) @ WEIGHTS / (1 + SIGMA**2) * scale
    return mean, jnp.full_like(mean, np.log(variance))


class LinearDecoder(nn.Module):
  @nn.compact
  def __call__(self, latents, labels, *, train):
    scale = self.param('scale', nn.initializers.ones, ())
    return (latents @ WEIGHTS.T).reshape(-1, 2, 2, 1) * scale


WEIGHTS = np.float32([[1, 1, 1], [1, -1, 1], [1, 1, -1], [1, -1, -1]]) / 2


def test_elbo_is_the_log_evidence_where_the_posterior_is_exact():
  algorithm = vae.make(
    ExactEncoder(),
    LinearDecoder(),
    likelihood=likelihoods.gaussian(1, sigma=SIGMA),
    optimizer=optax.sgd(RATE),
    posterior=latent.gaussian(LATENTS),
  )
  x = np.float32([0.3, -0.8, 0.5, 1.0])
  images = jnp.tile(x.reshape(1, 2, 2, 1), (20_000, 1, 1, 1))
  batch = {'image': images, 'label': jnp.zeros(len(images), jnp.int32)}
  state = algorithm.init(KEY, batch)
  metrics = jax.jit(algorithm.eval_step)(state, batch, KEY)
  evidence = scipy.stats.multivariate_normal.logpdf(x, np.zeros(4), WEIGHTS @ WEIGHTS.T + SIGMA**2 * np.eye(4))
  np.testing.assert_allclose(np.mean(metrics['elbo']), evidence, atol=4 * np.std(metrics['elbo']) / np.sqrt(20_000))
  np.testing.assert_allclose(metrics['log_weight'], evidence, atol=1e-4)  # of every z: p(x, z) = p(x) p(z | x)
  wrong = state.replace(ema_params=jax.tree.map(lambda x: 1.3 * x, state.ema_params))
  assert np.mean(jax.jit(algorithm.eval_step)(wrong, batch, KEY)['elbo']) < evidence - 0.01
  assert 'bpd' not in metrics  # of a density there are no bits


def test_evaluation_and_decoding_read_the_average_and_ignore_beta(batch, state):
  algorithm = make(beta=9.0, free_bits=5.0)
  moved = state.replace(params=jax.tree.map(lambda x: x + 1.0, state.params))
  eval_step = jax.jit(algorithm.eval_step)
  metrics = eval_step(moved, batch, KEY)
  assert metrics['elbo'].shape == (ROWS,)
  np.testing.assert_array_equal(metrics['elbo'], metrics['recon'] - metrics['kl'])
  np.testing.assert_array_equal(metrics['elbo'], eval_step(state, batch, KEY)['elbo'])
  latents = algorithm.encode(moved, batch['image'], batch['label'])
  images = algorithm.decode(moved, latents, batch['label'])
  mean, _ = Encoder().apply(state.ema_params['encoder'], batch['image'], None, train=False)
  white = jax.nn.sigmoid(Decoder().apply(state.ema_params['decoder'], mean, None, train=False))
  np.testing.assert_allclose(latents, mean, rtol=1e-6)
  np.testing.assert_allclose(images, 2 * white - 1, atol=1e-6)


def test_the_average_moves_with_the_ramp_up(batch, state):
  step = jax.jit(make(ema_half_life_kimg=1.0, ema_rampup=0.0).train_step)
  after, _ = step(state, batch, KEY)
  share = 0.5 ** (ROWS / 1000)
  new = {'params': after.params['encoder'], **after.model_state['encoder']}
  expected = jax.tree.map(lambda a, b: share * a + (1 - share) * b, state.ema_params['encoder'], new)
  assert_trees_close(after.ema_params['encoder'], expected)


@pytest.mark.parametrize(
  ('options', 'message'),
  [
    ({'latent_size': 0}, r'latent_size is 0.*at least 1'),
    ({'beta': -1.0}, r'beta is -1\.0'),
    ({'free_bits': float('nan')}, r'free_bits is nan'),
    ({'ema_rampup': float('nan')}, r'rampup is nan'),
    ({'ema_half_life_kimg': -1.0}, r'half_life_kimg is -1\.0'),
  ],
)
def test_settings_out_of_range_are_refused(options, message):
  with pytest.raises(ValueError, match=message):
    make(**options)


def test_networks_that_do_not_fit_are_refused(batch):
  with pytest.raises(ValueError, match=r'shape of the encoder mean is \(8, 3\); it must be \(8, 4\)'):
    jax.eval_shape(make(latent_size=4).init, KEY, batch)
  with pytest.raises(ValueError, match=r'shape of the decoder output is \(8, 2, 2, 1\); it must be \(8, 2, 2, 30\)'):
    jax.eval_shape(make(likelihood=likelihoods.discretized_logistic_mixture(1)).init, KEY, batch)


@pytest.mark.parametrize('samples', [1, 3])
def test_the_importance_weighted_bound_equals_a_loop_over_samples(batch, state, samples):
  algorithm = make(bound=vae.importance_weighted(samples))
  after, metrics = jax.jit(algorithm.train_step)(state, batch, KEY)
  keys = [KEY, *(jax.random.fold_in(KEY, k) for k in range(1, samples))]

  def objective(params):
    (mean, logvar), _ = Encoder().apply(
      {'params': params['encoder'], **state.model_state['encoder']},
      batch['image'],
      None,
      train=True,
      mutable='batch_stats',
    )
    weights = []
    for key in keys:
      z = mean + jnp.exp(logvar / 2) * jax.random.normal(key, (ROWS, LATENTS))
      white = jax.nn.sigmoid(Decoder().apply({'params': params['decoder']}, z, None, train=True))
      recon = jnp.log(jnp.where(batch['image'] > 0, white, 1 - white)).sum((1, 2, 3))
      log_prior = jax.scipy.stats.norm.logpdf(z).sum(1)
      log_posterior = jax.scipy.stats.norm.logpdf(z, mean, jnp.exp(logvar / 2)).sum(1)
      weights.append(jnp.exp(recon + log_prior - log_posterior))
    return -jnp.log(sum(weights) / samples).mean()

  np.testing.assert_allclose(metrics['loss'], objective(state.params), rtol=1e-5)
  np.testing.assert_allclose(metrics['iw_bound'], -metrics['loss'], rtol=1e-6)
  assert_trees_close(after.params, gradient_step(state, objective))


class PlainEncoder(nn.Module):
  @nn.compact
  def __call__(self, images, labels, *, train):
    x = jnp.tanh(nn.Dense(5)(images.reshape(len(images), -1)))
    return nn.Dense(LATENTS)(x), nn.Dense(LATENTS)(x)


def test_micro_batches_make_the_step_of_the_whole_batch(batch):
  def step(gradient):
    algorithm = vae.make(
      PlainEncoder(),
      Decoder(),
      posterior=latent.gaussian(LATENTS),
      likelihood=likelihoods.bernoulli(1),
      optimizer=optax.sgd(RATE),
      gradient=gradient,
    )
    return jax.jit(algorithm.train_step)(algorithm.init(jax.random.key(0), batch), batch, KEY)

  whole, parts = step(optimizers.whole_batch), step(optimizers.micro_batched(4))
  assert_trees_close(parts[0], whole[0])
  assert_trees_close(parts[1], whole[1])


class QuantizedEncoder(nn.Module):
  """Two codes an image from a codebook of 4 vectors."""

  def setup(self):
    self.dense, self.quantizer = nn.Dense(2 * 3), latent.Quantizer(4, 3, decay=0.5)

  def __call__(self, images, labels, *, train):
    return self.quantizer(self.dense(images.reshape(len(images), -1)).reshape(-1, 2, 3), train=train)

  def embed(self, codes, *, train):
    return self.quantizer.embed(codes)


class CodeDecoder(nn.Module):
  @nn.compact
  def __call__(self, z, labels, *, train):
    return nn.Dense(SIZE * SIZE)(z.reshape(len(z), -1)).reshape(-1, SIZE, SIZE, 1)


@pytest.fixture(scope='module')
def vq(batch):
  algorithm = vae.make(
    QuantizedEncoder(),
    CodeDecoder(),
    posterior=latent.codes(4, (2,)),
    likelihood=likelihoods.bernoulli(1),
    bound=vae.quantized(commitment=0.25),
    optimizer=optax.sgd(RATE),
  )
  return algorithm, algorithm.init(jax.random.key(0), batch)


def test_a_codebook_moves_in_model_state_and_the_rest_by_gradients(vq, batch):
  """Against the update written out with NumPy (van den Oord et al. 2017, appendix A.1)."""
  algorithm, state = vq
  after, metrics = jax.jit(algorithm.train_step)(state, batch, KEY)
  dense, book = state.params['encoder']['dense'], state.model_state['encoder']['codebook']['quantizer']
  vectors = np.asarray(book['sums']) / 0.25  # every code begins with an equal share
  z = (np.asarray(batch['image']).reshape(ROWS, -1) @ dense['kernel'] + dense['bias']).reshape(-1, 3)
  codes = np.array([np.argmin([np.sum((row - v) ** 2) for v in vectors]) for row in z])
  shares, sums = np.full(4, 0.5 * 0.25), 0.5 * np.asarray(book['sums'])
  for row, code in zip(z, codes, strict=True):
    shares[code] += 0.5 / len(z)
    sums[code] += 0.5 * row / len(z)
  found = after.model_state['encoder']['codebook']['quantizer']
  np.testing.assert_allclose(found['shares'][:, 0], shares, rtol=1e-5)
  np.testing.assert_allclose(found['sums'], sums, rtol=1e-4, atol=1e-5)
  embedded = algorithm.decode(after, jnp.arange(4).reshape(2, 2), batch['label'][:2])
  entries = jnp.asarray(sums / shares[:, None]).reshape(2, 2, 3)
  decoded = CodeDecoder().apply(after.ema_params['decoder'], entries, batch['label'][:2], train=False)
  np.testing.assert_allclose(embedded, jax.nn.sigmoid(decoded) * 2 - 1, atol=1e-3)
  assert 'codebook' not in after.params['encoder']
  shares = np.bincount(codes, minlength=4) / len(codes)
  expected = np.exp(-sum(p * np.log(p) for p in shares if p))
  np.testing.assert_allclose(metrics['perplexity'], expected, rtol=1e-4)
  distance = np.mean([np.sum((row - vectors[code]) ** 2) for row, code in zip(z, codes, strict=True)])
  np.testing.assert_allclose(metrics['commitment'], 2 * distance, rtol=1e-4)
  np.testing.assert_allclose(metrics['loss'], 0.25 * metrics['commitment'] - metrics['recon'], rtol=1e-5)
  np.testing.assert_allclose(metrics['kl'], 2 * np.log(4), rtol=1e-6)
  gradient = np.asarray(after.params['encoder']['dense']['kernel'] - dense['kernel'])
  assert np.abs(gradient).max() > 0  # straight through the codes


def test_codes_are_latents_like_any_other(vq, batch):
  algorithm, state = vq
  codes = algorithm.encode(state, batch['image'], batch['label'])
  assert codes.dtype == jnp.int32 and codes.shape == (ROWS, 2)
  assert algorithm.decode(state, codes, batch['label']).shape == batch['image'].shape
  drawn = algorithm.prior(state, KEY, jnp.zeros(300, jnp.int32))
  assert drawn.shape == (300, 2) and set(np.unique(drawn)) == {0, 1, 2, 3}
  with pytest.raises(ValueError, match=r'truncation is 0\.5.*codes'):
    algorithm.prior(state, KEY, batch['label'], truncation=0.5)
  assert 'log_weight' not in jax.eval_shape(algorithm.eval_step, state, batch, KEY)
  with pytest.raises(ValueError, match='posterior of these latents is a point'):
    other = vae.make(
      QuantizedEncoder(),
      CodeDecoder(),
      posterior=latent.codes(4, (2,)),
      likelihood=likelihoods.bernoulli(1),
      bound=vae.importance_weighted(2),
      optimizer=optax.sgd(RATE),
    )
    jax.eval_shape(other.train_step, state, batch, KEY)
