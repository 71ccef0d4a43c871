"""The hash of weights is of all that samples depend on, and of no more."""

import jax
import numpy as np

from gengan import core
from gengan.runs.weights import state_sha256


def test_weights_have_a_hash():
  state = core.State(step={}, params={}, opt_state={}, model_state={}, ema_params={}, extra={})
  one, other = (state.replace(ema_params={'w': np.array([1.0, x], np.float32)}) for x in (2.0, 3.0))
  assert state_sha256(one) == state_sha256(jax.tree.map(np.copy, one)) != state_sha256(other)
  assert state_sha256(one) == state_sha256(one.replace(opt_state={'m': np.ones(3)}))
  assert len(state_sha256(one)) == 64
