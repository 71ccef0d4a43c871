"""The alternating step against the same algorithm written naively, with plain gradients of two separate losses."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn

from gengan import augment, core, gan, latent, losses, optimizers, terms

LATENTS, ROWS, RATE = 3, 6, 0.1
USUAL = gan.alternating(losses.hinge)


class Generator(nn.Module):
  @nn.compact
  def __call__(self, latents, labels, *, train):
    return jnp.tanh(nn.Dense(4)(latents)).reshape(-1, 2, 2, 1)


class Discriminator(nn.Module):
  @nn.compact
  def __call__(self, images, labels, *, train):
    return nn.Dense(1)(nn.tanh(nn.Dense(5)(images.reshape(-1, 4))))[:, 0]


SGD = {name: optax.sgd(RATE) for name in ('generator', 'discriminator')}


def make(*, loss=losses.non_saturating, penalties=None, d_steps=1, gradient=None, networks=None, **options):
  usual = gan.alternating(loss, penalties=penalties, d_steps_per_g_step=d_steps, gradient=gradient)
  defaults = dict(latent_size=LATENTS, phases=usual, optimizers=SGD)
  return gan.make(*(networks or (Generator(), Discriminator())), **defaults | options)


@pytest.fixture(scope='module')
def batch():
  images = np.random.default_rng(0).uniform(-1, 1, (ROWS, 2, 2, 1)).astype(np.float32)
  return {'image': jnp.asarray(images), 'label': jnp.zeros(ROWS, jnp.int32)}


def dim(images, key):
  return images * jax.random.uniform(key)


def naive_step(params, batch, key, *, loss, d_steps, penalty=lambda *_: 0.0, shown_as=lambda x, key: x):
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
    real, fake = shown_as(shown, real_key), shown_as(generate(g, latents), fake_key)

    def d_objective(d, real=real, fake=fake):
      return loss.discriminator(critic(d, real), critic(d, fake)) + penalty(lambda x: critic(d, x), real)

    d = descend(d, jax.grad(d_objective)(d))
  real_key, fake_key = jax.random.split(g_key)
  real = shown_as(shown, real_key)
  g_objective = lambda g: loss.generator(critic(d, real), critic(d, shown_as(generate(g, latents), fake_key)))
  g = descend(g, jax.grad(g_objective)(g))
  return {'generator': g, 'discriminator': d}


@pytest.mark.parametrize('d_steps', [1, 3])
@pytest.mark.parametrize('name', ['non_saturating', 'relativistic'])
def test_one_step_is_the_textbook_algorithm(batch, name, d_steps):
  loss = losses.gan_loss(name)
  algorithm = make(loss=loss, d_steps=d_steps)
  state, key = algorithm.init(jax.random.key(0), batch), jax.random.key(1)
  after, _ = algorithm.train_step(state, batch, key)
  expected = naive_step(state.params, batch, key, loss=loss, d_steps=d_steps)
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), after.params, expected)


@pytest.mark.parametrize('name', ['non_saturating', 'relativistic'])
def test_the_discriminator_sees_augmented_images_in_both_updates(batch, name):
  loss = losses.gan_loss(name)
  algorithm = make(loss=loss, augment=augment.Augment(lambda images, key, memory, step: dim(images, key)))
  state, key = algorithm.init(jax.random.key(0), batch), jax.random.key(1)
  after, _ = algorithm.train_step(state, batch, key)
  expected = naive_step(state.params, batch, key, loss=loss, d_steps=1, shown_as=dim)
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), after.params, expected)


def test_a_penalty_is_added_to_the_discriminators_loss_and_reported(batch):
  drift = terms.simple('drift', lambda context: 3.0 * jnp.mean(context.discriminate(context.real) ** 2))
  algorithm = make(penalties={'drift': drift})
  state, key = algorithm.init(jax.random.key(0), batch), jax.random.key(1)
  after, metrics = algorithm.train_step(state, batch, key)
  by_hand = lambda critic, real: 3.0 * jnp.mean(critic(real) ** 2)
  expected = naive_step(state.params, batch, key, loss=losses.non_saturating, d_steps=1, penalty=by_hand)
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), after.params, expected)
  logits = Discriminator().apply({'params': state.params['discriminator']}, batch['image'], None, train=True)
  assert float(metrics['drift']) == pytest.approx(3.0 * float(jnp.mean(logits**2)), rel=1e-5)


def test_samples_come_from_the_average_and_the_average_follows_the_generator(batch):
  algorithm = make(ema_half_life_kimg=ROWS / 1000, ema_rampup=0.0)  # decay 1/2 a step
  state = algorithm.init(jax.random.key(0), batch)
  after, _ = algorithm.train_step(state, batch, jax.random.key(1))
  midway = jax.tree.map(lambda a, b: (a + b) / 2, state.params['generator'], after.params['generator'])
  average = after.ema_params['generator']['params']
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), average, midway)
  latents = algorithm.prior(after, jax.random.key(2), batch['label'])
  images = Generator().apply({'params': midway}, latents, None, train=False)
  np.testing.assert_allclose(algorithm.decode(after, latents, batch['label']), images, rtol=1e-6)


def test_evaluation_gives_one_value_an_example(batch):
  algorithm = make()
  metrics = algorithm.eval_step(algorithm.init(jax.random.key(0), batch), batch, jax.random.key(1))
  assert {name: value.shape for name, value in metrics.items()} == {'d_real': (ROWS,), 'd_fake': (ROWS,)}
  state = algorithm.init(jax.random.key(0), batch)
  np.testing.assert_allclose(algorithm.score(state, batch['image'], batch['label']), metrics['d_real'], rtol=1e-5)


@pytest.mark.parametrize(
  ('options', 'field'),
  [
    (dict(latent_size=0), 'latent_size is 0'),
    (dict(d_steps=0), 'd_steps_per_g_step is 0'),
    (dict(ema_rampup=-1.0), r'rampup is -1\.0'),
    (dict(ema_half_life_kimg=float('inf')), 'half_life_kimg is inf'),
    (dict(phases=USUAL[:1]), "phases is .'discriminator'.; .* generator"),
    (dict(phases=USUAL[::-1]), 'fresh is False, but no phase before'),
    (dict(phases=[phase._replace(every=0) for phase in USUAL]), 'every is 0'),
    (dict(phases=[phase._replace(share=-1) for phase in USUAL]), 'share is -1'),
    (dict(phases=[phase._replace(terms={}) for phase in USUAL]), 'terms is {}'),
    (
      dict(phases=[*USUAL, USUAL[1]]),
      'fresh is False, but G has moved',
    ),
  ],
)
def test_impossible_settings_are_named(options, field):
  with pytest.raises(ValueError, match=field):
    make(**options)


def test_a_batch_that_does_not_split_is_refused(batch):
  algorithm = make(d_steps=4)
  with pytest.raises(ValueError, match='d_steps_per_g_step is 4; it must be a divisor of the batch, 6 rows'):
    algorithm.train_step(make().init(jax.random.key(0), batch), batch, jax.random.key(1))


class StyleGenerator(nn.Module):
  """A mapping to w and a synthesis, with the running average of w in a collection, as StyleGAN2 has it."""

  def setup(self):
    self.to_w, self.to_image = nn.Dense(4), nn.Dense(4)
    self.average = self.variable('w_avg', 'w_avg', jnp.zeros, 4)

  def mapping(self, latents, labels, *, train):
    w = nn.tanh(self.to_w(latents))
    if train:
      self.average.value += 0.1 * (jax.lax.stop_gradient(w).mean(0) - self.average.value)
    return w

  def synthesis(self, w, labels, *, train):
    return jnp.tanh(self.to_image(w)).reshape(-1, 2, 2, 1)

  def __call__(self, latents, labels, *, train):
    return self.synthesis(self.mapping(latents, labels, train=train), labels, train=train)


def stylegan2(**options):
  """Karras et al. 2020: logistic loss, R1 at every third step, path length at every second, G first."""
  of_g, of_d = (terms.generator_loss, terms.discriminator_loss)
  phases = (
    gan.Phase('generator', {'adversarial': of_g(losses.non_saturating)}),
    gan.Phase('generator', {'path_length': terms.path_length(decay=0.3)}, every=2),
    gan.Phase('discriminator', {'adversarial': of_d(losses.non_saturating)}),
    gan.Phase('discriminator', {'r1': terms.r1(lambda step: 4.0 / (1 + step))}, every=3),
  )
  generator = StyleGenerator()
  space = latent.w_space(generator, LATENTS)
  return make(networks=(generator, Discriminator()), phases=phases, space=space, **options)


def test_lazy_phases_equal_a_loop_that_takes_every_gradient_by_itself(batch):
  """Six steps of StyleGAN2's phases against plain gradients of four separate losses; nothing is shared."""
  algorithm = stylegan2()
  state = algorithm.init(jax.random.key(0), batch)
  step = jax.jit(algorithm.train_step)
  g, d, mean = state.params['generator'], state.params['discriminator'], 0.0
  average = np.zeros(4)
  mapping = lambda g, z: jnp.tanh(z @ g['to_w']['kernel'] + g['to_w']['bias'])
  synthesis = lambda g, w: jnp.tanh(w @ g['to_image']['kernel'] + g['to_image']['bias']).reshape(-1, 2, 2, 1)
  generate = lambda g, z: synthesis(g, mapping(g, z))
  critic = lambda d, x: Discriminator().apply({'params': d}, x, None, train=True)
  descend = jax.jit(lambda p, grads: jax.tree.map(lambda a, b: a - RATE * b, p, grads))
  softplus = lambda x: jnp.log1p(jnp.exp(x))

  g_loss = jax.jit(jax.grad(lambda g, d, z: softplus(-critic(d, generate(g, z))).mean()))
  d_loss = jax.jit(
    jax.grad(lambda d, g, z: softplus(critic(d, generate(g, z))).mean() + softplus(-critic(d, batch['image'])).mean())
  )

  def r1(d, gamma):
    one = lambda x: jnp.sum(jax.grad(lambda x: critic(d, x[None])[0])(x) ** 2)
    return gamma / 2 * jnp.mean(jnp.stack([one(x) for x in batch['image']]))

  def lengths(g, z, noise):
    of_one = lambda w, y: jnp.linalg.norm(jax.grad(lambda w: jnp.sum(synthesis(g, w[None])[0] * y))(w))
    return jnp.stack([of_one(mapping(g, row[None])[0], y) for row, y in zip(z, noise, strict=True)])

  r1_gradient, r1_value = jax.jit(jax.grad(r1)), jax.jit(r1)
  lengths_of = jax.jit(lengths)
  path_gradient = jax.jit(jax.grad(lambda g, z, y, mean: 2.0 * jnp.mean((lengths(g, z, y) - mean) ** 2)))
  seen = {'r1': None, 'path_length': None}
  for number in range(6):
    key = jax.random.key(number)
    keys = jax.random.split(key, 4)
    latent_keys, rest = zip(*(jax.random.split(keys[(i + 1) % 4]) for i in range(4)), strict=True)
    z = [jax.random.normal(k, (ROWS, LATENTS)) for k in latent_keys]
    average += 0.1 * (np.asarray(mapping(g, z[0])).mean(0) - average)  # by the pass of each phase that is not lazy
    g = descend(g, g_loss(g, d, z[0]))
    if number % 2 == 0:
      noise = jax.random.normal(jax.random.split(rest[1], 3)[2], (3, 2, 2, 1)) / 2.0
      seen['path_length'] = float(lengths_of(g, z[1][::2], noise).mean())
      mean += 0.3 * (seen['path_length'] - mean)
      g = descend(g, jax.tree.map(lambda x: 2 * x, path_gradient(g, z[1][::2], noise, mean)))
    average += 0.1 * (np.asarray(mapping(g, z[2])).mean(0) - average)
    d = descend(d, d_loss(d, g, z[2]))
    if number % 3 == 0:
      gamma = 4.0 / (1 + number)
      seen['r1'] = float(r1_value(d, gamma))
      d = descend(d, jax.tree.map(lambda x: 3 * x, r1_gradient(d, gamma)))

    state, metrics = step(state, batch, key)
    for found, expected in ((state.params['generator'], g), (state.params['discriminator'], d)):
      jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-4, atol=1e-5), found, expected)
    assert float(state.extra['terms']['1']['path_length']['mean']) == pytest.approx(mean, rel=1e-4)
    assert float(metrics['r1']) == pytest.approx(seen['r1'], rel=1e-3)  # of the last time that it happened
    assert float(metrics['path_length']) == pytest.approx(seen['path_length'], rel=1e-3)
    np.testing.assert_allclose(state.model_state['generator']['w_avg']['w_avg'], average, rtol=1e-4, atol=1e-6)


