"""The code in the documentation runs, and its links lead somewhere."""

import doctest
import pathlib
import re
import sys
import types

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn

from gengan import core, gan, latent, likelihoods, terms
from gengan.config import defaults, make_algorithm

ROOT = pathlib.Path(__file__).parents[1]
PAGES = [ROOT / 'README.md', *sorted((ROOT / 'docs').glob('*.md'))]


def test_the_page_on_importing_is_a_doctest(tmp_path):
  from gengan import train

  config = defaults.gan('digits')
  config.data.image_size, config.model.width, config.num_steps = 8, 4, 2
  train.run(config, tmp_path / 'run')
  page, given = str(ROOT / 'docs/importing.md'), {'workdir': tmp_path / 'run'}
  failed, attempted = doctest.testfile(page, module_relative=False, extraglobs=given)
  assert attempted > 10 and failed == 0


def test_the_model_of_the_page_on_adding_one_trains(tmp_path, monkeypatch):
  from gengan import train

  text = (ROOT / 'docs/adding_a_model.md').read_text()
  for name, code in re.findall(r'```python\n# (\S+\.py)\n(.*?)```', text, flags=re.DOTALL):
    (tmp_path / name).write_text(code)
  monkeypatch.syspath_prepend(str(tmp_path))
  import my_config

  config = my_config.get_config()
  config.num_steps, config.batch_size = 2, 16
  try:
    state = train.run(config, tmp_path / 'run')
  finally:
    sys.modules.pop('my_config'), sys.modules.pop('my_gan')
  assert int(state.step) == 2
  assert (tmp_path / 'run' / 'samples' / 'samples_0000002.png').exists()


class Code(types.SimpleNamespace):
  """The blocks of the page on adding a model, as modules."""


@pytest.fixture(scope='module')
def recipes():
  text = (ROOT / 'docs/adding_a_model.md').read_text()
  modules = {}
  for name, code in re.findall(r'```python\n# (\w+)\.py\n(.*?)```', text, flags=re.DOTALL):
    if not name.startswith('my_'):
      exec(code, modules.setdefault(name, {}))  # of this repository's own page
  return {name: Code(**found) for name, found in modules.items()}


class Generator(nn.Module):
  def setup(self):
    self.to_w, self.to_image = nn.Dense(4), nn.Dense(16)
    self.average = self.variable('w_avg', 'w_avg', jnp.zeros, 4)

  def mapping(self, latents, labels, *, train):
    return nn.tanh(self.to_w(latents))

  def synthesis(self, w, labels, *, train):
    return jnp.tanh(self.to_image(w)).reshape(-1, 4, 4, 1)

  def __call__(self, latents, labels, *, train):
    return self.synthesis(self.mapping(latents, labels, train=train), labels, train=train)


class Discriminator(nn.Module):
  @nn.compact
  def __call__(self, images, labels, *, train):
    x = nn.tanh(nn.Dense(6)(images.reshape(len(images), -1)))
    return nn.Dense(1, use_bias=False)(x)[:, 0]  # under the hinge loss a last bias would begin without a gradient


BATCH = {
  'image': np.random.default_rng(0).uniform(-1, 1, (8, 4, 4, 1)).astype(np.float32),
  'label': np.arange(8, dtype=np.int32) % 3,
}
OPTIMIZERS = {name: optax.adam(1e-3) for name in gan.PLAYERS}


def stepped(algorithm, state=None):
  """The state after two steps, every leaf of which has moved, and the metrics."""
  state = algorithm.init(jax.random.key(0), BATCH) if state is None else state
  step, before = jax.jit(algorithm.train_step), state.params
  for number in range(2):
    state, metrics = step(state, BATCH, jax.random.key(number))
  same = jax.tree.map(np.array_equal, before, state.params)
  assert not any(jax.tree.leaves(same)) and all(np.isfinite(value) for value in metrics.values())
  images = core.sample(algorithm, state, jax.random.key(9), jnp.arange(5) % 3)
  assert images.shape == (5, 4, 4, 1) and np.abs(images).max() <= 1
  return state, metrics


def test_stylegan2_of_the_page_trains(recipes):
  algorithm = recipes['stylegan2'].make(Generator(), Discriminator(), latent_size=3, optimizers=OPTIMIZERS)
  state, metrics = stepped(algorithm)
  assert {'path_length', 'r1', 'd_loss', 'g_loss'} <= metrics.keys()
  assert float(state.extra['terms']['1']['path_length']['mean']) > 0


def test_biggan_of_the_page_trains(recipes):
  settings = {'num_classes': 3, 'latent_size': 3, 'optimizers': OPTIMIZERS}
  algorithm = recipes['biggan'].make(Generator(), Discriminator(), **settings)
  state, metrics = stepped(algorithm)
  assert 'orthogonal' in metrics
  drawn = algorithm.prior(state, jax.random.key(0), jnp.zeros(500, jnp.int32), truncation=0.5)
  assert np.abs(drawn).max() <= 1 and drawn.std() > 0.4  # drawn again, not scaled


