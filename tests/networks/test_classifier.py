import functools

import numpy as np
import pytest
from sklearn.datasets import load_digits

from gengan.data import mixing
from gengan.networks import classifier


@functools.cache
def digits():
  data = load_digits()
  images = (data.images * 15.9).astype(np.uint8)[..., None]
  return images, data.target.astype(np.int32)


@pytest.fixture(scope='module')
def trained():
  images, labels = digits()
  return classifier.train(
    mixing.batches(mixing.shuffled(images[:1400], labels[:1400], seed=0), batch_size=64),
    num_classes=10,
    steps=120,
    validation=(images[1400:1600], labels[1400:1600]),
    seed=0,
    eval_every_steps=40,
    width=8,
  )


def test_it_learns_real_digits(trained):
  images, labels = digits()
  assert trained.accuracy(images[1600:], labels[1600:]) > 0.85
  assert trained.validation_accuracy == trained.accuracy(images[1400:1600], labels[1400:1600])
  assert trained.step in (40, 80, 120)


def test_predictions_are_probabilities_of_each_image_alone(trained):
  images, _ = digits()
  probabilities, features = trained(images[:300])
  assert probabilities.shape == (300, 10) and features.shape == (300, 32)
  np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-5)
  np.testing.assert_allclose(trained(images[7:8])[0][0], probabilities[7], rtol=1e-4, atol=1e-6)
  np.testing.assert_allclose(trained(images[:3] / np.float32(127.5) - 1)[0], probabilities[:3], rtol=1e-4, atol=1e-6)


def test_arrays_round_trip_and_the_hash_follows_the_weights(trained):
  again = classifier.from_arrays(classifier.to_arrays(trained))
  assert again.sha256 == trained.sha256 and again.step == trained.step
  np.testing.assert_array_equal(again(digits()[0][:5])[0], trained(digits()[0][:5])[0])
  arrays = classifier.to_arrays(trained)
  name = next(key for key in arrays if key.endswith('kernel'))
  arrays[name] = arrays[name] * 1.001
  assert classifier.from_arrays(arrays).sha256 != trained.sha256


@pytest.mark.parametrize(
  'change, message',
  [
    ({'steps': 0}, 'at least 1 step'),
    ({'num_classes': 5}, 'labels from 0 to 9 do not fit 5 classes'),
    ({'validation': (np.zeros((0, 8, 8, 1), np.uint8), np.zeros(0, int))}, 'validation set is empty'),
  ],
)
def test_what_cannot_be_trained_is_refused(change, message):
  images, labels = digits()
  options = {'num_classes': 10, 'steps': 1, 'validation': None, 'seed': 0} | change
  with pytest.raises(ValueError, match=message):
    classifier.train(mixing.batches(mixing.shuffled(images, labels, seed=0), batch_size=128), **options)


def test_a_stack_is_judged_channel_by_channel(trained):
  images = digits()[0][:4]
  stacks = np.concatenate([np.roll(images, channel, axis=0) for channel in range(3)], axis=-1)
  outputs = classifier.of_stacks(trained).apply(stacks)
  probabilities, features = trained(images)
  red, green, blue = (np.roll(probabilities, channel, axis=0) for channel in range(3))
  expected = [red[:, int(a)] * green[:, int(b)] * blue[:, int(c)] for a, b, c in map('{:03d}'.format, range(1000))]
  np.testing.assert_allclose(np.exp(outputs['logits']).T, expected, atol=1e-5)
  np.testing.assert_allclose(outputs['features'][3], np.concatenate([features[i] for i in (3, 2, 1)]), atol=1e-4)
