"""The VAE recipe: every size and setting it offers, the published MLP, and its refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import vae as vae_config
from gengan import likelihoods
from gengan.config import defaults
from gengan.models import conv_vae


def parameters(tree):
  return sum(leaf.size for leaf in jax.tree.leaves(tree))


def make(config):
  shape = (4, config.data.image_size, config.data.image_size, config.data.channels)
  batch = {'image': jax.ShapeDtypeStruct(shape, jnp.float32), 'label': jax.ShapeDtypeStruct((4,), jnp.int32)}
  algorithm = conv_vae.make(config)
  return algorithm, jax.eval_shape(algorithm.init, jax.random.key(0), batch), batch


def tiny(**model):
  config = vae_config.get_config()
  config.data.image_size = 8
  config.model.update(width=4, hidden_size=8, latent_size=5, num_classes=3)
  config.model.update(model)
  if config.model.likelihood == 'bernoulli':
    config.data.binarise = 'threshold'
  return config


@pytest.mark.parametrize('channels', [1, 3])
@pytest.mark.parametrize('size', [16, 28, 32, 64, 128])
@pytest.mark.parametrize('architecture', ['conv', 'mlp'])
@pytest.mark.parametrize('conditional', [False, True])
def test_every_size_is_made(size, channels, architecture, conditional):
  config = tiny(architecture=architecture, conditional=conditional)
  config.data.update(image_size=size, channels=channels)
  algorithm, state, batch = make(config)
  latents = jax.eval_shape(algorithm.encode, state, batch['image'], batch['label'])
  assert latents.shape == (4, 5)
  assert jax.eval_shape(algorithm.decode, state, latents, batch['label']).shape == batch['image'].shape
  assert jax.eval_shape(algorithm.eval_step, state, batch, jax.random.key(0))['elbo'].shape == (4,)


@pytest.mark.parametrize('name', likelihoods.LIKELIHOODS)
def test_every_likelihood_trains_with_batch_norm(name):
  algorithm, state, batch = make(tiny(likelihood=name, norm='batch'))
  after, metrics = jax.eval_shape(algorithm.train_step, state, batch, jax.random.key(0))
  assert jax.tree.map(lambda x: (x.shape, x.dtype), after) == jax.tree.map(lambda x: (x.shape, x.dtype), state)
  assert {'elbo', 'recon', 'kl', 'loss'} <= metrics.keys()
  assert 'batch_stats' in state.model_state['encoder'] and 'batch_stats' in state.ema_params['decoder']


def test_the_mlp_is_that_of_the_flax_example():
  config = vae_config.get_config('mnist')
  config.model.architecture = 'mlp'
  _, state, _ = make(config)
  hidden, pixels, latents = 500, 784, 20
  assert config.model.hidden_size == hidden and config.model.latent_size == latents and config.batch_size == 128
  assert parameters(state.params['encoder']) == (pixels + 1) * hidden + 2 * (hidden + 1) * latents
  assert parameters(state.params['decoder']) == (latents + 1) * hidden + (hidden + 1) * pixels


@pytest.mark.parametrize('architecture', ['conv', 'mlp'])
def test_both_networks_read_the_label(architecture):
  config = tiny(architecture=architecture, conditional=True)
  algorithm = conv_vae.make(config)
  batch = {'image': jnp.ones((2, 8, 8, 1)), 'label': jnp.array([0, 1])}
  state = jax.jit(algorithm.init)(jax.random.key(0), batch)
  latents = jax.jit(algorithm.encode)(state, batch['image'], batch['label'])
  images = jax.jit(algorithm.decode)(state, jnp.ones((2, 5)), batch['label'])
  assert np.abs(latents[0] - latents[1]).max() > 1e-4
  assert np.abs(images[0] - images[1]).max() > 1e-4


def test_a_few_steps_raise_the_elbo():
  config = tiny(likelihood='bernoulli')
  config.optimizer.learning_rate = 1e-2
  algorithm = conv_vae.make(config)
  ramp = np.linspace(-1, 1, 8)
  images = np.where(np.arange(16)[:, None, None, None] % 2, ramp[None, :, None, None], ramp[None, None, :, None])
  images = np.float32(np.where(np.broadcast_to(images, (16, 8, 8, 1)) > 0, 1, -1))
  batch = {'image': jnp.asarray(images), 'label': jnp.arange(16) % 3}
  state = jax.jit(algorithm.init)(jax.random.key(0), batch)
  step, elbos = jax.jit(algorithm.train_step), []
  for i in range(60):
    state, metrics = step(state, batch, jax.random.key(i))
    elbos.append(float(metrics['elbo']))
  # At first every pixel costs about log 2; two patterns, once learnt, cost a good deal less.
  np.testing.assert_allclose(elbos[0], -64 * np.log(2), rtol=0.1)
  assert np.mean(elbos[-5:]) > 0.7 * elbos[0]


@pytest.mark.parametrize(
  ('section', 'field', 'value', 'message'),
  [
    ('data', 'image_size', 33, r'config\.data\.image_size.*33.*32'),
    ('data', 'channels', 2, r'config\.data\.channels is 2; it must be 1 or 3'),
    ('model', 'latent_size', 0, r'config\.model\.latent_size is 0'),
    ('model', 'width', 0, r'config\.model\.width is 0'),
    ('model', 'hidden_size', 0, r'config\.model\.hidden_size is 0'),
    ('model', 'architecture', 'resnet', r"config\.model\.architecture is 'resnet'; it must be one of conv, mlp"),
    ('model', 'norm', 'layer', r"config\.model\.norm is 'layer'; it must be one of none, batch"),
    ('model', 'likelihood', 'laplace', r"config\.model\.likelihood is 'laplace'"),
    ('optimizer', 'name', 'lion', r"config\.optimizer\.name.*'lion'"),
  ],
)
def test_values_that_cannot_be_are_refused(section, field, value, message):
  config = tiny()
  config[section][field] = value
  with pytest.raises(ValueError, match=message) as error:
    conv_vae.make(config)
  assert '\n' not in str(error.value)


@pytest.mark.parametrize(
  ('likelihood', 'field', 'value', 'right'),
  [
    ('bernoulli', 'binarise', 'none', "'threshold' or 'stochastic'"),
    ('discretized_logistic', 'dequantise', True, 'would have to be False'),
    ('discretized_logistic_mixture', 'dequantise', True, 'would have to be False'),
  ],
)
def test_a_likelihood_of_other_images_is_refused(likelihood, field, value, right):
  config = tiny(likelihood=likelihood)
  conv_vae.make(config)
  config.data[field] = value
  with pytest.raises(ValueError, match=rf"config\.model\.likelihood is '{likelihood}'.*config\.data\.{field}.*{right}"):
    conv_vae.make(config)
  config.model.likelihood = 'gaussian'
  conv_vae.make(config)


def test_a_conditional_model_needs_classes_and_an_mlp_has_no_norm():
  with pytest.raises(ValueError, match=r'config\.model\.num_classes is 0.*at least 2'):
    conv_vae.make(tiny(conditional=True, num_classes=0))
  with pytest.raises(ValueError, match=r"config\.model\.norm is 'batch'.*'mlp'"):
    conv_vae.make(tiny(architecture='mlp', norm='batch'))


@pytest.mark.parametrize('variant', defaults.VARIANTS)
def test_every_variant_is_made(variant):
  config = vae_config.get_config(variant)
  _, state, _ = make(config)
  assert parameters(state.params) > 1e5


def test_an_unknown_variant_names_the_choices():
  with pytest.raises(ValueError, match=r"'emnist'.*digits, mnist, fashion_mnist"):
    vae_config.get_config('emnist')
