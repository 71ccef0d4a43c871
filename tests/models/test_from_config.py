"""Which phases and optimizers a config becomes."""

import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from configs import conditional_dcgan, dcgan
from gengan import gan, terms
from gengan.models import dcgan as recipe
from gengan.models import from_config
from gengan.models.from_config import plan


class Styled(nn.Module):
  """A generator that has what path length asks for."""

  def mapping(self, latents, labels, *, train):
    return latents

  def synthesis(self, w, labels, *, train):
    return w[:, None, None]


def phases_of(generator=None, conditional=False, **options):
  config = conditional_dcgan.get_config('cifar10') if conditional else dcgan.get_config('cifar10')
  with config.ignore_type():
    config.update_from_flattened_dict(options)
  return plan.of_config(config, generator or nn.Dense(1), gan.alternating, None)


def shape(phases):
  return [(phase.player[0], phase.every, list(phase.terms)) for phase in phases]


def test_without_terms_there_are_the_two_losses():
  assert shape(phases_of()) == [('d', 1, ['adversarial']), ('g', 1, ['adversarial'])]


def test_every_term_comes_to_its_player():
  of_d = ['r1', 'r2', 'gradient_penalty', 'dragan', 'consistency', 'balanced_consistency', 'lecam']
  of_g = ['orthogonal', 'feature_matching', 'path_length']
  found = shape(phases_of(Styled(), **{f'terms.{name}': 1.0 for name in (*of_d, *of_g)}))
  assert found == [('d', 1, ['adversarial', *sorted(of_d)]), ('g', 1, ['adversarial', *sorted(of_g)])]


def test_an_auxiliary_classifier_brings_its_two_terms():
  found = shape(phases_of(conditional=True, **{'model.d_label': 'auxiliary'}))
  assert found == [('d', 1, ['adversarial', 'd_classification']), ('g', 1, ['adversarial', 'g_classification'])]


def test_lazy_terms_of_one_interval_share_a_phase_after_their_player():
  settings = {'r1': 1.0, 'r2': 1.0, 'lecam': 0.3, 'path_length': 2.0, 'orthogonal': 1e-4}
  lazy = {'lazy.r1': 16, 'lazy.r2': 16, 'lazy.orthogonal': 2, 'lazy.path_length': 4}
  found = phases_of(Styled(), **{f'terms.{name}': value for name, value in settings.items()}, **lazy)
  assert shape(found) == [
    *(('d', 1, ['adversarial', 'lecam']), ('d', 16, ['r1', 'r2'])),
    *(('g', 1, ['adversarial']), ('g', 2, ['orthogonal']), ('g', 4, ['path_length'])),
  ]
  assert plan.updates_a_step(found, 'discriminator') == (1, 1 / 16)
  assert plan.updates_a_step(found, 'generator') == (1, 0.75)


def test_a_lazy_term_counts_for_all_the_updates_that_it_missed():
  found = phases_of(**{'terms.r1': 3.0, 'lazy.r1': 8, 'd_steps_per_g_step': 2})
  assert [phase.every for phase in found] == [1, 1, 8, 1]
  context = terms.Context(
    step=0, batch={'label': None}, real=jnp.ones((2, 4)), discriminate=lambda x, labels: 2.0 * x.sum(1)
  )
  loss, metrics, _ = found[2].terms['r1'].apply(context, {})
  assert float(metrics['r1']) == 3.0 / 2 * 4 * 4  # gamma / 2 * 4 pixels * 2^2
  assert float(loss) == 2 * float(metrics['r1'])  # and times `every` by the phase itself
  assert found[2].share == 1


def test_the_optimizer_makes_up_for_lazy_updates():
  """Karras et al. 2020, appendix B: c = k / (k + 1), learning rate * c, betas ** c; schedules go by train steps."""
  config = dcgan.get_config('cifar10')
  with config.ignore_type():
    config.optimizers.discriminator.update(b1=0.5, b2=0.99)
    config.optimizers.discriminator.learning_rate = {'schedule': 'linear', 'start': 0.2, 'end': 0.0, 'kimg': 6.4}
  optimizer = from_config.optimizer(config, 'optimizers.discriminator', updates_a_step=1, lazy_updates_a_step=0.25)
  params, moments, c = jnp.zeros(()), [0.0, 0.0], 4 / 5
  state = optimizer.init(params)
  for number in range(1, 5):
    gradient = float(number)
    update, state = optimizer.update(jnp.float32(gradient), state, params)
    b1, b2 = 0.5**c, 0.99**c
    moments = [b1 * moments[0] + (1 - b1) * gradient, b2 * moments[1] + (1 - b2) * gradient**2]
    rate = 0.2 * (1 - (number - 1) / 1.25 / 100) * c  # 100 steps of 64 images, 1.25 updates each
    expected = -rate * moments[0] / (1 - b1**number) / (np.sqrt(moments[1] / (1 - b2**number)) + 1e-8)
    np.testing.assert_allclose(update, expected, rtol=1e-4)


@pytest.mark.parametrize(
  ('options', 'message'),
  [
    ({'terms.r1': -1.0}, r'config\.terms\.r1 is -1\.0; it must be a number >= 0'),
    ({'terms.r2': float('nan')}, r'config\.terms\.r2 is nan'),
    ({'terms.dragan': 'on'}, r"config\.terms\.dragan is 'on'"),
    ({'terms.r1': 1.0, 'lazy.r1': 0}, r'config\.lazy\.r1 is 0; it must be a whole number of at least 1'),
    ({'terms.path_length': 2.0}, r'config\.terms\.path_length is 2\.0.*methods mapping and synthesis'),
    ({'top_k': 0.0}, r'config\.top_k is 0\.0; it must be above 0 and at most 1'),
    ({'top_k': 0.5, 'loss': 'relativistic_average'}, r"config\.top_k is 0\.5 while config\.loss is 'relativistic_ave"),
    ({'consistency_augment': 'blur'}, r"config\.consistency_augment is 'blur'"),
  ],
)
def test_terms_that_cannot_be_are_refused(options, message):
  with pytest.raises(ValueError, match=message):
    phases_of(**options)


def test_an_unknown_term_is_refused():
  config = dcgan.get_config()
  with config.unlocked():
    config.terms.r3 = 1.0
  with pytest.raises(ValueError, match=r'config\.terms\.r3 is 1\.0; it must be left out.*gradient_penalty.*r1, r2'):
    recipe.make(config)
