"""Batches: order, exact resumption, processes, scaling."""

import json

import numpy as np
import pytest

from gengan.config import defaults
from gengan.data import Split, eval_batches, train_iterator
from gengan.data.iterator import scale
from gengan.host.errors import ArgumentError


def numbered(count=50, name='train'):
  """Images that carry their own number, so that order can be read from a batch; labels are that number too."""
  images = np.zeros((count, 4, 4, 1), np.uint8)
  images[:, 0, 0, 0] = np.arange(count)
  images[:, :, 2:] = 200
  return Split(name, images, np.arange(count, dtype=np.int32), [str(i) for i in range(count)])


def batches(count, split=None, config=None, **options):
  options = {'batch_size': 8, 'seed': 3} | options
  iterator = train_iterator(split or numbered(), config or defaults.data(), **options)
  return [next(iterator) for _ in range(count)]


def assert_equal(a, b):
  assert len(a) == len(b)
  for x, y in zip(a, b, strict=True):
    assert x.keys() == y.keys()
    for key in x:
      np.testing.assert_array_equal(x[key], y[key])


def labels_of(some):
  return np.concatenate([batch['label'] for batch in some])


NOISY = dict(flip=True, dequantise=True)


def test_types_and_ranges():
  (batch,) = batches(1)
  assert batch['image'].shape == (8, 4, 4, 1)
  assert batch['image'].dtype == np.float32
  assert batch['label'].dtype == np.int32
  np.testing.assert_allclose(batch['image'][:, 0, 0, 0], batch['label'] / 127.5 - 1, rtol=1e-6)


def test_every_epoch_has_every_example_once_in_a_new_order():
  labels = labels_of(batches(25))  # 200 examples: four epochs of 50, whose edges fall within batches
  epochs = labels.reshape(4, 50)
  for epoch in epochs:
    np.testing.assert_array_equal(np.sort(epoch), np.arange(50))
  assert len({epoch.tobytes() for epoch in epochs}) == 4
  assert not (epochs[0] == np.arange(50)).all()


def test_deterministic_for_a_seed():
  config = defaults.data(**NOISY)
  assert_equal(batches(12, config=config), batches(12, config=config))
  assert (labels_of(batches(12)) != labels_of(batches(12, seed=4))).any()


@pytest.mark.parametrize('fields', [{}, NOISY, {'binarise': 'stochastic', 'flip': True}])
@pytest.mark.parametrize('done', [0, 1, 9, 23])
def test_resumes_at_the_exact_next_batch(fields, done):
  config = defaults.data(**fields)
  straight = batches(30, config=config)
  iterator = train_iterator(numbered(), config, batch_size=8, seed=3)
  for _ in range(done):
    next(iterator)
  state = json.loads(json.dumps(iterator.get_state()))
  assert state['next_batch'] == done
  resumed = train_iterator(numbered(), config, batch_size=8, seed=3)
  for _ in range(5):  # whatever it did before
    next(resumed)
  resumed.set_state(state)
  assert resumed.get_state() == state
  assert_equal([next(resumed) for _ in range(5)], straight[done : done + 5])


def test_reading_the_state_moves_nothing():
  iterator = train_iterator(numbered(), defaults.data(), batch_size=8, seed=3)
  seen = []
  for _ in range(5):
    iterator.get_state()
    seen.append(next(iterator))
  assert_equal(seen, batches(5))


@pytest.mark.parametrize('change', [{'seed': 4}, {'batch_size': 4}, {'split': numbered(49)}])
def test_a_state_of_other_batches_is_refused(change):
  state = train_iterator(numbered(), defaults.data(), batch_size=8, seed=3).get_state()
  options = {'split': numbered(), 'batch_size': 8, 'seed': 3} | change
  iterator = train_iterator(options.pop('split'), defaults.data(), **options)
  with pytest.raises(ValueError, match='the data iterator was saved with'):
    iterator.set_state(state)


@pytest.mark.parametrize('number', [None, '3', 1.5, True, -1, 2**70, [], float('inf')])
def test_a_state_that_names_no_batch_is_refused(number):
  iterator = train_iterator(numbered(), defaults.data(), batch_size=8, seed=3)
  with pytest.raises(ValueError, match='is no number of a batch'):
    iterator.set_state(iterator.get_state() | {'next_batch': number})


@pytest.mark.parametrize('process_count', [2, 4])
def test_processes_share_every_batch(process_count):
  config = defaults.data(flip=True)
  whole = batches(10, config=config)
  parts = [batches(10, config=config, process_index=i, process_count=process_count) for i in range(process_count)]
  for number, batch in enumerate(whole):
    assert len(parts[0][number]['label']) == 8 // process_count
    for key in batch:
      np.testing.assert_array_equal(np.concatenate([part[number][key] for part in parts]), batch[key])


def test_processes_draw_different_noise():
  config = defaults.data(dequantise=True)
  same = Split('train', np.zeros((8, 4, 4, 1), np.uint8), np.zeros(8, np.int32), list('abcdefgh'))
  first, second = (batches(1, same, config, process_index=i, process_count=2)[0]['image'] for i in (0, 1))
  assert not np.isin(first, second).any()