def test_w_is_truncated_towards_its_average_and_walked_straight(batch):
  algorithm = stylegan2()
  state = algorithm.init(jax.random.key(0), batch)
  state = state.replace(ema_params=jax.tree.map(lambda x: x + 0.1, state.ema_params))
  draw = lambda psi: np.asarray(algorithm.prior(state, jax.random.key(1), batch['label'], truncation=psi))
  np.testing.assert_allclose(draw(0.5) - 0.1, 0.5 * (draw(1.0) - 0.1), atol=1e-6)
  assert np.abs(draw(1.0)).max() <= 1  # w, not z
  middle = algorithm.interpolate(draw(1.0)[:1], draw(1.0)[1:2], 0.5)
  np.testing.assert_allclose(middle, draw(1.0)[:2].mean(0, keepdims=True), atol=1e-6)
  variables = state.ema_params['generator']
  expected = StyleGenerator().apply(variables, draw(0.7), None, train=False, method='synthesis')
  np.testing.assert_array_equal(algorithm.decode(state, draw(0.7), batch['label']), expected)
  with pytest.raises(ValueError, match='truncation is 0'):
    draw(0)


class LabelGenerator(nn.Module):
  """Images that are their label, so that D's input tells which labels were drawn."""

  @nn.compact
  def __call__(self, latents, labels, *, train):
    scale = self.param('scale', nn.initializers.ones, ())
    return jnp.broadcast_to(scale * labels[:, None, None, None].astype(jnp.float32), (len(labels), 2, 2, 1))


