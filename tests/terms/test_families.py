"""Terms of what D sees and gives, against numbers by hand: DRAGAN, consistency, LeCam, top-k, features and classes."""

import jax
import numpy as np
import pytest

from gengan import losses, terms

RNG = np.random.default_rng(0)
REAL, FAKE = (np.float32(RNG.normal(size=(4, 3))) for _ in range(2))
LABELS = np.array([0, 1, 2, 1])


def judge(images, labels, method=None):
  return images.sum(1) ** 2


def context(step=0, **options):
  known = {'real': REAL, 'fake': FAKE, 'real_output': judge(REAL, None), 'fake_output': judge(FAKE, None)}
  settings = {'discriminate': judge, 'labels': LABELS, 'key': jax.random.key(0), **known, **options}
  return terms.Context(step=step, batch={'label': LABELS}, **settings)


def test_dragan_looks_around_real_images_at_half_their_deviation():
  noise = np.asarray(jax.random.normal(jax.random.key(0), REAL.shape))
  at = REAL + 0.5 * REAL.std() * noise
  norms = 2 * np.abs(at.sum(1)) * np.sqrt(3)  # the gradient of (sum x)^2 is 2 sum x in each of three places
  loss = terms.dragan(10.0).apply(context(), {})[0]
  np.testing.assert_allclose(loss, 10.0 * np.mean((norms - 1) ** 2), rtol=1e-4)


def test_dragan_is_the_same_on_one_device_and_on_two():
  whole = terms.dragan(2.0).apply(context(), {})[0]

  def part(real):
    mine = context(real=real, axis_name='data')._replace(batch={'label': None})
    return jax.lax.pmean(terms.dragan(2.0).apply(mine, {})[0], 'data')

  np.testing.assert_allclose(jax.vmap(part, axis_name='data')(REAL.reshape(2, 2, 3)), [whole, whole], rtol=1e-5)


def test_consistency_is_of_real_images_and_balanced_of_both():
  double = lambda images, key: 2 * images
  change = lambda images: np.mean((images.sum(1) ** 2 - (2 * images.sum(1)) ** 2) ** 2)
  of_real = terms.consistency(10.0, double).apply(context(), {})[0]
  np.testing.assert_allclose(of_real, 10.0 * change(REAL), rtol=1e-5)
  of_both = terms.balanced_consistency(10.0, double).apply(context(), {})[0]
  np.testing.assert_allclose(of_both, 10.0 * change(REAL) + 10.0 * change(FAKE), rtol=1e-5)
  of_both = terms.balanced_consistency(10.0, double, fake_weight=1.0).apply(context(), {})[0]
  np.testing.assert_allclose(of_both, 10.0 * change(REAL) + change(FAKE), rtol=1e-5)


def test_lecam_over_three_steps_by_hand():
  term = terms.lecam(0.3, decay=0.9, start=1)
  memory, means = term.init(jax.random.key(0), {}), {'real': 0.0, 'fake': 0.0}
  for step in range(3):
    real, fake = np.float32(RNG.normal(size=(2, 5))) + step
    loss, metrics, memory = term.apply(context(step, real_output=real, fake_output=fake), memory)
    kept = 0.9 if step >= 1 else 0.0
    means = {
      'real': kept * means['real'] + (1 - kept) * real.mean(),
      'fake': kept * means['fake'] + (1 - kept) * fake.mean(),
    }
    far = np.mean(np.maximum(real - means['fake'], 0) ** 2) + np.mean(np.maximum(means['real'] - fake, 0) ** 2)
    np.testing.assert_allclose(loss, 0.3 * far if step else 0.0, rtol=1e-5)
    assert metrics['lecam'] == loss
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), memory, means)


