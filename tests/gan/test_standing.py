"""Standing statistics against those of the same batches by hand, and where they are used."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from gengan import core, gan, latent, layers


class Generator(nn.Module):
  momentum: float = 0.9

  @nn.compact
  def __call__(self, latents, labels, *, train):
    x = nn.Dense(3, bias_init=nn.initializers.normal(1.0))(latents) + labels[:, None]
    return layers.BatchNorm(not train, self.momentum)(x)


@pytest.fixture(scope='module')
def parts():
  variables = Generator().init(jax.random.key(1), jnp.ones((2, 4)), jnp.zeros(2, int), train=False)
  state = core.State(jnp.int32(0), {}, {}, {}, {'generator': variables}, {})
  space = latent.z_space(Generator(), 4)
  make = lambda batches, rows: gan.standing_statistics(
    Generator(momentum=0.0), space.prior, batches=batches, rows=rows, draw_labels=gan.uniform_labels(2)
  )
  return state, space, make


def statistics(state):
  return state.ema_params['generator']['batch_stats']['BatchNorm_0']


def test_they_are_the_means_over_the_batches(parts):
  state, space, make = parts
  dense = state.ema_params['generator']['params']['Dense_0']
  means, variances = [], []
  for key in jax.random.split(jax.random.key(0), 3):
    labels_key, latents_key = jax.random.split(key)
    labels = gan.uniform_labels(2)(labels_key, 8)
    x = np.asarray(space.prior(state, latents_key, labels) @ dense['kernel'] + dense['bias'] + labels[:, None])
    means.append(x.mean(0))
    variances.append(x.var(0))
  found = statistics(make(3, 8)(state))
  np.testing.assert_allclose(found['mean'], np.mean(means, axis=0), rtol=1e-4, atol=1e-5)
  np.testing.assert_allclose(found['var'], np.mean(variances, axis=0), rtol=1e-4)


def test_many_batches_come_near_the_truth(parts):
  state, _, make = parts
  dense = jax.tree.map(np.asarray, state.ema_params['generator']['params']['Dense_0'])
  found = statistics(make(200, 64)(state))
  np.testing.assert_allclose(found['mean'], dense['bias'] + 0.5, atol=0.05)  # of the labels: 1 / 2, and 1 / 4
  np.testing.assert_allclose(found['var'], (dense['kernel'] ** 2).sum(0) + 0.25, rtol=0.05)


def test_a_state_is_settled_where_the_algorithm_says_so(parts):
  state, space, make = parts
  algorithm = core.Algorithm(None, None, None, space.prior, space.decode)
  assert core.settled(algorithm, state) is state
  settled = core.settled(algorithm._replace(settle=make(3, 8)), state)
  assert not np.allclose(statistics(settled)['mean'], statistics(state)['mean'])
  np.testing.assert_array_equal(*(s.ema_params['generator']['params']['Dense_0']['kernel'] for s in (settled, state)))


@pytest.mark.parametrize(('batches', 'rows', 'message'), [(0, 8, 'batches is 0'), (1, 1, 'rows is 1')])
def test_too_few_are_refused(parts, batches, rows, message):
  with pytest.raises(ValueError, match=message):
    parts[2](batches, rows)