def test_labels_of_generated_images_may_be_drawn_independently():
  seen = {}

  def look(context):
    seen.update(fake=context.samples[:, 0, 0, 0], labels=context.labels, real=context.batch['label'])
    return jnp.zeros(())

  rows = 3000
  batch = {'image': jnp.zeros((rows, 2, 2, 1)), 'label': jnp.zeros(rows, jnp.int32)}
  phases = gan.alternating(losses.hinge, penalties={'look': terms.simple('look', look)})
  networks = LabelGenerator(), Discriminator()

  def drawn(draw_labels, key):
    algorithm = make(networks=networks, phases=phases, draw_labels=draw_labels)
    algorithm.train_step(algorithm.init(jax.random.key(0), batch), batch, jax.random.key(key))
    return jax.tree.map(np.asarray, dict(seen))

  with jax.disable_jit():
    one, other = drawn(gan.uniform_labels(4), 1), drawn(gan.uniform_labels(4), 2)
  assert not one['real'].any()
  np.testing.assert_allclose(np.bincount(one['labels'], minlength=4) / rows, 0.25, atol=0.03)
  np.testing.assert_array_equal(one['fake'], one['labels'])  # G drew what was asked for
  assert not np.array_equal(one['labels'], other['labels'])
  with jax.disable_jit():
    np.testing.assert_array_equal(drawn(None, 1)['labels'], one['real'])  # unless told, those of the batch


