"""Terms against hand-made gradients, loops over rows and naive two-pass loops."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gengan import losses, terms

RNG = np.random.default_rng(0)
REAL, FAKE = (np.float32(RNG.normal(size=(5, 2, 2, 3))) for _ in range(2))
WEIGHTS = np.float32(RNG.normal(size=(2, 2, 3)))
gradient_penalty_at = jax.jit(terms.gradient_penalty_at, static_argnums=0)


def value(term, critic, *, real=REAL, fake=FAKE, key=None, step=0, axis_name=None):
  """What a penalty adds to the loss of a critic that looks at images alone."""
  context = terms.Context(
    step=step,
    batch={'image': real, 'label': None},
    real=real,
    fake=fake,
    discriminate=lambda images, labels: critic(images),
    key=key,
    axis_name=axis_name,
  )
  return term.apply(context, {})[0]


def r1(critic, real, *, gamma):
  return value(terms.r1(gamma), critic, real=real)


def r2(critic, fake, *, gamma):
  return value(terms.r2(gamma), critic, fake=fake)


def gradient_penalty(critic, real, fake, key, *, weight=10.0, axis_name=None):
  return value(terms.gradient_penalty(weight), critic, real=real, fake=fake, key=key, axis_name=axis_name)


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
  part = lambda r, f: jax.lax.pmean(gradient_penalty(quadratic, r, f, key, axis_name='data'), 'data')
  cut = lambda x: x.reshape(4, 2, *x.shape[1:])
  parts = jax.jit(jax.vmap(part, axis_name='data'))(cut(real), cut(fake))
  np.testing.assert_allclose(parts, np.full(4, whole), rtol=1e-5)


def test_gradient_penalty_can_be_differentiated_where_the_gradient_is_zero():
  def objective(scale):
    return gradient_penalty(lambda x: scale * quadratic(x), 0 * REAL, 0 * REAL, jax.random.key(0))

  value, gradient = jax.jit(jax.value_and_grad(objective))(1.0)
  np.testing.assert_allclose(value, 10.0)
  assert gradient == 0.0


def test_a_scheduled_gamma_is_that_of_the_step():
  halving = terms.r1(lambda step: 8.0 * 0.5**step)
  for step, gamma in ((0, 8.0), (1, 4.0), (3, 1.0)):
    np.testing.assert_allclose(value(halving, quadratic, step=step), r1(quadratic, REAL, gamma=gamma), rtol=1e-6)


def test_accuracy_counts_logits_on_the_right_side_of_the_middle():
  metrics = terms.logit_metrics(jnp.array([2.0, 2.0, -4.0, 4.0]), jnp.array([-2.0, -2.0, -2.0, 2.0]))
  assert float(metrics['d_real']) == 1.0 and float(metrics['d_fake']) == -1.0
  assert float(metrics['d_accuracy_real']) == 0.75 and float(metrics['d_accuracy_fake']) == 0.75


def test_logits_may_stand_beside_other_outputs():
  context = terms.Context(
    step=0, batch={}, real_output={'logits': jnp.ones(3), 'classes': None}, fake_output=jnp.zeros(3)
  )
  loss, metrics, memory = terms.discriminator_loss(losses.hinge).apply(context, {})
  assert float(loss) == 1.0 and float(metrics['d_real']) == 1.0 and memory == {}


W, D = RNG.normal(size=(3, 4)), RNG.normal(size=(4, 2 * 2 * 3))  # of a toy generator: tanh(z W) is w, tanh(w D) images


def toy_generator(x, labels, *, method):
  if method == 'mapping':
    return jnp.tanh(x @ W)
  return jnp.tanh(x @ D).reshape(-1, 2, 2, 3)


def test_path_length_equals_a_loop_that_differentiates_image_by_image():
  """Karras et al. 2020, eq. 4, over three uses, so that the running mean counts."""
  term = terms.path_length(weight=2.0, decay=0.2, shrink=2)
  memory = term.init(jax.random.key(0), {})
  mean = 0.0
  for step in range(3):
    latents = np.random.default_rng(step).normal(size=(6, 3))
    key = jax.random.key(step)
    context = terms.Context(
      step=step, batch={}, latents=latents, labels=jnp.zeros(6, jnp.int32), generate=toy_generator, key=key
    )
    loss, metrics, memory = term.apply(context, memory)
    noise = np.asarray(jax.random.normal(key, (3, 2, 2, 3))) / 2.0  # the square root of 4 pixels
    lengths = []
    for z, y in zip(latents[::2], noise, strict=True):
      w = np.tanh(z @ W)
      jacobian = (1 - np.tanh(w @ D) ** 2) * D  # [4, 12]
      lengths.append(np.linalg.norm(jacobian @ y.ravel()))
    mean += 0.2 * (np.mean(lengths) - mean)
    np.testing.assert_allclose(loss, 2.0 * np.mean((np.array(lengths) - mean) ** 2), rtol=1e-4)
    np.testing.assert_allclose(metrics['path_length'], np.mean(lengths), rtol=1e-4)
    np.testing.assert_allclose(memory['mean'], mean, rtol=1e-4)


def test_path_length_of_layered_w_is_the_root_of_the_mean_over_layers():
  w = RNG.normal(size=(4, 2, 3))
  context = terms.Context(
    step=0,
    batch={},
    latents=w,
    labels=jnp.zeros(4, jnp.int32),
    generate=lambda w, labels, method: jnp.repeat(w.sum(1)[:, None, None], 2, axis=2),  # [N, 1, 2, 3]
    key=jax.random.key(0),
  )
  term = terms.path_length(weight=1.0, decay=1.0, shrink=1, mapping=None, synthesis=None)
  _, metrics, _ = term.apply(context, term.init(jax.random.key(0), {}))
  noise = np.asarray(jax.random.normal(jax.random.key(0), (4, 1, 2, 3))) / np.sqrt(2)
  of_layer = np.square(noise.sum((1, 2))).sum(-1)  # the same gradient for both layers
  np.testing.assert_allclose(metrics['path_length'], np.sqrt(of_layer).mean(), rtol=1e-5)


@pytest.mark.parametrize(
  ('make', 'message'),
  [
    (lambda: terms.path_length(-1.0), 'weight is -1.0'),
    (lambda: terms.path_length(decay=0.0), 'decay is 0.0'),
    (lambda: terms.path_length(shrink=0), 'shrink is 0'),
  ],
)
def test_path_lengths_that_cannot_be_are_refused(make, message):
  with pytest.raises(ValueError, match=message):
    make()


def test_the_orthogonal_term_is_a_loop_over_pairs_of_columns_of_every_kernel():
  draw = lambda *shape: np.float32(RNG.normal(size=shape))
  params = {
    'conv': {'kernel': draw(3, 3, 2, 4), 'bias': draw(4)},
    'embed': {'embedding': draw(5, 3)},
    'kernel': draw(6, 2),
  }
  loss = terms.orthogonal(lambda step: 0.5 * step).apply(terms.Context(step=2, batch={}, params=params), {})[0]
  expected = 0.0
  for kernel in (params['conv']['kernel'].reshape(18, 4), params['kernel']):
    columns = kernel.T
    expected += sum(float(a @ b) ** 2 for i, a in enumerate(columns) for j, b in enumerate(columns) if i != j)
  np.testing.assert_allclose(loss, expected, rtol=1e-5)