def test_r3gan_of_the_page_trains_by_its_schedules(recipes):
  config = recipes['r3gan'].get_config(kimg=0.064)  # four steps of 16
  config.data.image_size, config.batch_size, config.model.width = 8, 16, 4
  algorithm = make_algorithm(config)
  batch = {'image': np.zeros((16, 8, 8, 1), np.float32), 'label': np.zeros(16, np.int32)}
  state, step = algorithm.init(jax.random.key(0), batch), jax.jit(algorithm.train_step)
  rates = []
  for number in range(5):
    state, metrics = step(state, batch, jax.random.key(number))
    rates.append([float(metrics[f'{player}_learning_rate']) for player in 'dg'])
  cosine = lambda start, end, t: end + (start - end) * (1 + np.cos(np.pi * t / 4)) / 2
  expected = np.array([cosine(2e-4, 5e-5, t) for t in range(5)])
  np.testing.assert_allclose(np.array(rates), np.stack([expected, expected], axis=1), rtol=1e-5)
  assert float(optax.tree.get(state.opt_state['generator'], 'b2', filtering=lambda _, x: isinstance(x, jax.Array))) == (
    pytest.approx(0.99)
  )


def test_the_prior_of_the_page_learns_the_codes_of_a_frozen_vq_vae(recipes):
  page = recipes['vq_prior']

  class Encoder(nn.Module):
    def setup(self):
      self.dense, self.quantizer = nn.Dense(2 * 3), latent.Quantizer(4, 3)

    def __call__(self, images, labels, *, train):
      return self.quantizer(self.dense(images.reshape(len(images), -1)).reshape(-1, 2, 3), train=train)

    def embed(self, codes, *, train):
      return self.quantizer.embed(codes)

  class Decoder(nn.Module):
    @nn.compact
    def __call__(self, z, labels, *, train):
      return nn.Dense(16)(z.reshape(len(z), -1)).reshape(-1, 4, 4, 1)

  class Causal(nn.Module):
    """Logits of the first code by the label, of the second by the first code too."""

    @nn.compact
    def __call__(self, codes, labels, *, train):
      label = jax.nn.one_hot(labels, 3)
      before = jnp.concatenate([label, jax.nn.one_hot(codes[:, 0], 4)], axis=1)
      return jnp.stack([nn.Dense(4)(label), nn.Dense(4)(before)], axis=1)

  parts = {'likelihood': likelihoods.gaussian(1, sigma=0.5), 'optimizer': optax.adam(1e-2)}
  vq = page.first_stage(Encoder(), Decoder(), num_codes=4, shape=(2,), **parts)
  trained, _ = stepped(vq)
  algorithm = page.make(vq, trained, Causal(), shape=(2,), optimizer=optax.adam(5e-2))
  state, step = algorithm.init(jax.random.key(0), BATCH), jax.jit(algorithm.train_step)
  for number in range(400):
    state, _ = step(state, BATCH, jax.random.key(number))
  codes = np.asarray(vq.encode(trained, BATCH['image'], BATCH['label']))
  labels = np.repeat(BATCH['label'], 100)
  drawn = np.asarray(algorithm.prior(state, jax.random.key(1), labels))
  pairs = {(label, *code) for label, code in zip(BATCH['label'].tolist(), codes.tolist(), strict=True)}
  known = [(label, *code) in pairs for label, code in zip(labels.tolist(), drawn.tolist(), strict=True)]
  assert np.mean(known) > 0.9  # only what the encoder gives for that label
  assert algorithm.decode(state, drawn[:5], labels[:5]).shape == (5, 4, 4, 1)


def test_the_private_gan_of_the_page_trains(recipes):
  private = recipes['dp_gan'].make(Generator(), Discriminator(), latent_size=3, optimizers_of=OPTIMIZERS)
  stepped(private)


def test_the_term_of_the_page_follows_its_formula(recipes):
  term, logits = recipes['steady'].steady(3.0, decay=0.5), np.array([1.0, 3.0])
  context = terms.Context(step=0, batch={}, real_output=jnp.asarray(logits), fake_output=jnp.zeros(2))
  memory = term.init(None, {})
  for mean in (0.0, 1.0, 1.5):  # half of the way to 2 each time
    loss, _, memory = term.apply(context, memory)
    np.testing.assert_allclose(loss, 3.0 * (2.0 - mean) ** 2, rtol=1e-6)


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_links_and_pictures_exist(page):
  for target in re.findall(r'\]\(([^)#]+)', page.read_text()):
    assert '://' in target or (page.parent / target).exists(), target


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_files_that_commands_name_exist(page):
  for name in re.findall(r'--config=(configs/[\w/]+\.py)', page.read_text()):
    assert (ROOT / name).exists(), name