def test_micro_batches_make_the_step_of_the_whole_batch(batch):
  step = lambda gradient: make(gradient=gradient, penalties={'r1': terms.r1(2.0)})
  whole, parts = step(None), step(optimizers.micro_batched(3))
  state = whole.init(jax.random.key(0), batch)
  one, other = (a.train_step(state, batch, jax.random.key(1)) for a in (whole, parts))
  close = lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
  jax.tree.map(close, one[0], other[0])
  for name in ('d_loss', 'g_loss', 'r1', 'd_real', 'd_fake', 'd_grad_norm', 'g_grad_norm'):
    np.testing.assert_allclose(other[1][name], one[1][name], rtol=1e-4)


def test_a_private_discriminator_learns_from_clipped_gradients_of_single_rows(batch):
  """D's update against a loop over rows; G's stays the usual one."""
  private = optimizers.clipped_by_example(0.05)
  d_phase, g_phase = gan.alternating(losses.non_saturating)
  algorithm = make(phases=(d_phase._replace(gradient=private), g_phase))
  state, key = algorithm.init(jax.random.key(0), batch), jax.random.key(1)
  after, _ = algorithm.train_step(state, batch, key)
  g, d = state.params['generator'], state.params['discriminator']
  z = jax.random.normal(jax.random.split(jax.random.split(key, 2)[1])[0], (ROWS, LATENTS))
  fake = Generator().apply({'params': g}, z, None, train=True)
  critic = lambda d, x: Discriminator().apply({'params': d}, x[None], None, train=True)[0]
  softplus = lambda x: jnp.log1p(jnp.exp(x))
  total, clipped = jax.tree.map(jnp.zeros_like, d), 0
  for real_row, fake_row in zip(batch['image'], fake, strict=True):
    objective = lambda d, x=real_row, y=fake_row: softplus(-critic(d, x)) + softplus(critic(d, y))
    grads = jax.grad(objective)(d)
    norm = float(np.sqrt(sum(float(jnp.sum(x**2)) for x in jax.tree.leaves(grads))))
    clipped += norm > 0.05
    total = jax.tree.map(lambda a, b, norm=norm: a + b * min(1.0, 0.05 / norm), total, grads)
  assert clipped == ROWS
  expected = jax.tree.map(lambda p, s: p - RATE * s / ROWS, d, total)
  close = lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
  jax.tree.map(close, after.params['discriminator'], expected)