@pytest.mark.parametrize(('fraction', 'count'), [(1.0, 4), (0.75, 3), (0.5, 2), (0.3, 2), (0.01, 1)])
def test_top_k_is_the_mean_over_the_best(fraction, count):
  best = np.argsort(-judge(FAKE, None))[:count]
  for loss in (losses.hinge, losses.relativistic, losses.least_squares):
    found = terms.top_k_generator_loss(loss, fraction).apply(context(), {})[0]
    expected = loss.generator(judge(REAL, None)[best], judge(FAKE, None)[best])
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_top_k_falls_as_scheduled_and_compiles_once():
  halving = terms.top_k_generator_loss(losses.wasserstein, lambda step: 1.0 - 0.25 * step)
  compiled = jax.jit(lambda step: halving.apply(context(step), {})[0])
  ordered = np.sort(judge(FAKE, None))[::-1]
  for step in range(4):
    np.testing.assert_allclose(compiled(step), -ordered[: 4 - step].mean(), rtol=1e-5)


def test_top_k_is_of_all_devices_together_with_its_gradient():
  term = terms.top_k_generator_loss(losses.non_saturating, 0.5)
  of = lambda fake, **options: term.apply(context(real_output=0 * fake, fake_output=fake, **options), {})[0]
  logits = np.float32([3.0, 2.0, -1.0, 1.0])  # the best two are on the first device
  whole, gradient = jax.value_and_grad(of)(logits)
  part = lambda fake: jax.value_and_grad(lambda fake: of(fake, axis_name='data'))(fake)
  values, gradients = jax.vmap(part, axis_name='data')(logits.reshape(2, 2))
  np.testing.assert_allclose(values.mean(), whole, rtol=1e-6)
  np.testing.assert_allclose(gradients.reshape(-1) / 2, gradient, rtol=1e-6)  # the step takes the mean over devices


def test_feature_matching_is_the_distance_of_means():
  outputs = {'real_output': {'logits': None, 'features': REAL}, 'fake_output': {'logits': None, 'features': FAKE}}
  loss = terms.feature_matching(2.0).apply(context(**outputs), {})[0]
  np.testing.assert_allclose(loss, 2.0 * np.sum((REAL.mean(0) - FAKE.mean(0)) ** 2), rtol=1e-5)

  def part(real, fake):
    outputs = {'real_output': {'features': real}, 'fake_output': {'features': fake}, 'axis_name': 'data'}
    return terms.feature_matching(2.0).apply(context(**outputs), {})[0]

  parts = jax.vmap(part, axis_name='data')(REAL.reshape(2, 2, 3), FAKE.reshape(2, 2, 3))
  np.testing.assert_allclose(parts, [loss, loss], rtol=1e-5)


@pytest.mark.parametrize(('player', 'logits'), [('discriminator', REAL), ('generator', FAKE)])
def test_the_auxiliary_classifier_is_a_cross_entropy(player, logits):
  outputs = {f'{name}_output': {'class_logits': x} for name, x in (('real', REAL), ('fake', FAKE))}
  loss, metrics, _ = terms.classification(0.5, player=player).apply(context(**outputs), {})
  chosen = np.exp(logits)[np.arange(4), LABELS] / np.exp(logits).sum(1)
  np.testing.assert_allclose(loss, -0.5 * np.log(chosen).mean(), rtol=1e-5)
  name = f'{player[0]}_classification'
  assert metrics[f'{name}_accuracy'] == np.mean(logits.argmax(1) == LABELS)


def test_what_d_does_not_give_is_said():
  with pytest.raises(ValueError, match=r"feature_matching is 'on'.*gives no 'features'"):
    terms.feature_matching().apply(context(), {})
  with pytest.raises(ValueError, match=r"d_classification is 'on'.*gives no 'class_logits'"):
    terms.classification().apply(context(), {})


@pytest.mark.parametrize(
  ('make', 'message'),
  [
    (lambda: terms.lecam(decay=1.0), 'decay is 1.0; it must be at least 0 and below 1'),
    (lambda: terms.lecam(-0.3), 'weight is -0.3'),
    (lambda: terms.consistency(-1.0, None), 'weight is -1.0'),
    (lambda: terms.dragan(float('inf')), 'weight is inf'),
  ],
)
def test_terms_that_cannot_be_are_refused(make, message):
  with pytest.raises(ValueError, match=message):
    make()


def test_a_scaled_term_counts_more_and_reports_the_same():
  loss, metrics, memory = terms.scaled(terms.simple('one', lambda context: 2.0), 3).apply(context(), {})
  assert (loss, metrics, memory) == (6.0, {'one': 2.0}, {})
