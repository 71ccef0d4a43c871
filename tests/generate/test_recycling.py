"""Generated images that are drawn anew: fresh sets, the slots of a generated data set, filters."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gengan import core
from gengan.generate import stream as generation
from gengan.generate.recycling import recycled


def make_draw():
  """A generator whose every image is its own number: the latent's hash of the slot, read back from four pixels."""
  algorithm = core.Algorithm(
    init=None,
    train_step=None,
    eval_step=None,
    prior=lambda state, key, labels, *, truncation: jax.random.uniform(key, (len(labels), 4)),
    decode=lambda state, latents, labels: latents.reshape(-1, 2, 2, 1) * 2 - 1,
    encode=None,
  )
  empty = {}
  state = core.State(step=jnp.int32(0), params=empty, opt_state=empty, model_state=empty, ema_params=empty, extra=empty)
  return generation.make_draw(algorithm, state, seed=3)


def test_a_generator_gives_a_fresh_set_every_epoch_and_the_slots_of_generate():
  draw = make_draw()
  stream = recycled(draw, classes=(4, 2), size=6, seed=0)
  sets = [np.unique(stream(start, start + 6)[0].reshape(6, -1), axis=0) for start in (0, 6, 12)]
  assert all(len(each) == 6 for each in sets)
  assert len(np.unique(np.concatenate(sets), axis=0)) == 18  # nothing comes twice
  slots = np.arange(6, 12)
  second = generation.fill(draw, slots, generation.labels_of(slots, (4, 2)))
  np.testing.assert_array_equal(sets[1], np.unique(second.images.reshape(6, -1), axis=0))
  assert sorted(stream(6, 12)[1].tolist()) == [2, 2, 2, 4, 4, 4]


def test_a_set_lasts_as_many_epochs_as_it_is_told():
  draw = make_draw()
  rows = lambda every, start: np.unique(
    recycled(draw, classes=(), size=5, seed=0, every_epochs=every)(start, start + 5)[0].reshape(5, -1), axis=0
  )
  assert (rows(2, 0) == rows(2, 5)).all() and (rows(2, 5) != rows(2, 10)).any()
  assert (rows(0, 0) == rows(0, 50)).all()


def test_filters_apply_and_an_epoch_keeps_its_length():
  bright = generation.Filter('bright', lambda candidates: candidates.images[:, 0, 0, 0] > 0)
  stream = recycled(make_draw(), classes=(), size=8, seed=0, filters=[bright], max_attempts=1)
  images, _ = stream(0, 8)
  assert len(images) == 8 and (images[:, 0, 0, 0] > 127).all()
  nothing = generation.Filter('none', lambda candidates: np.zeros(len(candidates.labels), bool))
  with pytest.raises(ValueError, match='dropped all of 8'):
    recycled(make_draw(), classes=(), size=8, seed=0, filters=[nothing], max_attempts=1)(0, 1)


def test_labels_can_be_those_that_somebody_finds_in_the_images():
  bright = lambda images: (images[:, 0, 0, 0] > 127).astype(np.int32)
  asked, found = (recycled(make_draw(), classes=(4, 2), size=40, seed=0, relabel=who)(0, 80) for who in (None, bright))
  np.testing.assert_array_equal(asked[0], found[0])
  assert set(asked[1]) == {4, 2}
  np.testing.assert_array_equal(found[1], found[0][:, 0, 0, 0] > 127)
  assert 0 < found[1].mean() < 1


def test_a_set_without_images_is_refused():
  with pytest.raises(ValueError, match='at least 1 image'):
    recycled(None, classes=(), size=0, seed=0)
