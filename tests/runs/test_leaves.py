"""Leaves by path: every path and every difference is worked out by hand."""

import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gengan import core
from gengan.runs import leaves


def test_paths_spell_the_way_to_every_leaf_and_back():
  tree = {'params': {'generator': {'kernel': np.zeros((4, 8), np.float32)}}, 'empty': {}, 'step': jnp.int32(3)}
  found = leaves.by_path(tree)
  assert set(found) == {'params/generator/kernel', 'step'}
  assert leaves.nested(found) == {'params': {'generator': {'kernel': found['params/generator/kernel']}}, 'step': 3}
  assert [leaves.describe(leaf) for leaf in found.values()] == ['float32[4,8]', 'int32[]']


def test_two_leaves_of_one_path_are_refused():
  with pytest.raises(ValueError, match='the same path'):
    leaves.by_path({'a/b': 1, 'a': {'b': 2}})


def test_a_leaf_without_elements_is_left_out():
  assert list(leaves.nested({'a': np.zeros((0, 3)), 'b': np.zeros(1)})) == ['b']


def test_every_kind_of_difference_is_named_up_to_five():
  folder, same = pathlib.Path('run/7'), {'a': 'f32[1]', 'b': 'f32[2]'}
  leaves.check(folder, same, dict(reversed(same.items())))
  with pytest.raises(ValueError) as error:
    leaves.check(folder, {'a': 'f32[1]', 'c': 'f32[]'}, {'a': 'f32[9]', 'b': 'f32[2]'})
  assert str(error.value) == (
    'run/7 does not fit the model; missing in the checkpoint: b; not in the model: c; '
    'different: a is f32[1], the model has f32[9]'
  )
  with pytest.raises(ValueError, match=r'missing in the checkpoint: 0, 1, 2, 3, 4 and 2 more$'):
    leaves.check(folder, {}, dict.fromkeys('0123456', ''))


def test_weights_have_a_hash():
  state = core.State(step={}, params={}, opt_state={}, model_state={}, ema_params={}, extra={})
  one, other = (state.replace(ema_params={'w': np.array([1.0, x], np.float32)}) for x in (2.0, 3.0))
  assert leaves.state_sha256(one) == leaves.state_sha256(jax.tree.map(np.copy, one)) != leaves.state_sha256(other)
  assert leaves.state_sha256(one) == leaves.state_sha256(one.replace(opt_state={'m': np.ones(3)}))
  assert len(leaves.state_sha256(one)) == 64
