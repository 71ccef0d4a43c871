"""Image i depends on the weights, the seed, i and its label: not on what is drawn beside it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gengan.config
from configs import dcgan
from gengan import core, runs, sharding
from gengan.data import images
from gengan.generate import stream

ROWS = stream.ROWS


def toy(latent_size=6):
  """Images [N, 4, 4, 1]: latents in the first row, the label below."""

  def decode(state, latents, labels):
    first = jnp.tanh(latents[:, :4])[:, None, :, None]
    rest = jnp.broadcast_to((labels / 10.0)[:, None, None, None], (len(labels), 3, 4, 1))
    return jnp.concatenate([first, rest], axis=1)

  def prior(state, key, labels, *, truncation=1.0):
    return core.truncated(jax.random.normal(key, (len(labels), latent_size)), truncation)

  return core.Algorithm(init=None, train_step=None, eval_step=None, prior=prior, decode=decode)


EMPTY = core.State(step=jnp.int32(0), params={}, opt_state={}, model_state={}, ema_params={}, extra={})


def collect(draw, slots, attempt, labels):
  found = {}
  for chosen, decoded in draw(np.asarray(slots), attempt, np.asarray(labels)):
    assert chosen.shape == (ROWS,) and len(decoded) == ROWS
    for row in np.flatnonzero(chosen >= 0):
      assert int(chosen[row]) not in found
      found[int(chosen[row])] = decoded[row]
  return np.stack([found[i] for i in range(len(slots))])


@pytest.fixture(scope='module')
def network():
  """A conditional generator with convolutions, whose pixels use the whole range."""
  config = dcgan.get_config()
  config.data.image_size, config.model.width = 16, 8
  config.model.conditional, config.model.num_classes = True, 10
  algorithm = gengan.config.make_algorithm(config)
  mesh = sharding.make_mesh(devices=jax.devices()[:1])
  state = sharding.init(algorithm, jax.random.key(0), runs.example_batch(config), mesh)
  return algorithm, state.replace(ema_params=jax.tree.map(lambda x: 8 * x, state.ema_params))


def test_the_bytes_do_not_depend_on_batch_size_devices_or_neighbours(network):
  algorithm, state = network
  slots = np.arange(300)
  labels = stream.labels_of(slots, range(10))
  devices = jax.devices()
  sets = {}
  for count, batch_size in [(1, 32), (1, 256), (8, 1024)]:
    mesh = sharding.make_mesh(devices=devices[:count])
    draw = stream.make_draw(algorithm, state, seed=1, mesh=mesh, batch_size=batch_size)
    sets[count, batch_size] = collect(draw, slots, 0, labels)
  first = sets[1, 32]
  assert images.to_uint8(first).std() > 40
  for other in sets.values():
    np.testing.assert_array_equal(other, first)
  some = np.array([3, 64, 67, 130, 131, 259, 299])  # 3, 67, 131 and 259 share a column
  np.testing.assert_array_equal(collect(draw, some, 0, labels[some]), first[some])


def test_latents_are_the_prior_under_the_key_of_the_slot_and_attempt():
  draw = stream.make_draw(toy(), EMPTY, seed=5, truncation=0.5)
  drawn = collect(draw, [2, 70], 3, [4, 7])
  for slot, label, image in zip([2, 70], [4, 7], drawn, strict=True):
    key = jax.random.fold_in(jax.random.fold_in(jax.random.key(5), slot), 3)
    np.testing.assert_allclose(image[0, :, 0], np.tanh(0.5 * jax.random.normal(key, (1, 6))[0, :4]), rtol=1e-5)
    np.testing.assert_allclose(image[1:], label / 10, rtol=1e-6)


def test_latents_may_be_codes():
  codes = lambda state, key, labels, *, truncation: {'codes': jax.random.randint(key, (len(labels), 4), 0, 9)}
  decode = toy().decode
  algorithm = toy()._replace(prior=codes, decode=lambda s, z, y: decode(s, z['codes'] / 9.0, y))
  drawn = collect(stream.make_draw(algorithm, EMPTY, seed=5), [2, 70], 0, [4, 7])
  for slot, image in zip([2, 70], drawn, strict=True):
    key = jax.random.fold_in(jax.random.fold_in(jax.random.key(5), slot), 0)
    np.testing.assert_allclose(image[0, :, 0], np.tanh(jax.random.randint(key, (1, 4), 0, 9)[0] / 9), rtol=1e-5)


def test_a_slot_keeps_its_column():
  slots = np.array([1, 63, 64, 65, 129, 200])
  chosen = stream.place(slots)
  assert chosen.shape == (3, ROWS)
  for block, column in zip(*np.nonzero(chosen >= 0), strict=True):
    assert slots[chosen[block, column]] % ROWS == column
  assert sorted(chosen[chosen >= 0]) == list(range(6))
  np.testing.assert_array_equal(stream.place(np.arange(128)), np.arange(128).reshape(2, ROWS))
  assert stream.place(np.arange(0)).shape == (0, ROWS)


def test_dropped_slots_are_drawn_again_until_kept_or_given_up():
  draw = stream.make_draw(toy(), EMPTY, seed=0)
  slots, labels = np.arange(100, 200), np.arange(100) % 10
  positive = stream.Filter('negative', lambda c: c.images[:, 0, 0, 0] > 0)
  never = stream.Filter('label_3', lambda c: c.labels != 3)
  filled = stream.fill(draw, slots, labels, filters=[positive, never], max_attempts=20)
  assert filled.slots.tolist() == [slot for slot, label in zip(slots, labels, strict=True) if label != 3]
  assert (filled.images[:, 0, 0, 0] >= 128).all() and filled.labels.tolist() == [x for x in labels if x != 3]
  assert filled.drawn == len(filled.slots) + sum(filled.dropped.values())
  assert filled.dropped['label_3'] > 60 and 0 < filled.attempts.max() < 20

  for slot, attempt, image in zip(filled.slots[:20], filled.attempts[:20], filled.images[:20], strict=True):
    each = [collect(draw, [slot], a, [slot % 10])[0] for a in range(attempt + 1)]
    assert [x[0, 0, 0] > 0 for x in each] == [False] * attempt + [True]
    np.testing.assert_array_equal(images.to_uint8(each[-1]), image)


def test_labels_take_turns():
  assert stream.labels_of(np.arange(3, 8), [4, 7]).tolist() == [7, 4, 7, 4, 7]
  assert stream.labels_of(np.arange(3), []).tolist() == [0, 0, 0]


def test_the_progress_counts_what_is_found_in_the_end():
  class EveryOther:
    name = 'even'

    def admit(self, image):
      self.last = not getattr(self, 'last', False)
      return self.last

  slots = np.arange(100)
  for unique in (None, EveryOther()):
    seen = []
    draw = stream.make_draw(toy(), EMPTY, seed=0)
    filled = stream.fill(draw, slots, slots % 3, unique=unique, max_attempts=2, report=seen.append)
    assert sum(seen) == len(filled.slots) == (75 if unique else 100)