def test_augmentation_keeps_its_memory_between_steps(batch):
  adaptive = augment.adaptive('cutout', target=0.01, kimg=ROWS / 1000 / 0.25)  # a quarter a step
  algorithm = make(augment=adaptive)
  state = algorithm.init(jax.random.key(0), batch)
  step, expected = jax.jit(algorithm.train_step), 0.0
  for number in range(4):
    shown = adaptive.apply  # what D saw decides, with the probability before the step
    keys = jax.random.split(jax.random.split(jax.random.split(jax.random.key(number), 2)[1])[1], 3)
    real = shown(batch['image'], keys[0], state.extra['augment'], state.step)
    logits = Discriminator().apply({'params': state.params['discriminator']}, real, None, train=True)
    expected = np.clip(expected + 0.25 * np.sign(np.sign(np.asarray(logits)).mean() - 0.01), 0, 1)
    state, _ = step(state, batch, jax.random.key(number))
    assert float(state.extra['augment']['probability']) == pytest.approx(expected)


@pytest.mark.parametrize('gradient', [optimizers.micro_batched(3), optimizers.clipped_by_example(1e9)])
def test_the_probability_adapts_alike_when_the_gradient_is_taken_in_parts(batch, gradient):
  """What D is sure of is a mean over all rows of the update, however they are looked at."""
  after = []
  for each in (None, gradient):
    adaptive = augment.adaptive('cutout', target=0.01, kimg=1.0)
    algorithm = make(augment=adaptive._replace(apply=lambda images, *_: images), gradient=each)
    state = algorithm.init(jax.random.key(0), batch)
    state = state.replace(extra={**state.extra, 'augment': {'probability': jnp.float32(0.5)}})
    state, metrics = algorithm.train_step(state, batch, jax.random.key(1))
    after.append(float(state.extra['augment']['probability']))
    assert float(metrics['augment_probability']) == after[-1] and abs(after[-1] - 0.5) == pytest.approx(
      ROWS / 1000, rel=1e-4
    )
  assert after[0] == after[1]


