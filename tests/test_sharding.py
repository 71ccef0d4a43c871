"""One step on one device is the truth; every mesh and mode has to give the same state."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import AxisType, PartitionSpec

from gengan import core, sharding

OPTIMIZER = optax.adam(1e-2)
KEY = jax.random.key(7)
ROWS = 16
MIN_SIZE = 64  # elements: small enough that the tiny network has leaves to cut


class Network(nn.Module):
  """Two convolutions with batch normalisation between them."""

  axis_name: str | None = None

  @nn.compact
  def __call__(self, x):
    x = nn.Conv(8, (3, 3), (2, 2), use_bias=False)(x)
    x = nn.BatchNorm(use_running_average=False, axis_name=self.axis_name)(x)
    return nn.Conv(4, (3, 3))(nn.leaky_relu(x)).mean((1, 2))


def tiny(axis_name=None):
  network = Network(axis_name)

  def init(key, batch):
    # Only shapes may matter here: the batch of another device count must give the same state.
    variables = Network().init(key, batch['image'])
    params = {'net': variables['params']}
    return core.State(
      step=jnp.zeros((), jnp.int32),
      params=params,
      opt_state={'net': OPTIMIZER.init(params['net'])},
      model_state={'net': {'batch_stats': variables['batch_stats']}, 'other': {}},
      ema_params=params,
      extra={'last_noise': jnp.zeros((), jnp.float32)},
    )

  def train_step(state, batch, key):
    images = batch['image']
    noise = core.local_rows(lambda n: jax.random.normal(key, (n, *images.shape[1:])), len(images), axis_name)

    def loss(params):
      variables = {'params': params, **state.model_state['net']}
      logits, mutated = network.apply(variables, images + 0.1 * noise, mutable=['batch_stats'])
      targets = jax.nn.one_hot(batch['label'], 4)
      return optax.softmax_cross_entropy(logits, targets).mean(), mutated

    (value, mutated), grads = jax.value_and_grad(loss, has_aux=True)(state.params['net'])
    value, grads = core.pmean((value, grads), axis_name)
    params, opt_state, _ = core.update(OPTIMIZER, grads, state.opt_state['net'], state.params['net'])
    state = state.replace(
      step=state.step + 1,
      params={'net': params},
      opt_state={'net': opt_state},
      model_state={**state.model_state, 'net': dict(mutated)},
      ema_params=jax.tree.map(lambda a, b: 0.5 * a + 0.5 * b, state.ema_params, {'net': params}),
      extra={'last_noise': core.pmean(noise.mean(), axis_name)},
    )
    return state, {'loss': value}

  return core.Algorithm(init, train_step, None, None, None)


def make_batch(seed=0, rows=ROWS):
  rng = np.random.default_rng(seed)
  return {
    'image': rng.uniform(-1, 1, (rows, 8, 8, 4)).astype(np.float32),
    'label': rng.integers(0, 4, rows).astype(np.int32),
  }


def train(mesh, *, runs=1, **kwargs):
  """The fresh state, and the state and losses of each run of three steps from it."""
  algorithm = tiny('data' if kwargs.get('mode') == 'pmap' else None)
  state = fresh = sharding.init(algorithm, KEY, make_batch(), mesh, min_size=MIN_SIZE)
  layout = jax.tree.map(lambda leaf: leaf.sharding, fresh)
  step = sharding.compile_step(algorithm.train_step, mesh=mesh, state_sharding=layout, donate=False, **kwargs)
  results = []
  for _ in range(runs):
    state, losses = fresh, []
    for i in range(3):
      state, metrics = step(state, make_batch(i), KEY)
      losses.append(float(metrics['loss']))
    results.append((state, losses))
  return fresh, results


@pytest.fixture(scope='module')
def alone():
  return train(sharding.make_mesh(devices=jax.devices()[:1]), runs=2)


@pytest.fixture(scope='module')
def cut():
  return train(sharding.make_mesh(data=2, fsdp=4))


def assert_same_training(run, alone):
  (fresh, [(state, losses)]), (expected_fresh, [(expected, expected_losses), _]) = run, alone
  jax.tree.map(np.testing.assert_array_equal, fresh, expected_fresh)
  np.testing.assert_allclose(losses, expected_losses, rtol=1e-5)
  assert jax.tree.structure(state) == jax.tree.structure(expected)
  # Adam divides by the root of small second moments, which amplifies the order of a sum.
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-5), state, expected)


@pytest.mark.parametrize('mode', ['jit', 'pmap'])
def test_eight_devices_train_as_one_does(alone, mode):
  assert_same_training(train(sharding.make_mesh(data=8), mode=mode), alone)


def test_a_cut_state_trains_as_a_whole_one_does(alone, cut):
  assert_same_training(cut, alone)


def test_one_device_repeats_for_a_key(alone):
  fresh, [(state, losses), (again, repeated)] = alone
  assert repeated == losses
  jax.tree.map(np.testing.assert_array_equal, again, state)
  moved = jax.tree.map(lambda a, b: float(abs(a - b).max()), fresh, state)
  assert min(jax.tree.leaves(moved)) > 0  # so the equalities above compare states that have been trained


def test_the_key_is_folded_with_the_step():
  mesh = sharding.make_mesh()
  seen = lambda state, batch, key: (state.replace(step=state.step + 1), {'draw': jax.random.uniform(key)})
  step = sharding.compile_step(seen, mesh=mesh)
  state = core.State(jnp.zeros((), jnp.int32), {}, {}, {}, {}, {})
  for i in range(3):
    state, metrics = step(state, make_batch(), KEY)
    assert float(metrics['draw']) == float(jax.random.uniform(jax.random.fold_in(KEY, i)))


def test_leaves_are_cut_along_the_largest_divisible_dimension():
  mesh = sharding.make_mesh(data=2, fsdp=4)
  shape = lambda *size: jax.ShapeDtypeStruct(size, jnp.float32)
  tree = {
    'kernel': shape(3, 3, 64, 128),
    'square': shape(64, 64),
    'odd': shape(63, 65),
    'small': shape(8, 4),
    'largest_is_odd': shape(63, 32),
    'scalar': shape(),
  }
  layout = sharding.state_sharding(mesh, tree, min_size=64)
  assert {name: tuple(leaf.spec) for name, leaf in layout.items()} == {
    'kernel': (None, None, None, 'fsdp'),
    'square': (None, 'fsdp'),
    'odd': (),
    'small': (),
    'largest_is_odd': (None, 'fsdp'),
    'scalar': (),
  }
  replicated = sharding.state_sharding(sharding.make_mesh(data=8), tree, min_size=1)
  assert all(leaf.is_fully_replicated for leaf in jax.tree.leaves(replicated))


def test_the_state_is_made_and_stays_in_shares(cut):
  fresh, [(trained, _)] = cut
  for state in (fresh, trained):
    kernels = {
      'params': state.params['net']['Conv_0']['kernel'],
      'moment': state.opt_state['net'][0].mu['Conv_0']['kernel'],
      'ema': state.ema_params['net']['Conv_0']['kernel'],
    }
    for kernel in kernels.values():
      assert kernel.shape == (3, 3, 4, 8)
      assert {shard.data.shape for shard in kernel.addressable_shards} == {(3, 3, 4, 2)}
    bias = state.params['net']['Conv_1']['bias']
    assert {shard.data.shape for shard in bias.addressable_shards} == {(4,)}


def test_the_abstract_state_describes_the_state(cut):
  mesh = sharding.make_mesh(data=2, fsdp=4)
  abstract = sharding.abstract_state(tiny(), make_batch(rows=2), mesh, min_size=MIN_SIZE)
  describe = lambda leaf: (leaf.shape, leaf.dtype, leaf.sharding)
  assert jax.tree.map(describe, abstract) == jax.tree.map(describe, cut[0])


@pytest.mark.parametrize('mode', ['jit', 'pmap'])
def test_the_state_is_donated_only_when_asked(mode):
  mesh = sharding.make_mesh()
  count = lambda state, batch, key: (jax.tree.map(lambda x: x + 1, state), {})
  for donate in (True, False):
    state = core.State(jnp.zeros((), jnp.int32), {'w': jnp.zeros((4, 4))}, {}, {}, {}, {})
    state = jax.device_put(state, sharding.replicated(mesh))
    step = sharding.compile_step(count, mesh=mesh, mode=mode, donate=donate)
    new, _ = step(state, make_batch(), KEY)
    assert state.params['w'].is_deleted() == donate
    np.testing.assert_array_equal(new.params['w'], np.ones((4, 4)))


def test_a_batch_is_cut_in_order_over_all_devices():
  mesh = sharding.make_mesh(data=2, fsdp=4)
  batch = make_batch()
  placed = sharding.shard_batch(batch, mesh)
  shards = sorted(placed['label'].addressable_shards, key=lambda shard: shard.index[0].start)
  assert [shard.data.shape for shard in shards] == [(ROWS // 8,)] * 8
  np.testing.assert_array_equal(np.concatenate([shard.data for shard in shards]), batch['label'])
  assert sharding.shard_batch(placed, mesh)['image'] is placed['image']


def test_axes_are_left_to_the_compiler():
  mesh = sharding.make_mesh(fsdp=2)
  assert dict(mesh.shape) == {'data': 4, 'fsdp': 2}
  assert mesh.axis_types == (AxisType.Auto, AxisType.Auto)
  assert sharding.batch_sharding(mesh).spec == PartitionSpec(('data', 'fsdp'))


@pytest.mark.parametrize(
  ('size', 'message'),
  [
    ({'data': 3}, r'^data is 3 while fsdp is 1, but there are 8 devices; it must be 8, or -1 for that$'),
    ({'data': 2, 'fsdp': 2}, r'^data is 2 while fsdp is 2, but there are 8 devices; it must be 4, or -1 for that$'),
    ({'fsdp': 3}, r'^fsdp is 3; it must be a divisor of the 8 devices: 1, 2, 4, 8$'),
    ({'fsdp': 0}, r'^fsdp is 0; '),
    ({'data': 0}, r'^data is 0 '),
  ],
)
def test_impossible_meshes(size, message):
  with pytest.raises(core.ArgumentError, match=message) as error:
    sharding.make_mesh(**size)
  assert '\n' not in str(error.value)


@pytest.mark.parametrize('mode', ['jit', 'pmap'])
def test_an_impossible_batch_size_is_named(mode):
  mesh = sharding.make_mesh()
  step = sharding.compile_step(tiny('data').train_step, mesh=mesh, mode=mode)
  with pytest.raises(ValueError, match=r'^batch_size is 12; .* a multiple of the 8 devices; nearest are 8 or 16$'):
    step(None, make_batch(rows=12), KEY)
  with pytest.raises(ValueError, match=r'^batch_size is 3; .*nearest are 8$'):
    sharding.check_batch_size(3, mesh)
  sharding.check_batch_size(16, mesh)


def test_impossible_modes(monkeypatch):
  with pytest.raises(ValueError, match=r"^mode is 'xmap'; it must be 'jit' or 'pmap'$"):
    sharding.compile_step(tiny().train_step, mesh=sharding.make_mesh(), mode='xmap')
  with pytest.raises(ValueError, match=r"^mode is 'pmap' while fsdp is 2; it must be 'jit'$"):
    sharding.compile_step(tiny().train_step, mesh=sharding.make_mesh(fsdp=2), mode='pmap')
  monkeypatch.setattr(sharding.jax, 'process_count', lambda: 2)
  sharding.check_mode('jit', sharding.make_mesh())
  with pytest.raises(ValueError, match='a single process'):
    sharding.check_mode('pmap', sharding.make_mesh())


@pytest.mark.parametrize('mode', ['jit', 'pmap'])
def test_steps_on_a_cpu_keep_their_memory(monkeypatch, mode):
  kept = []
  monkeypatch.setattr(sharding.memory, 'keep_freed', lambda: kept.append(mode))
  sharding.compile_step(tiny().train_step, mesh=sharding.make_mesh(), mode=mode)
  sharding.jit_step(abs, 'gpu')
  assert kept == [mode]


def test_what_the_first_process_decides_holds_in_all(monkeypatch):
  def refuse():
    raise OSError('no such folder')

  assert sharding.decided_by_first(lambda: 7, 'process 0 could not') == 7
  with pytest.raises(OSError, match='no such folder'):
    sharding.decided_by_first(refuse, 'process 0 could not')
  monkeypatch.setattr(sharding.jax, 'process_count', lambda: 2)
  monkeypatch.setattr(sharding.jax, 'process_index', lambda: 1)
  monkeypatch.setattr(sharding.multihost_utils, 'broadcast_one_to_all', lambda mine: np.int32(7))
  assert sharding.decided_by_first(refuse, 'process 0 could not') == 7  # `refuse` is not asked here
  monkeypatch.setattr(sharding.multihost_utils, 'broadcast_one_to_all', lambda mine: np.int32(-1))
  with pytest.raises(ValueError, match='process 0 could not'):
    sharding.decided_by_first(refuse, 'process 0 could not')


def test_one_process_starts_nothing_unless_asked(monkeypatch):
  monkeypatch.delenv('GENGAN_DISTRIBUTED', raising=False)
  assert sharding.initialize() is False
  monkeypatch.setenv('GENGAN_PROCESS_ID', '0')
  with pytest.raises(ValueError, match='GENGAN_NUM_PROCESSES'):
    sharding.initialize(True)


@pytest.mark.parametrize('error', [RuntimeError("Unable to initialize backend 'cuda':\nno GPU"), AssertionError()])
def test_a_platform_that_is_not_there_is_one_helpful_line(error, monkeypatch):
  def fail():
    raise error

  monkeypatch.setattr(jax, 'devices', fail)
  with pytest.raises(ValueError, match=r"^JAX_PLATFORMS is 'cpu', and JAX finds no such.*; unset it or") as caught:
    sharding.make_mesh()
  assert '\n' not in str(caught.value)