def test_half_of_the_images_are_flipped():
  config = defaults.data(flip=True)
  images = np.concatenate([batch['image'] for batch in batches(100, config=config)])
  plain = numbered().images / 127.5 - 1
  labels = labels_of(batches(100, config=config))
  is_plain = np.isclose(images, plain[labels], atol=1e-6).all(axis=(1, 2, 3))
  is_flipped = np.isclose(images, plain[labels][:, :, ::-1], atol=1e-6).all(axis=(1, 2, 3))
  assert (is_plain ^ is_flipped).all()
  assert 0.43 < is_flipped.mean() < 0.57  # 800 coins: standard deviation 0.018


def test_training_leaves_the_images_of_the_split_alone():
  split = numbered()
  before = split.images.copy()
  batches(20, split, defaults.data(**NOISY))
  np.testing.assert_array_equal(split.images, before)


@pytest.mark.parametrize('name', ['validation', 'test'])
def test_only_the_train_split_may_be_trained_on(name):
  with pytest.raises(ValueError, match=f"only the train split may be trained on; this is '{name}'"):
    train_iterator(numbered(name=name), defaults.data(), batch_size=8, seed=0)


@pytest.mark.parametrize(
  ('options', 'match'),
  [
    ({'batch_size': 51}, r'^batch_size is 51, but the train split has 50 examples; it must be at most 50'),
    ({'batch_size': 0}, '^batch_size is 0; it must be a positive multiple of the 1 processes'),
    ({'batch_size': 8, 'process_count': 3}, 'positive multiple of the 3 processes'),
    ({'batch_size': 8, 'process_count': 2, 'process_index': 2}, '^process_index is 2'),
    ({'batch_size': 8, 'seed': -1}, '^seed is -1'),
  ],
)
def test_impossible_batches(options, match):
  with pytest.raises(ArgumentError, match=match):
    train_iterator(numbered(), defaults.data(), **({'seed': 0} | options))


LEVELS = np.arange(256, dtype=np.uint8)


def unneeded():
  pytest.fail('noise was drawn')


def test_plain_scale():
  np.testing.assert_allclose(
    scale(LEVELS, unneeded, dequantise=False, binarise='none'), np.linspace(-1, 1, 256), atol=1e-6
  )


def test_dequantised_levels_fill_equal_bins():
  highest = np.nextafter(1, 0, dtype=np.float32)
  low = scale(LEVELS, lambda: np.zeros(256, np.float32), dequantise=True, binarise='none')
  high = scale(LEVELS, lambda: np.full(256, highest), dequantise=True, binarise='none')
  np.testing.assert_allclose(low, -1 + LEVELS.astype(float) / 128, atol=1e-7)
  np.testing.assert_allclose(high, low + 1 / 128, atol=1e-6)
  assert low.min() == -1
  assert high.max() <= 1


def test_threshold():
  result = scale(LEVELS, unneeded, dequantise=False, binarise='threshold')
  assert result.dtype == np.float32
  np.testing.assert_array_equal(result, np.where(np.arange(256) > 127.5, 1, -1))


def test_stochastic_binarisation_keeps_the_mean():
  levels = np.repeat(np.array([0, 64, 200, 255], np.uint8), 20_000)
  noise = np.random.default_rng(0).random(levels.shape, dtype=np.float32)
  result = scale(levels, lambda: noise, dequantise=False, binarise='stochastic').reshape(4, -1)
  assert set(np.unique(result)) == {-1, 1}
  np.testing.assert_allclose((result.mean(axis=1) + 1) / 2, np.array([0, 64, 200, 255]) / 255, atol=0.012)
  assert (result[0] == -1).all()
  assert (result[3] == 1).all()


@pytest.mark.parametrize('fields', [{}, {'dequantise': True}, {'binarise': 'stochastic', 'flip': True}])
def test_evaluation_is_one_ordered_pass_for_any_batch_size(fields):
  config = defaults.data(**fields)
  split = numbered(21, name='test')

  def whole(batch_size):
    found = list(eval_batches(split, config, batch_size=batch_size))
    assert all(len(mask) == batch_size == len(batch['image']) for batch, mask in found)
    return {key: np.concatenate([batch[key][mask] for batch, mask in found]) for key in ('image', 'label')}

  first = whole(8)
  np.testing.assert_array_equal(first['label'], np.arange(21))
  for batch_size in (8, 21, 1, 32):
    assert_equal([first], [whole(batch_size)])


def test_evaluation_does_not_flip():
  (batch, mask), *_ = eval_batches(numbered(8, name='test'), defaults.data(flip=True), batch_size=8)
  np.testing.assert_allclose(batch['image'], numbered(8).images / 127.5 - 1, rtol=1e-6)
  assert mask.all()


def test_evaluation_shares_batches_between_processes():
  split = numbered(21, name='test')
  parts = [list(eval_batches(split, defaults.data(), batch_size=8, process_index=i, process_count=2)) for i in (0, 1)]
  assert len(parts[0]) == len(parts[1]) == 3
  seen = np.concatenate([batch['label'][mask] for part in parts for batch, mask in part])
  np.testing.assert_array_equal(np.sort(seen), np.arange(21))


def test_an_empty_split_has_no_batches():
  assert list(eval_batches(numbered(0, name='validation'), defaults.data(), batch_size=4)) == []