@pytest.mark.parametrize('every', [1, 2])
def test_counts_and_other_metrics_keep_their_kind_on_devices_and_in_lazy_phases(batch, every):
  def count(context, memory):
    metrics = {'count': memory['count'], 'is_even': memory['count'] % 2 == 0, 'pair': jnp.float32([1.0, 2.0])}
    return jnp.mean(context.discriminate(context.real)), metrics, {'count': memory['count'] + 1}

  counting = terms.Term(count, lambda key, batch: {'count': jnp.int32(0)})
  phases = (*gan.alternating(losses.hinge), gan.Phase('discriminator', {'counting': counting}, every=every))
  algorithm = make(phases=phases, axis_name='data')
  state = algorithm.init(jax.random.key(0), batch)
  cut = jax.tree.map(lambda x: x.reshape(2, 3, *x.shape[1:]), batch)
  step = jax.jit(jax.vmap(algorithm.train_step, in_axes=(None, 0, None), out_axes=None, axis_name='data'))
  for number in range(4):
    after, metrics = step(state, cut, jax.random.key(number))
    assert jax.tree.map(lambda x: (x.shape, x.dtype), after) == jax.tree.map(lambda x: (x.shape, x.dtype), state)
    state = after
  assert int(state.extra['terms']['2']['counting']['count']) == 4 // every
  assert metrics['count'].dtype == jnp.int32 and metrics['is_even'].dtype == bool and metrics['pair'].shape == (2,)


def test_two_terms_that_report_under_one_name_are_refused(batch):
  same = {'first': terms.simple('drift', lambda context: 0.0), 'second': terms.simple('drift', lambda context: 0.0)}
  with pytest.raises(ValueError, match="of which two give 'drift'"):
    algorithm = make(penalties=same)
    jax.eval_shape(algorithm.train_step, algorithm.init(jax.random.key(0), batch), batch, jax.random.key(1))


def test_half_precision_learns_for_two_hundred_steps_with_weights_in_full():
  rng = np.random.default_rng(0)
  optimizer = {name: optax.adam(1e-2, b1=0.5) for name in SGD}
  algorithm = make(dtype=jnp.bfloat16, optimizers=optimizer, penalties={'r1': terms.r1(0.1)})
  images = np.full((64, 2, 2, 1), 0.5, np.float32) + 0.05 * rng.normal(size=(64, 2, 2, 1)).astype(np.float32)
  batch = {'image': images, 'label': np.zeros(64, np.int32)}
  state, step = algorithm.init(jax.random.key(0), batch), jax.jit(algorithm.train_step)
  distance = lambda state: np.abs(
    np.asarray(core.sample(algorithm, state, jax.random.key(9), batch['label'])).mean() - 0.5
  )
  before = distance(state)
  for number in range(200):
    state, metrics = step(state, batch, jax.random.key(number))
    assert all(np.isfinite(value) and value.dtype == jnp.float32 for value in metrics.values())
  assert {leaf.dtype for leaf in jax.tree.leaves(state.params)} == {jnp.dtype('float32')}
  assert distance(state) < 0.3 * before


class NoisyGenerator(nn.Module):
  """Noise inputs in training, none in evaluation."""

  @nn.compact
  def __call__(self, latents, labels, *, train):
    x = nn.Dense(4)(latents)
    if train:
      x += jax.random.normal(self.make_rng('noise'), x.shape)
    return jnp.tanh(x).reshape(-1, 2, 2, 1)


def test_networks_may_draw_noise_in_training_and_decode_stays_deterministic(batch):
  algorithm = make(networks=(NoisyGenerator(), Discriminator()))
  state = algorithm.init(jax.random.key(0), batch)
  losses_of = lambda key: float(algorithm.train_step(state, batch, jax.random.key(key))[1]['g_loss'])
  assert losses_of(1) == losses_of(1) != losses_of(2)
  latents = algorithm.prior(state, jax.random.key(2), batch['label'])
  one, other = (algorithm.decode(state, latents, batch['label']) for _ in range(2))
  np.testing.assert_array_equal(one, other)
